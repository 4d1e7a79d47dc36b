"""What a repair is set beside: milder levels, mixtures, augmentation of equal size, ablations, fewer bytes."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from localnoise import Repair
from localnoise.errors import ArgumentError
from localnoise.hardware import Formats, quantise
from localnoise.repair.laws import voters
from localnoise.sims import models, perturbations
from localnoise.sims import repair as command
from localnoise.sims.attacks import PGD
from localnoise.sims.data import load
from localnoise.sims.defenses import Augmenting, Lesson, Repairing, named, repairing_name
from localnoise.sims.defenses.augmentation_training import Pace, converged
from localnoise.sims.defenses.repaired_network import IntegerRepairLayer, attached
from localnoise.sims.defenses.sizes import Size, forward_products, weights
from localnoise.sims.evaluation import gradients
from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.evaluation.source import Source, milder
from localnoise.sims.evaluation.threat import threat
from localnoise.sims.experiments import presets, repair_beside, repair_design, repair_points, testbed
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.command import Run
from localnoise.sims.experiments.design import STRONGEST
from localnoise.sims.experiments.mender import Mender
from localnoise.sims.experiments.presets import preset
from localnoise.sims.experiments.rehearsal import invented
from localnoise.sims.experiments.repair_learning import held_out, learned_from
from localnoise.sims.experiments.repair_variants import _altered
from localnoise.sims.experiments.runner import Runner
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.reports import harm
from localnoise.sims.reports.comparison import Level
from localnoise.sims.reports.figures import looks
from localnoise.sims.results.experiment import draft
from localnoise.sims.results.records import RecordFile
from localnoise.sims.results.statistics import Estimate
from localnoise.sims.tasks.own import _modification
from localnoise.sims.tools.remade import remade


@pytest.fixture(scope="module")
def h() -> Any:
    rng = np.random.default_rng(0)
    return np.tanh(rng.normal(size=(700, 3, 6, 6)).cumsum(axis=3) / 2).astype(np.float32)


def learned(h: Any, share: str) -> Repair:
    blurred = (h + np.roll(h, 1, 2) + np.roll(h, 1, 3)) / 3
    return Repair((6, 6), 3, radius=1, share=share).learn("dark", 0.3 * h, h).learn("blur", blurred, h)


# Mixtures, and milder levels


def test_a_mixture_is_one_perturbation_after_the_other() -> None:
    x = torch.rand(30, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    one = threat("brighten@0.2+rotate@1", 30, 1)
    assert one.label == "brighten@0.2+rotate@1"
    assert threat("brighten+rotate@1", 30, 1).label == "brighten@0.5+rotate@1"
    assert Level.named(one.label).label == one.label
    assert Level.named(one.label).words == "brighten 0.2 + rotate 1"
    found = perturbations.apply(one.name, x, one.level, 3)
    first = perturbations.apply("brighten", x, 0.2, 3)  # which draws nothing
    plain = perturbations.apply("brighten@0+rotate", first, 1.0, 3)  # levels share their draws
    torch.testing.assert_close(found, plain)
    assert not torch.equal(found, perturbations.apply("rotate@1+brighten", x, 0.2, 3))
    assert "brighten@0.2+rotate" not in list(perturbations.MODIFICATIONS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("brigten@0.2+rotate@1", "'brigten' is no modification.*did you mean 'brighten'"),
        ("pgd@0.1+rotate", "'pgd' is no modification"),
        ("rotate@9+brighten", "level='9'"),
        ("rotate+brighten@9", "level=9"),
    ],
)
def test_mixtures_that_cannot_be_are_named(text: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        threat(text, 10, 1)


def test_only_the_rows_asked_for_are_modified() -> None:
    x = torch.rand(2_500, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    rows = np.flatnonzero(np.random.default_rng(0).random(len(x)) < 0.4)
    whole = perturbations.apply("obstruction", x, 2.0, 5)
    torch.testing.assert_close(perturbations.apply("obstruction", x[rows], 2.0, 5, rows=rows), whole[rows])


def test_milder_levels_are_severities_or_fifths() -> None:
    of = repair_design.severities_of("1,2,4")
    assert milder(Source.default("fog", 3), of) == ["fog@1", "fog@2"]
    assert milder(Source.default("rotate", 2), of) == ["rotate@0.4", "rotate@0.8", "rotate@1.6"]
    assert milder(Source.default("pgd"), of) == []
    with pytest.raises(ArgumentError, match="whole numbers from 1 to 4"):
        repair_design.severities_of("5")
    ten = [Source.default(name) for name in perturbations.PAPER]
    assert repair_design.mixtures(ten) == list(repair_design.PAIRS)
    few = [Source.default("brighten"), Source.default("line_blur")]
    assert repair_design.mixtures(few) == ["brighten@0.5+line_blur@13"]
    with pytest.raises(ArgumentError, match="at least two"):
        repair_design.mixtures(few[:1])


# Sizes, gates, bits


@pytest.mark.parametrize("share", ["none", "places"])
def test_bytes_are_those_of_the_exported_tables(h: Any, share: str) -> None:
    repair = learned(h, share)
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
        for options in ({}, {"worth": False}, {"anew": False}, {"asks": 2}, {"layers": "first"})
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
    bold = _altered(repair, Repairing(gate="worth-alone"))
    assert (bold.worth is repair.worth, bold.margin, bold.margins) == (True, 0.0, {})
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
    follower = IntegerRepairLayer(repair, 8, layer)
    with torch.no_grad():
        torch.testing.assert_close(follower(x), fixed)
    model = attached(nn.Sequential(nn.Identity(), nn.Flatten()), {"0": repair}, bits=8)
    with torch.no_grad():
        torch.testing.assert_close(model(x), fixed.flatten(1))


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


# Augmentation to convergence, and wider networks


def test_training_ends_where_held_out_images_say_so() -> None:
    model, labels = nn.Linear(2, 2), torch.tensor([0, 1])
    pace = Pace(model, torch.eye(2), labels, patience=2)
    answers = iter([0.5, 0.7, 0.6, 0.6, 0.6, 0.65])
    rates = []
    for epoch, found in enumerate(answers, 1):
        with torch.no_grad():
            model.weight.fill_(epoch)
        pace._accuracy = lambda found=found: found  # type: ignore[method-assign]
        rates.append(pace(epoch))
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 1e-4, 1e-4, 0.0])
    assert (pace.best, pace.epochs, pace.ended) == (0.7, 6, True)
    assert (model.weight == 2).all()  # the best epoch's


def lesson(width_of: Any = None) -> Lesson:
    x = torch.rand(60, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    network = models.build("v3", layer=1)
    return Lesson(
        front=network.front.requires_grad_(False),
        back=network.fresh_back,
        images=x,
        labels=torch.arange(60) % 10,
        epochs=1,
        seed=0,
        fresh_front=network.fresh_front,
        modified=lambda draw: (x + 0.001 * draw).clamp(max=1),
        widened=width_of or network.widened,
    )


def test_a_converged_network_says_what_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localnoise.sims.defenses.augmentation_training.MOST", 3)
    given = lesson()
    made = converged(given, Augmenting(width=1.5, patience=1))
    assert given.facts["trained.epochs"] <= 3
    assert given.facts["trained.numbers"] == weights(made.front, made.back)
    assert next(iter(made.front.parameters())).shape[0] == 9  # 6 channels, once and a half
    with pytest.raises(ArgumentError, match="no width"):
        models.OwnNetwork(lambda: nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), "0", torch.zeros(2, 4), 0).widened(
            2, 0
        )


def test_an_equal_network_is_the_least_wide_one_that_reaches_it() -> None:
    sources, plan, chosen = [Source.default("brighten")], Repairing(share="all", radius=1), Chosen.of("v2")
    size = repair_beside.planned(plan, chosen, sources)
    x = torch.zeros(1, 1, 28, 28)
    width, said = repair_beside.equal("equal-work", plan, chosen, sources)
    assert "equal work" in said
    own = {factor: models.build(width=factor) for factor in (1.0, width, width - 1 / 16)}
    work = {factor: forward_products(nn.Sequential(net.front, net.back), x) for factor, net in own.items()}
    assert work[1.0] == 940_416
    assert work[width - 1 / 16] < work[1.0] + size.work <= work[width]
    found = repair_beside.beside("augmentation-whole,equal-memory", plan, chosen, sources)
    assert next(iter(found)) == "augmentation-whole"
    other = SimpleNamespace(task=SimpleNamespace(name="mine"), layer="x")
    with pytest.raises(ArgumentError, match=r"task 'mine' has no width: expected one of v1, v2, v3"):
        repair_beside.beside("equal-work", plan, other, sources)  # type: ignore[arg-type]


# Ablations, and the command


def test_an_ablation_varies_one_thing() -> None:
    what, found = repair_points.ablation("radius=0,2", Repairing(causes=4))
    assert what == "radius"
    assert [one.plan for one in found] == [Repairing(causes=4, radius=0), Repairing(causes=4)]
    assert [one.displaced for one in repair_points.ablation("displacements=10,20", Repairing())[1]] == [10, 20]
    gates = {one.value: one.plan for one in repair_points.ablation("gate", Repairing(causes=4))[1]}
    assert gates["calibrated"] == Repairing(causes=4)
    assert gates["margins in the place of worth"] == Repairing(causes=4, worth=False)
    assert gates["worth without margins"] == Repairing(causes=4, gate="worth-alone")
    assert gates["neither margins nor worth"] == Repairing(causes=4, gate="no-margin")
    assert gates["no second look"] == Repairing(causes=4, anew=False)
    assert len(set(gates.values())) == len(gates) == 7
    assert [one.plan.asks for one in repair_points.ablation("asks=1,2,3", Repairing())[1]] == [1, 2, 3]
    assert [one.plan.dense for one in repair_points.ablation("dense", Repairing(causes=4))[1]] == [False, True]
    for bad, message in (
        ("radios=1,2", "did you mean 'radius'"),
        ("radius=1", "two values or more"),
        ("radius=1,x", "'x' is no whole number"),
        ("gate=1,2", "expected gate alone"),
    ):
        with pytest.raises(ArgumentError, match=message):
            repair_points.ablation(bad, Repairing())


def test_colors_differ_as_long_as_there_are_any() -> None:
    arms = ["undefended", "repair", "repair-oracle", "repair-dense", "augmentation-converged", "augmentation:width=2"]
    assert len({look.colour for look in looks(arms).values()}) == len(arms)


@pytest.fixture
def designed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run the command up to its cells; write the report of invented results."""

    def run(**options: Any) -> tuple[list[Cell], Any]:
        held: dict[str, Any] = {}
        monkeypatch.setattr(Run, "conduct", lambda own, cells, chosen, report, **how: held.update(c=cells, r=report))
        command.repair(out=tmp_path, **options)
        cells, report = list(dict.fromkeys(held["c"])), held["r"]
        with draft():
            report.write(invented(cells, Settings(data="embedded", fingerprint="0")), tmp_path)
        return cells, report

    return run


def test_levels_are_milder_only_where_their_order_is_known() -> None:
    function = _modification("dim", lambda x, level=0.3: x * level, (0, 1))
    perturbations.MODIFICATIONS.mount({"dim": function})
    try:
        learned = ["dim@0.3", "rotate@1", "brighten@-0.5", "fog@3", "pgd@0.05"]
        found = {row: harm.kind(row, learned) for row in (
            "clean", "dim@0.3", "dim@0.1", "dim@0.9", "rotate@0.4", "rotate@2", "brighten@-0.2", "brighten@0.2",
            "fog@1", "fog@5", "pgd@0.01", "pgd@0.1", "snow@3", "rotate@0.4+fog@1",
        )}  # fmt: skip
    finally:
        perturbations.MODIFICATIONS.mount({})
    assert found == {
        "clean": "clean", "dim@0.3": "learned", "dim@0.1": "other levels", "dim@0.9": "other levels",
        "rotate@0.4": "milder", "rotate@2": "other levels", "brighten@-0.2": "milder", "brighten@0.2": "other levels",
        "fog@1": "milder", "fog@5": "other levels", "pgd@0.01": "attack", "pgd@0.1": "attack",
        "snow@3": "never learned", "rotate@0.4+fog@1": "mixed",
    }  # fmt: skip


def test_the_terminal_shows_every_row_that_was_named_and_means_of_the_rest(designed: Any) -> None:
    cells, report = designed(
        sources="brighten,rotate@1", threats="rotate@0.1", severities="2,3", mixtures=True, dense=False,
        layers="first", seeds=1,
    )  # fmt: skip
    table, _ = report.show(invented(cells, Settings(data="embedded", fingerprint="0")))
    assert [str(cell) for cell in table.columns[0].cells] == [
        "clean", "brighten@0.5", "rotate@1", "brighten@0.5+rotate@1", "rotate@0.1", "mean of 2 learned",
        "mean of 5 milder",
    ]  # fmt: skip


def test_levels_of_no_known_order_are_called_other_levels_and_count(designed: Any, tmp_path: Path) -> None:
    designed(sources="brighten,rotate@1", threats="rotate@2", dense=False, layers="first", seeds=1)
    text = (tmp_path / "table.md").read_text()
    assert "Worst of the 1 other level: rotate@2" in text
    assert "Do no harm (clean, other levels):" in text
    assert "of 2 rows fall" in text
    assert "milder" not in text
    assert not (tmp_path / "milder.png").exists()


def test_the_command_takes_what_the_spelled_form_does(designed: Any) -> None:
    how: dict[str, Any] = {"sources": "brighten,rotate@1", "dense": False, "layers": "first", "seeds": 1}
    cells, report = designed(parents=2, asks=2, worth=False, causes=4, radius=1, **how)
    spelled = "repair:layers=first:radius=1:parents=2:asks=2:causes=4:worth=no"
    assert report.arm == spelled
    assert {cell.arm for cell in cells} == {"undefended", spelled, f"{spelled}:told=yes"}
    cells, report = designed(beside="repair-augmented,repair-noise", retrained=True, causes=4, **how)
    own = "repair:layers=first:causes=4"
    assert report.beside[1:] == [
        f"{own}:retrained=yes", f"{own}:after=augmentation-whole", f"{own}:after=signal-8"
    ]  # fmt: skip


def test_attacks_count_neither_in_means_nor_as_harm(designed: Any, tmp_path: Path) -> None:
    how: dict[str, Any] = {"sources": "brighten,rotate@1", "dense": False, "layers": "first"}
    cells, report = designed(threats="others,pgd@0.1,adaptive@0.02,rotate@0.1", seeds=2, **how)
    assert rows_of(tmp_path / "table.md")[-4:] == [
        "pgd@0.1", "adaptive@0.02", "mean of 2 learned", "mean of 6 never learned"
    ]  # fmt: skip
    text = (tmp_path / "table.md").read_text()
    assert "Do no harm (clean, never learned, milder):" in text
    assert "of 8 rows fall" in text  # clean, six corruptions, a milder rotation
    assert "Attacks count neither in means nor as harm: of 2, " in text
    table = report._table(invented(cells, Settings(data="embedded", fingerprint="0")))
    for row in ("pgd@0.1", "adaptive@0.02"):
        line = next(line for line in text.splitlines() if line.startswith(f"| {row} |"))
        assert ("not a defense" in line) == (table.less(report.arm, row, "undefended").low <= 0)
    assert harm.attacked(Estimate(0.1, 0.05, 0.15, 1, 100), harm.ATTACK) == ""
    assert harm.attacked(Estimate(0.1, -0.05, 0.25, 1, 100), harm.ATTACK) == ", not a defense"
    assert harm.attacked(Estimate(-0.1, -0.15, -0.05, 1, 100), harm.NEVER) == ""
    assert harm.kind("pgd@0.1", ["pgd@0.1"]) == harm.LEARNED


def rows_of(path: Path) -> list[str]:
    return [line.split("|")[1].strip() for line in path.read_text().split("\n\n")[0].splitlines()[2:]]


def test_the_table_says_what_is_harmed(designed: Any, tmp_path: Path) -> None:
    cells, report = designed(
        sources="brighten,rotate@1", threats="obstruction,rotate@0.1", severities="2", mixtures=True, dense=False,
        layers="first", beside="augmentation-converged,equal-work", seeds=2,
    )  # fmt: skip
    assert rows_of(tmp_path / "table.md") == [
        "clean", "brighten@0.5", "rotate@1", "obstruction@2", "brighten@0.5+rotate@1", "rotate@0.1", "brighten@0.2",
        "rotate@0.4", "mean of 2 learned", "mean of 3 milder",
    ]  # fmt: skip
    text = (tmp_path / "table.md").read_text()
    for said in ("Worst of the 3 milder", "(clean, never learned, mixed, milder)", "of 6 rows fall", "equal work"):
        assert said in text
    assert (tmp_path / "milder.png").exists()
    assert {cell.arm for cell in cells} == {"undefended", report.arm, *report.beside}
    assert type(report).model_validate(report.model_dump()) == report
    with pytest.raises(ArgumentError, match="no milder levels are known of pgd"):
        designed(sources="pgd", severities="1,2")


def test_ablations_and_the_front_have_a_table_and_a_figure_each(designed: Any, tmp_path: Path) -> None:
    cells, report = designed(sources="brighten,rotate@1", ablate="displacements=100,400")
    assert {source.images for cell in cells for source in cell.sources} == {100, 400}
    assert rows_of(tmp_path / "ablation-displacements.md") == ["undefended", "100", "400"]
    assert report.default == "100"
    designed(sources="brighten,rotate@1", ablate="gate", seeds=2)
    lines = (tmp_path / "ablation-gate.md").read_text().splitlines()
    assert "less calibrated" in lines[0]
    assert next(line for line in lines if line.startswith("| calibrated")).split("|")[4:6] == ["  ", "  "]
    assert next(line for line in lines if line.startswith("| told the source")).count(" ±") == 4
    assert rows_of(tmp_path / "ablation-gate.md")[-1] == "told the source"
    cells, report = designed(sources="brighten,rotate@1", front=True)
    assert len(rows_of(tmp_path / "front.md")) == 1 + len(repair_points.front_designs())
    assert (tmp_path / "front.png").exists()
    assert type(report).of(invented(cells, Settings(data="embedded", fingerprint="0"))).points
    with pytest.raises(ArgumentError, match="expected one of them"):
        designed(front=True, ablate="gate")


@pytest.mark.usefixtures("in_threads", "small_network")
def test_an_ablation_runs_and_goes_on(small_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = presets.PRESETS["quick"]
    monkeypatch.setitem(presets.PRESETS, "quick", presets.replace(quick, data="full", base_epochs=1, images=40))
    how: dict[str, Any] = {"out": tmp_path, "data_dir": small_dir, "jobs": 1, "layers": "first", "sources": "brighten"}
    with draft():
        command.repair(ablate="bits=0,8", **how)
        text = (tmp_path / "ablation-bits.md").read_text()
        assert rows_of(tmp_path / "ablation-bits.md") == ["undefended", "0", "8"]
        assert "less 0" in text
        before = len(list(RecordFile(tmp_path / "record.sqlite")))
        command.repair(ablate="bits=0,8", **how)
    assert len(list(RecordFile(tmp_path / "record.sqlite"))) == before == 3 * 2
    report, records = remade(tmp_path / "record.sqlite")
    with draft():
        report.write(records, tmp_path)
    assert (tmp_path / "ablation-bits.md").read_text() == text
