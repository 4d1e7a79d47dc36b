"""Defenses by their names on a chip: learned, exported, and as arms of an experiment."""

import numpy as np
import pytest
import torch
from torch import nn

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.hardware.network import ChipDefense, Program
from localnoise.sims.attacks.bypass import GateBypassed
from localnoise.sims.defenses import DEFENSES
from localnoise.sims.evaluation.source import Source
from localnoise.sims.evaluation.threat import Threat
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.on_chip import Deployed, arm_for_chip
from localnoise.sims.experiments.presets import preset
from localnoise.sims.experiments.repair_learning import calibrating, held_out
from localnoise.sims.experiments.runner import Runner
from localnoise.sims.models import training
from localnoise.sims.tasks.registry import TASKS
from localnoise.sims.tools.asked_network import Asked
from localnoise.sims.tools.exported_network import exported_network


def windows(count, seed):
    y = torch.arange(count) % 3
    g = torch.Generator().manual_seed(seed)
    return torch.eye(3)[y][:, :, None] * torch.linspace(0, 1, 8) + 0.1 * torch.rand(count, 3, 8, generator=g), y


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(3, 4, 3, padding=1), nn.Tanh(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(16, 3))


def dim(x, level=0.5):
    """Less of everything."""
    return x * (1 - level)


@pytest.fixture(scope="module", autouse=True)
def task():
    if "toy-windows" not in TASKS:
        TASKS.register("toy-windows", __name__)(
            ln.Task(
                model=net, layer="1", train=windows(360, 0), test=windows(60, 1), bounds=(0, 1.5),
                perturbations={"dim": dim}, name="toy-windows",
            )
        )  # fmt: skip


def asked(tmp_path, defense, **more):
    given = {
        "task": "toy-windows", "weights": None, "layer": "", "defense": defense, "draws": None, "vote": False,
        "weight_bits": 8, "activation_bits": 8, "data": "full", "test_images": 30, "seed": 0, "chip": "stm32f407",
        "preset": "quick", "epochs": 1, "cache": tmp_path,
    }  # fmt: skip
    return Asked(**given | more)


@pytest.mark.parametrize(
    ("defense", "repairs"),
    [
        ("raster-1", False),
        ("grid:parents=2:weight_bits=6", False),
        ("repair-8", True),
        ("repair:parents=2", True),
        ("signal-4", None),
        ("none", None),
    ],
)
def test_a_defense_is_learned_and_exported_by_its_name(tmp_path_factory, defense, repairs, capsys):
    folder = tmp_path_factory.getbasetemp() / "kept"
    folder.mkdir(exist_ok=True)
    made = exported_network(asked(folder, defense))
    assert list(folder.glob("toy-windows-*.pt")), "the trained network is kept"
    if repairs is None:  # nothing is added at test
        assert isinstance(made, Program)
    else:
        assert isinstance(made, ChipDefense)
        assert made.entry.repairs is repairs
        assert made.draws == (1 if repairs else 10)
        assert made.program.provenance["defense"] == defense
    shown = capsys.readouterr().out
    assert "Accuracy on 30 test inputs" in shown
    assert ("adds nothing at test" in shown) == (defense == "signal-4")
    assert ("dim@0.5" in shown) == (defense.startswith("repair") or defense == "signal-4")
    if defense == "repair:parents=2":
        assert [len(one.sources) for one in made.repairs] == [2] * len(made.repairs)
        assert len(made.repairs) > 1, "later layers are repaired, too"


@pytest.mark.parametrize("defense", ["none", "raster-1", "repair-8"])
def test_a_network_that_learned_locally_goes_to_a_chip_as_any_other(tmp_path, defense, capsys):
    made = exported_network(asked(tmp_path, defense, training="local-heads"))
    assert [file.name for file in tmp_path.glob("toy-windows-*-by-local-heads-*.pt")], "trained by the rule, and kept"
    program = made.program if isinstance(made, ChipDefense) else made
    assert program.provenance["training"] == "local-heads"
    assert "Accuracy on 30 test inputs" in capsys.readouterr().out
    with pytest.raises(ArgumentError, match=r"training='local'.*expected one of"):
        exported_network(asked(tmp_path, defense, training="local"))


CLEAN_OF_40 = Threat(name="clean", level=0.0, images=40)


def test_repairs_go_to_the_chip_as_they_are():
    assert arm_for_chip("repair") == "repair"
    assert arm_for_chip("repair-16") == "repair-16"
    assert arm_for_chip("repair-8") == "repair:layers=first:radius=1:parents=2:worth=no:share=places"
    for name, match in (("repair:told=yes", "told"), ("repair:asks=2", "asks"), ("identity", "central")):
        with pytest.raises(ArgumentError, match=match):
            arm_for_chip(name)


@pytest.fixture(scope="module")
def runner(tmp_path_factory, task):
    chosen = Chosen.of("toy-windows")
    settings = preset("quick", seeds=1, epochs=1).settings(None, chosen)
    return Runner(settings, chosen.task.data("task"), tmp_path_factory.mktemp("arms"))


@pytest.mark.parametrize("arm", ["raster-1", "repair-8", "undefended"])
def test_an_arm_in_integers_is_judged_as_its_twin_is(runner, arm):
    source = Source.default("dim" if arm == "repair-8" else "pgd")
    threats = tuple(Threat(name=name, level=level, images=40) for name, level in (("clean", 0.0), ("pgd", 0.1)))
    twin, _ = runner.trained(Cell(seed=0, sources=(source,), arm=DEFENSES[f"int8:{arm}"].twin))
    cell = Cell(seed=0, sources=(source,), arm=f"int8:{arm}", threats=threats)
    first, again = (runner.run(cell).values for _ in range(2))
    own, _ = runner.trained(cell)
    assert isinstance(own, Deployed)
    assert own._twin[0] is twin
    for label in ("clean", "pgd@0.1"):
        assert np.array_equal(first[f"correct.{label}"], again[f"correct.{label}"]), "its stream begins anew"
    x = runner.bench(0).test[0][:40]
    own.draws = twin.draws = 1000 if own.noise.active else 1  # of which the mean logits are nearly those of the law
    with torch.no_grad():
        assert (own(x) - twin(x)).abs().mean() < 0.2 * twin(x).std()
    x.requires_grad_(True)
    own(x).sum().backward()
    assert x.grad.abs().sum() > 0
    fewer = DEFENSES[f"int4:{arm}"]
    assert (fewer.deployed, fewer.twin) == (4, DEFENSES[f"int8:{arm}"].twin)


def test_a_repair_of_another_network_goes_to_the_chip_with_that_network(runner, monkeypatch):
    monkeypatch.setattr("localnoise.sims.defenses.augmentation_training.MOST", 3)
    x = runner.bench(0).test[0][:40]
    for arm in ("repair-retrained", "repair-noise"):
        cell = Cell(seed=0, sources=(Source.default("dim"),), arm=f"int8:{arm}", threats=(CLEAN_OF_40,))
        own, _ = runner.trained(cell)
        (twin,) = own._twin
        assert len(twin.noise.repairs) > 1
        with torch.no_grad():
            near, far = twin(x), runner.bench(0).network(x)
            assert (own(x) - near).abs().mean() < 0.3 * (own(x) - far).abs().mean()


def test_no_margins_are_asked_of_a_repair_behind_which_layers_were_retrained(runner):
    bench = runner.bench(0)
    assert calibrating(bench, DEFENSES["repair-retrained"].repair) is None
    assert len(calibrating(bench, DEFENSES["repair"].repair)) == held_out(len(bench.train[0]))


def test_an_attacker_goes_around_the_gate_of_a_repair_in_integers(runner):
    threats = (CLEAN_OF_40,)
    cell = Cell(seed=0, sources=(Source.default("dim"),), arm="int8:repair-8", threats=threats)
    own, _ = runner.trained(cell)
    assert GateBypassed.fits(own)
    layer = own._twin[0].noise.first
    with own.noise.constant():
        assert layer.constant
    assert not layer.constant
    bare, _ = runner.trained(Cell(seed=0, sources=(), arm="int8:undefended", threats=threats))
    assert not GateBypassed.fits(bare)


def test_a_repair_is_calibrated_on_the_inputs_that_it_kept(runner):
    """Their activations behind the float layers are those that its members hold."""
    sources = (Source.default("dim"), Source.default("pgd", 0.1))
    twin, _ = runner.trained(Cell(seed=0, sources=sources, arm=DEFENSES["int8:repair-8"].twin))
    bench, repair = runner.bench(0), twin.noise.repairs[0]
    kept = runner.kept_inputs(Cell(seed=0, sources=sources, arm="int8:repair-8"), twin)
    assert [*kept] == repair.sources == ["clean", "dim@0.5", "pgd@0.1"]
    for member, (source, (inputs,)) in zip(repair.members, kept.items(), strict=True):
        assert len(inputs) == len(member.kept)
        if source != "pgd@0.1":  # which is made anew
            h = training.activations(bench.network.front, inputs)
            assert np.abs(h.numpy().reshape(member.kept.shape) - member.kept).max() < 1e-3
    undefended = Cell(seed=0, sources=sources, arm="undefended")
    assert runner.kept_inputs(undefended, runner.trained(undefended)[0]) is None


def test_arms_that_have_no_integers_are_refused():
    for name, match in (("int9:none", "int2 to int8"), ("int8:full", "central"), ("int8:int8:none", "int2 to int8")):
        with pytest.raises(ArgumentError, match=match):
            DEFENSES[name]
