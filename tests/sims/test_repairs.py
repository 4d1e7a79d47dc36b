"""Repair as a defense: what it learns from, what it leaves alone, how an attacker goes around it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from localnoise import Repair
from localnoise.nn import RepairLayer
from localnoise.sims import data, models
from localnoise.sims.attacks import APGD, PGD
from localnoise.sims.attacks.base import noise_off
from localnoise.sims.attacks.bypass import GateBypassed
from localnoise.sims.defenses import DEFENSES, Repairing, named
from localnoise.sims.defenses.augmentation_training import until_no_better
from localnoise.sims.defenses.lesson import Lesson
from localnoise.sims.defenses.repaired_network import DenseRepairLayer, Mended, attached, mended
from localnoise.sims.evaluation import Adaptive
from localnoise.sims.evaluation.source import Source
from localnoise.sims.evaluation.threat import Threat
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.mender import CHANGED, Mender
from localnoise.sims.experiments.on_chip import _unrepaired
from localnoise.sims.experiments.repair_learning import held_out, kept_inputs
from localnoise.sims.experiments.runner import Runner
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.models import folded

SOURCES = (Source.default("brighten"), Source.default("line_blur"))
IMAGES = 100


@pytest.fixture(scope="module", params=["v1", pytest.param("v2", marks=pytest.mark.slow)])  # 128 and 3,136 neurons
def runner(request: pytest.FixtureRequest, small_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    torch.set_num_threads(1)
    images = data.load("full", small_dir)
    settings = Settings(
        network=request.param,
        data="full",
        fingerprint=images.fingerprint,
        base_epochs=1,
        epochs=1,
        attack=PGD(steps=2, draws=2),
        attacked_train=50,
        attacked_test=20,
        adaptive=Adaptive(steps=3, ladder=(1,), queries=5, tries=2, votes=1, checked=10),
    )
    return Runner(settings, images, tmp_path_factory.mktemp("networks"))


def cell(arm: str, threat: str = "clean", level: float = 0.0, images: int = IMAGES) -> Cell:
    sources = SOURCES if named(arm).learns else ()
    return Cell(seed=0, sources=sources, arm=arm, threats=(Threat(name=threat, level=level, images=images),))


def predictor(runner: Runner, arm: str) -> Any:
    runner.run(cell(arm))
    assert runner._trained is not None
    return runner._trained[1]


def test_no_weight_changes_and_no_label_is_read(runner: Runner) -> None:
    bench = runner.bench(0)
    before = [weight.clone() for weight in (*bench.network.front.parameters(), *bench.network.back.parameters())]
    images, labels = bench.train
    bench.__dict__["train"] = (images, None)  # whoever reads a label fails
    try:
        made = predictor(runner, "repair")
    finally:
        bench.__dict__["train"] = (images, labels)
    own = [*made.front.parameters(), *made.back.parameters()]
    assert all(torch.equal(new, old) for new, old in zip(own, before, strict=True))
    assert isinstance(made.noise, Mended)
    assert made.noise.sources == ["clean", "brighten@0.5", "line_blur@13"]
    with noise_off(made) as silent, torch.no_grad():
        assert silent
        torch.testing.assert_close(made(images[:20]), bench.network(images[:20]))
    assert made.noise.when == "both"


def test_what_a_gate_says_has_as_many_numbers_as_there_are_sources() -> None:
    h = np.random.default_rng(0).normal(size=(40, 1, 1, 2)).astype(np.float32)
    made = Mended(RepairLayer(Repair((1, 2)).learn("dim", 0.3 * h, h)), [])
    for count, dtype in ((256, np.uint8), (300, np.uint16)):
        made.said, layer = [], SimpleNamespace(posterior=torch.eye(count))
        made._listen(layer, None, None)  # type: ignore[arg-type]
        assert made.said[0].dtype == dtype
        assert made.said[0].tolist() == list(range(count))


def test_the_gate_leaves_held_out_decisions_alone(runner: Runner) -> None:
    made, bench = predictor(runner, "repair"), runner.bench(0)
    held = bench.h_train[-held_out(len(bench.h_train)) :]
    with torch.no_grad():
        changed = (made.decide(held).argmax(1) != bench.network.back(held).argmax(1)).double().mean()
    assert changed <= CHANGED


def test_a_repair_brings_activations_back(runner: Runner) -> None:
    made, bench, source = predictor(runner, "repair-oracle"), runner.bench(0), SOURCES[0]
    h = bench.h_test
    moved = models.training.activations(
        bench.network.front, bench.modified_test(source.name, source.level, len(bench.test[1]))
    )
    made.noise.tell(source.name, source.level)
    with torch.no_grad():
        fixed = made.noise(moved)
    assert (fixed - h).square().mean() < 0.5 * (moved - h).square().mean()
    made.noise.tell("fog", 5.0)  # never learned: left as it is
    with torch.no_grad():
        torch.testing.assert_close(made.noise(moved), moved)


def test_what_the_gate_said_is_recorded(runner: Runner) -> None:
    source = SOURCES[0]
    told = runner.run(cell("repair-oracle", source.name, source.level)).values
    gated = runner.run(cell("repair", source.name, source.level)).values
    label = f"{source.name}@{source.level:g}"
    assert told[f"gate.{label}"].tolist() == [0, IMAGES, 0]
    assert gated[f"gate.{label}"].sum() == IMAGES
    assert np.bincount(gated[f"decided.{label}"], minlength=3).tolist() == gated[f"gate.{label}"].tolist()
    assert gated["parameters"] == told["parameters"] > 0
    undefended = runner.run(cell("undefended", source.name, source.level)).values
    assert undefended["parameters"] == 0
    assert not any(key.startswith("gate.") for key in undefended)


def test_a_dense_way_back_is_an_affine_map_of_the_layer(runner: Runner) -> None:
    predictor(runner, "repair-dense")
    assert runner._mender is not None
    learned, bench = runner._mender.learned(DEFENSES["repair-dense"].repair, SOURCES), runner.bench(0)
    layer: Any = attached(runner._mender.model, learned.repairs, learned.ways).get_submodule("0.noise")
    assert isinstance(layer, DenseRepairLayer)
    h, way = bench.h_test[:10], learned.ways["0"][1]
    layer.source = learned.repairs["0"].sources[1]
    flat = h.flatten(1).numpy()
    expected = flat + flat @ way.G + way.a
    np.testing.assert_allclose(layer(h).detach().flatten(1), expected, rtol=1e-4, atol=1e-4)


def test_retrained_later_layers_stand_behind_the_same_repair_and_are_repaired_anew(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localnoise.sims.defenses.augmentation_training.MOST", 2)
    before = predictor(runner, "repair")
    own = [(repair.worth, repair.margins) for repair in before.noise.repairs]
    made, bench = predictor(runner, "repair-retrained"), runner.bench(0)
    assert made.front is bench.network.front
    bare = _unrepaired(made.back)
    pairs = zip(bare.parameters(), bench.network.back.parameters(), strict=True)
    assert not any(torch.equal(new, old) for new, old in pairs)
    old, new = before.noise.repairs, made.noise.repairs
    assert len(new) == len(old) > 1
    first = zip(new[0].members, old[0].members, strict=True)
    assert all(one is other for one, other in first)
    assert not any(one.law is other.law for one, other in zip(new[1].members, old[1].members, strict=True))
    assert [(repair.worth, repair.margins) for repair in old] == own  # the others' gate stays as it was
    assert not any(repair.worth or repair.margins for repair in new)  # labels protect clean inputs
    size = runner._trained[2]  # type: ignore[index]
    assert 2 <= size["trained.epochs"] <= 4  # behind one repair, and behind two
    assert size["parameters"] == sum(repair.parameters for repair in new)
    assert DEFENSES["repair-retrained"].revision > 3
    one = predictor(runner, "repair:layers=first:retrained=yes")
    assert len(one.noise.repairs) == 1


def test_retraining_shows_a_fifth_clean_and_ends_by_what_is_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localnoise.sims.defenses.augmentation_training.MOST", 40)
    x = torch.rand(400, 6, generator=torch.Generator().manual_seed(0))
    seen: list[torch.Tensor] = []

    class Front(nn.Module):
        def forward(self, h: torch.Tensor) -> torch.Tensor:
            seen.append(h[:, 0] < 2)  # what is modified is 3 higher
            return h

    lesson = Lesson(
        front=nn.Identity(), back=lambda seed: nn.Linear(6, 2), images=x, labels=(x[:, 1] > 0.5).long(), epochs=1,
        seed=0, modified=lambda draw: x + 3, bounds=None,
    )  # fmt: skip
    back = lesson.back(0)
    until_no_better(lesson, Front(), back, whole=False, patience=1)
    judged, *epochs = np.split(torch.cat(seen).numpy(), np.cumsum([150]))
    assert judged[:30].all()  # 3 draws of 40, and a fifth of all is clean
    assert not judged[30:].any()
    assert lesson.facts["trained.epochs"] < 40
    assert lesson.facts["trained.ended"] == 1
    shown = epochs[0][:-1].reshape(-1, 360)  # the last one counts multiplications
    assert len(shown) == lesson.facts["trained.epochs"]
    assert abs(shown.mean() - 0.2) < 0.05


def test_a_network_that_another_arm_trained_is_repaired(runner: Runner) -> None:
    for arm, after in (("repair-augmented", "augmentation-whole"), ("repair-noise", "signal-8")):
        trained, made = predictor(runner, after), predictor(runner, arm)
        bare = nn.Sequential(made.front, _unrepaired(made.back))
        own = nn.Sequential(trained.front, trained.back)
        pairs = zip(bare.parameters(), own.parameters(), strict=True)
        assert all(torch.equal(new, old) for new, old in pairs)
        x = runner.bench(0).test[0][:20]
        with torch.no_grad():
            made.noise.when = "never"
            torch.testing.assert_close(made(x), own.eval()(x))
            made.noise.when = "both"
        h = trained.front(runner.bench(0).train[0])
        seen = made.noise.repairs[0].members[0].centre  # its clean law is that of this network's activations
        assert abs(seen - folded(runner.bench(0).network, h).numpy().mean(axis=0)).max() < 0.2 * h.std()
    assert DEFENSES["repair-noise"].central


def test_causes_have_ways_of_their_own(runner: Runner) -> None:
    found = Mender(runner.bench(0), runner.bench(0).displacement, lambda what, done, of: None).learned(
        Repairing(causes=4, layers="first"), SOURCES
    )
    (one,) = found.repairs.values()
    assert [member.source for member in one.members] == ["clean", "brighten@0.5", *["line_blur@13"] * 4]


def test_perspective_is_cut_by_typical_movements_and_undone_in_the_next_layer(runner: Runner) -> None:
    plan, source = Repairing(causes=4, typical=True), Source.default("perspective")
    assert Repairing.parse(plan.name) == plan
    assert plan.lesson != Repairing(causes=4).lesson
    mender = Mender(runner.bench(0), runner.bench(0).displacement, lambda what, done, of: None)
    first, second, *others = mender.learned(plan, (source,)).repairs.values()
    assert [(member.source, member.back is None) for member in first.members] == [
        ("clean", True),
        ("perspective@2", True),
    ]
    assert [member.source for member in second.members] == ["clean", *["perspective@2"] * 4]
    assert all(member.back is not None for member in second.members[1:])
    assert not second.among
    assert all(len(repair.members) == 2 for repair in others)
    held = kept_inputs(runner.bench(0), plan, (source,))["perspective@2"]
    assert [len(one) for one in held] == [len(member.kept) for member in second.members[1:]]


def test_the_next_layer_decides_anew_on_what_the_first_leaves_alone(runner: Runner) -> None:
    """Its posterior is what is counted, and what layers behind it follow."""
    mender = Mender(runner.bench(0), runner.bench(0).displacement, lambda what, done, of: None)
    found = mender.learned(Repairing(causes=4, asks=2), SOURCES)
    first, second, *others = found.repairs.values()
    assert first.asks == second.asks == 2
    assert (first.among, second.among) == ((), ("clean", "line_blur@13"))
    assert not any(repair.among for repair in others)
    assert first.margins == second.margins
    model = found.attached(mender.model)
    layers = [part for part in model.modules() if isinstance(part, RepairLayer)]
    assert [layer.decides for layer in layers] == [True, True, *[False] * len(others)]
    assert all(layer.follows is layers[1] for layer in layers[2:])
    made = mended(runner.bench(0).network.front, model)
    made.noise.said = []
    with torch.no_grad():
        made(runner.bench(0).test[0][:20])
    assert np.concatenate(made.noise.said).tolist() == layers[1].posterior.argmax(1).tolist()
    assert Repairing.parse("repair:causes=4:anew=no").anew is False


def test_an_attacker_goes_around_the_gate(runner: Runner) -> None:
    made, (x, y) = predictor(runner, "repair"), runner.bench(0).test
    assert GateBypassed.fits(made)
    assert not GateBypassed.fits(runner.bench(0).network)
    gradients = []
    for constant in (False, True):
        inputs = x[:8].clone().requires_grad_()
        with made.noise.constant() if constant else _nothing():
            nn.functional.cross_entropy(made(inputs), y[:8]).backward()
        gradients.append(inputs.grad)
    assert all(gradient.isfinite().all() for gradient in gradients)
    found = GateBypassed(attack=APGD(eps=0.1, steps=2))(made, x[:8], y[:8], bounds=(0, 1))
    assert (found - x[:8]).abs().max() <= 0.1 + 1e-6
    assert not any(layer.constant for layer in made.noise._layers)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@pytest.mark.slow
def test_the_worst_case_has_an_attack_around_the_gate(runner: Runner) -> None:
    values = runner.run(cell("repair", "adaptive", 0.05, 20)).values
    assert "adaptive.broken_by.gate-bypassed" in values
    assert "adaptive.broken_by.gate-bypassed" not in runner.run(cell("undefended", "adaptive", 0.05, 20)).values
