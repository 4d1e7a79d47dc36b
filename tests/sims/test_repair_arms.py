"""Arms that repair: their sizes, other gates, integers, and how they are spelled out."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from localnoise import Repair
from localnoise.errors import ArgumentError
from localnoise.hardware import Formats, quantise
from localnoise.hardware.quantiser.repaired import log_terms, rescored
from localnoise.repair.laws import voters
from localnoise.sims.attacks import PGD
from localnoise.sims.data import load
from localnoise.sims.defenses import Augmenting, Repairing, named, repairing_name
from localnoise.sims.defenses.repaired_network import IntegerRepairLayer, attached
from localnoise.sims.defenses.sizes import Size
from localnoise.sims.evaluation import gradients
from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments import repair_beside, testbed
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.design import STRONGEST
from localnoise.sims.experiments.held_pairs import held_pairs
from localnoise.sims.experiments.mender import Mender
from localnoise.sims.experiments.on_chip import on_chip
from localnoise.sims.experiments.presets import preset
from localnoise.sims.experiments.repair_learning import held_out, learned_from
from localnoise.sims.experiments.repair_variants import _altered, variant
from localnoise.sims.experiments.runner import Runner


@pytest.fixture(scope="module")
def h() -> Any:
    rng = np.random.default_rng(0)
    return np.tanh(rng.normal(size=(700, 3, 6, 6)).cumsum(axis=3) / 2).astype(np.float32)


def learned(h: Any, share: str, bends: int | None = None) -> Repair:
    blurred = (h + np.roll(h, 1, 2) + np.roll(h, 1, 3)) / 3
    made = Repair((6, 6), 3, radius=1, bends=bends, share=share)
    return made.learn("dark", 0.3 * h, h).learn("blur", blurred, h)


@pytest.mark.parametrize("bends", [None, 1])
@pytest.mark.parametrize("share", ["none", "places"])
def test_bytes_are_those_of_the_exported_tables(h: Any, share: str, bends: int | None) -> None:
    repair = learned(h, share, bends)
    chip, size = quantise(repair, Formats()), Size.of([repair])
    assert (size.bytes, size.numbers) == (chip.flash, repair.parameters)
    assert (size.gate, size.repair) == chip.multiplications
    density = repair.log_densities(h[:40])
    repair.expect_worth(density, np.arange(40) % 2, np.ones(40)).decide_among(repair.sources[1])
    assert Size.of([repair]).bytes == quantise(repair, Formats()).flash > size.bytes


def test_shared_laws_are_smaller_and_tell_causes_apart(h: Any) -> None:
    own, shared = learned(h, "places"), learned(h, "all")
    assert Size.of([shared]).bytes < 0.7 * Size.of([own]).bytes
    fixed, posterior = shared(0.3 * h[:50])
    assert (posterior.argmax(1) == 1).all()
    assert np.abs(fixed - h[:50]).mean() < 0.02


@pytest.mark.parametrize(
    ("options", "network"),  # of two layers, of five
    [
        pytest.param(options, network, marks=[pytest.mark.slow] * ((network == "v2") == bool(options)))
        for options in (
            {},
            {"worth": False},
            {"anew": False},
            {"asks": 2},
            {"layers": "first"},
            {"asks": 2, "bends": 0},
        )
        for network in ("v1", "v2")
    ],
)
def test_a_planned_size_is_the_learned_one(
    small_dir: Path, tmp_path: Path, network: str, options: dict[str, Any]
) -> None:
    torch.set_num_threads(1)
    bench = testbed.Testbed(load("full", small_dir), 0, 1, PGD(), 1, tmp_path, network)
    sources = (Source.default("contrast", 5).of(300), Source.default("rotate").of(300))
    plan = Repairing(**({"causes": 4, "share": "all", "radius": 1} | options))
    repairs = Mender(bench, bench.displacement, lambda what, done, of: None).learned(plan, sources).repairs
    found = repair_beside.planned(plan, Chosen.of(network), sources)
    assert found == Size.of(repairs.values())
    assert found.look == sum(
        (len(repair.members) if repair.worth else len(repair.among_members)) * _scores(repair)
        for repair in repairs.values()
        if repair.among
    )
    assert bool(found.look) == (options.get("anew", True) and options.get("layers") != "first")


def test_what_calibrates_is_not_learned_from(small_dir: Path, tmp_path: Path) -> None:
    bench = testbed.Testbed(load("full", small_dir), 0, 1, PGD(), 1, tmp_path, "v1")
    total = len(bench.train[0])
    for asked, learned in ((total, total - held_out(total)), (60, 60), (None, total - held_out(total))):
        assert learned_from(bench, (Source.default("rotate").of(asked),)) == learned


def _scores(repair: Repair) -> int:
    """Multiplications by which a shared law of few units scores an activation: links, factors, squares, scales."""
    units, m = voters(repair.config.shape, repair.asks), repair.config.channels
    links = sum(int((repair.blank_law.field.parents[unit] >= 0).sum()) for unit in units)
    return links * m * m + len(units) * (m * (m + 1) // 2 + 2 * m) + 1


def test_a_second_look_counts_as_work() -> None:
    """Of sixteen causes, as the published record's repairs have them: what that record does not hold."""
    ten = [Source.default(*name_and_level(text)) for text in STRONGEST.split(",")]
    found = repair_beside.planned(Repairing(causes=16), Chosen.of("v2"), ten)
    assert (found.gate, found.look, found.repair) == (2_507_307, 41 * 26_841, 1_142_372)
    without = repair_beside.planned(Repairing(causes=16, anew=False), Chosen.of("v2"), ten)
    assert without.look == 0
    cut = repair_beside.planned(Repairing(causes=16, typical=True), Chosen.of("v2"), ten)  # perspective, too
    assert (cut.gate, cut.look) == (found.gate, 56 * 26_841)
    alone = repair_beside.planned(Repairing(causes=16, typical=True), Chosen.of("v2"), [Source.default("perspective")])
    assert alone.look == 0
    page = Path("docs/repair.md").read_text()
    assert "1.10 M" in page
    assert f"{found.work / 1e6:.2f} M" in page


def test_another_gate_is_no_other_repair(h: Any) -> None:
    repair = learned(h, "none").calibrate(h[:100])
    repair.margin = 50.0
    repair.expect_worth(repair.log_densities(h[:40]), np.arange(40) % 2, np.ones(40))
    repair.worth = repair.worth.asking(np.full(2, 0.3))
    bold = _altered(repair, Repairing(gate="worth-alone"))
    assert (bold.worth.slope is repair.worth.slope, bold.margin, bold.margins) == (True, 0.0, {})
    assert not bold.worth.more.any(), "worth alone"
    free, hard = _altered(repair, Repairing(gate="no-margin")), _altered(repair, Repairing(gate="likeliest"))
    assert (repair.margin, free.margin, free.worth, hard.worth) == (50.0, 0.0, None, None)
    w = hard.weights(np.concatenate([h[:20], 0.3 * h[:20], 5 * h[:20]]))
    assert set(np.unique(w.round(6))) == {0.0, 1.0}
    scores = repair.fitted_gate.scores(repair.log_densities(np.concatenate([h[:20], 0.3 * h[:20], 5 * h[:20]])))
    assert (w.argmax(1) == scores.argmax(1)).all()
    assert free.members is repair.members


def test_integers_repair_as_the_chip_does(h: Any) -> None:
    repair = learned(h, "places")
    x = torch.from_numpy(0.3 * h[:20])
    layer = IntegerRepairLayer(repair, 8)
    with torch.no_grad():
        fixed = layer(x)
    expected, member = quantise(repair, Formats(), feedback=False)(x.numpy())
    np.testing.assert_allclose(fixed.numpy(), expected, atol=1e-6)
    assert layer.posterior is not None
    assert (layer.posterior.argmax(1).numpy() == member).all()
    with torch.no_grad():
        assert torch.equal(layer(torch.from_numpy(h[:20])), torch.from_numpy(h[:20])), "not even rounded"
    follower = IntegerRepairLayer(repair, 8, layer)
    with torch.no_grad():
        layer(x)
    with torch.no_grad():
        torch.testing.assert_close(follower(x), fixed)
    model = attached(nn.Sequential(nn.Identity(), nn.Flatten()), {"0": repair}, bits=8)
    with torch.no_grad():
        torch.testing.assert_close(model(x), fixed.flatten(1))


def test_integers_are_those_of_the_repair_that_a_layer_has_taken(h: Any) -> None:
    """Another repair is quantised anew; lessons of the one that was given are not seen, nor do they move its gate."""
    first, other = learned(h, "none"), learned(h[:, ::-1].copy(), "none")
    x = torch.from_numpy(0.3 * h[:30])
    layer = IntegerRepairLayer(first, 8)
    with torch.no_grad():
        before = layer(x)
        first.learn("dark", 0.9 * h[:300], h[:300])
        layer.decide_as_now()
        assert torch.equal(layer(x), before)
        layer.repair = other
        assert torch.equal(layer(x), IntegerRepairLayer(other, 8)(x))


def test_an_attackers_gradient_goes_through_what_integers_repair(h: Any) -> None:
    """Worth learned by what integers say is asked of these, in the twin that answers with gradients, too."""
    repair = learned(h, "none")
    x = torch.from_numpy(np.concatenate([h[:40], 0.3 * h[:40], (h[:40] + np.roll(h[:40], 1, 3)) / 2]))
    layer = IntegerRepairLayer(repair, 3)
    with torch.no_grad():
        layer(x)
    assert layer.density is not None
    assert layer.posterior is not None
    gain = np.where(np.arange(len(x)) % 3 == 0, 1.0, -0.5)
    repair.expect_worth(layer.density.numpy(), layer.posterior.argmax(1).numpy(), gain)
    layer.decide_as_now()
    with torch.no_grad():
        layer(x)
    left = layer.posterior.sum(1) == 0
    assert 0.1 < left.float().mean() < 0.9
    layer(x.requires_grad_(True))
    assert torch.equal(layer.posterior.sum(1) == 0, left)


def test_integers_ask_by_their_own_densities(small_dir: Path, tmp_path: Path) -> None:
    """Worth is learned anew on what integers say, and set in them; the float repairs keep theirs."""
    bench = testbed.Testbed(load("full", small_dir), 0, 1, PGD(), 1, tmp_path, "v1")
    mender = Mender(bench, bench.displacement, lambda what, done, of: None)
    sources = (Source.default("contrast", 5).of(300), Source.default("brightness", 5).of(300))
    plan = Repairing(layers="first", share="all", radius=1)
    (floating,) = mender.learned(plan, sources).repairs.values()
    worth = floating.worth
    predictor, found = variant(mender, replace(plan, bits=4), sources)
    (repair,) = found.repairs.values()
    layer: Any = predictor.noise.first
    assert floating.worth is worth is not None
    assert repair.worth is not None
    assert not np.array_equal(repair.worth.slope, worth.slope)
    wanted = rescored(layer.chip, repair, logs=log_terms(repair, layer.chip))
    for name, array in layer.chip.field.arrays.items():
        assert np.array_equal(getattr(wanted.field, name), array), name
    h = bench.h_train[:50]
    with torch.no_grad():
        layer(h)
    for own, other in zip(layer.density.numpy().T, repair.log_densities(h.numpy()).T, strict=True):
        assert 0.9 < np.corrcoef(own, other)[0, 1] < 0.99999, "near, and not the same: loud innovations saturate"


def test_what_repairs_are_worth_is_seen_on_held_out_inputs(small_dir: Path, tmp_path: Path) -> None:
    """Look at inputs as they are, as learned, and at four milder levels; others for each as far as there are any."""
    bench = testbed.Testbed(load("full", small_dir), 0, 1, PGD(), 1, tmp_path, "v1")
    sources, x = (Source.default("contrast", 5),), bench.train[0]
    pairs = held_pairs(bench, Repairing(), sources)
    assert [len(x) for x, _ in pairs] == 6 * [held_out(len(x))]
    assert torch.equal(*pairs[0])
    for number, (moved, still) in enumerate(pairs[1:]):
        assert torch.equal(still.unique(dim=0), x[-len(still) :].unique(dim=0)), "all that is held out"
        level = [5, 1, 2, 3, 4][number]
        assert torch.equal(
            moved, bench.altered(Source.default("contrast", level), rows=np.arange(len(x))[-len(still) :])
        )
    assert held_pairs(bench, Repairing(worth=False), sources) == []
    assert held_pairs(bench, Repairing(), (Source.default("pgd", 0.1),)) == []


@pytest.mark.slow
def test_a_network_in_integers_learns_what_its_repair_is_worth(small_dir: Path, tmp_path: Path) -> None:
    """Few decisions about clean inputs change."""
    settings = replace(preset("quick").settings(None, Chosen.of("v1")), data="full", base_epochs=1)
    runner = Runner(settings, load("full", small_dir), tmp_path)
    arm = "int8:repair:layers=first:share=all:radius=1"
    cell = Cell(seed=0, sources=(Source.default("contrast", 5).of(300),), arm=arm)
    own: Any = runner.trained(cell)[0]
    (twin,) = own._twin
    pairs, bench = runner.held_pairs(cell, twin), runner.bench(0)
    given: Any = {"bounds": bench.task.bounds, "held": runner.kept_inputs(cell, twin)}
    moved: Any = on_chip(twin, bench.network, bench.train[0], clean=pairs[0][1], **given)
    assert own.made.chip.field.worth.shape == moved.chip.field.worth.shape == (2, 2)
    assert not np.array_equal(own.made.chip.field.worth, moved.chip.field.worth)
    clean = torch.cat([x for _, x in pairs]).numpy()
    alone = own.made.program.words(own.made.program.input_words(clean)).reshape(len(clean), -1).argmax(axis=1)
    assert np.mean(own.made(clean).argmax(axis=1) != alone) <= 0.005


def test_narrow_words_take_fewer_bytes(small_dir: Path, tmp_path: Path) -> None:
    settings = replace(preset("quick").settings(None, Chosen.of("v1")), data="full", base_epochs=1)
    runner = Runner(settings, load("full", small_dir), tmp_path)
    sources = (Source.default("contrast", 5).of(300),)
    said = {}
    for bits in (0, 8, 12):
        arm = f"repair:layers=first:worth=no{f':bits={bits}' if bits else ''}"
        _, said[bits] = runner.trained(Cell(seed=0, sources=sources, arm=arm))
    units = math.prod(Chosen.of("v1").task.network(0, "tanh", 2).layout[1:])
    assert said[0]["bytes_per_unit"] == 4 * said[0]["parameters"] / units
    assert said[8]["bytes_per_unit"] == said[8]["repair.bytes"] / units < said[12]["bytes_per_unit"]
    assert said[12]["bytes_per_unit"] < said[0]["bytes_per_unit"]


def test_an_attacker_of_integers_has_the_float_twins_gradient(h: Any) -> None:
    repair, generator = learned(h, "none"), torch.Generator().manual_seed(0)
    back = nn.Sequential(nn.Flatten(), nn.Linear(108, 4))
    with torch.no_grad():
        back[1].weight.normal_(generator=generator)
        x = torch.from_numpy(0.3 * h[:40])
        labels = back(x).argmax(1)
    whole = attached(nn.Sequential(nn.Identity(), back), {"0": repair}, bits=8)
    twin = attached(nn.Sequential(nn.Identity(), back), {"0": repair})
    found = gradients.gradient_of_margin(whole, x, labels)
    torch.testing.assert_close(found, gradients.gradient_of_margin(twin, x, labels))
    assert gradients.gradient_exists(whole, x, labels, 1).passed
    assert gradients.gradient_points_uphill(whole, x, labels, eps=0.1, bounds=(-2, 2), draws=1).passed
    layer: Any = whole.get_submodule("0")
    with torch.no_grad():  # what an attack finds is judged on the integers
        assert len(np.unique(layer.noise._weights(x.flatten(2).transpose(1, 2)).numpy())) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("repair:bits=1", "bits=1: expected 2 to 12"),
        ("repair:gate=open", "gate='open'"),
        ("repair:share=some", "share='some'"),
        ("repair:bits=8:dense=yes", "with dense=yes"),
        ("augmentation:width=0", "width=0"),
        ("augmentation:wide=2", "did you mean 'width'"),
        ("augmentation:width=x", "expected a number"),
    ],
)
def test_arms_that_cannot_be_are_named(name: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        named(name)


def test_arms_are_spelled_out_and_read_again() -> None:
    plan = Repairing(share="all", bits=8)
    assert Repairing.parse(plan.name) == plan
    assert named(repairing_name(plan)).label == "repair, all shared, 8 bits"
    assert Augmenting.parse(Augmenting(width=2.25, patience=3).name) == Augmenting(width=2.25, patience=3)
    assert named("augmentation:width=2.25").whole
    assert named("augmentation-converged").label == "augmentation, all layers, converged"
