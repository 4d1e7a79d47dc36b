"""Whole experiments on a few hundred real images: laws of the runner, resuming, and what the tables say."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from localnoise import UnitGrid, load
from localnoise.errors import ArgumentError, MissingDependencyError
from localnoise.sims import data
from localnoise.sims.attacks import PGD
from localnoise.sims.defenses import DEFENSES
from localnoise.sims.defenses.chip_arms import CHIPS
from localnoise.sims.evaluation.source import Source
from localnoise.sims.evaluation.threat import threat
from localnoise.sims.experiments import worker
from localnoise.sims.experiments.cell import Cell, crossed
from localnoise.sims.experiments.conduct import keep_grids
from localnoise.sims.experiments.design import trained_on
from localnoise.sims.experiments.grouping import grouped
from localnoise.sims.experiments.run_cells import run_cells
from localnoise.sims.experiments.runner import Runner
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.worker import Job
from localnoise.sims.reports import summarised
from localnoise.sims.reports.summary import MIXED, summarise
from localnoise.sims.results.records import RecordFile, key

SOURCES = tuple(Source.default(name) for name in ("rotate", "brighten", "pgd"))
ARMS_TRIED = ("none", "full", "raster-1", "bank-8", "augmentation")


@pytest.fixture(scope="module", params=["v1", pytest.param("v2", marks=pytest.mark.slow)])  # 128 and 3,136 neurons
def settings(request: pytest.FixtureRequest, small_dir: Path) -> Settings:
    return Settings(
        network=request.param,
        data="full",
        fingerprint=data.load("full", small_dir).fingerprint,
        base_epochs=1,
        epochs=1,
        attack=PGD(steps=2, draws=2),
        attacked_train=50,
        attacked_test=20,
    )


@pytest.fixture(scope="module")
def runner(settings: Settings, small_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    torch.set_num_threads(1)
    return Runner(settings, data.load("full", small_dir), tmp_path_factory.mktemp("networks"))


def test_every_combination_is_a_cell_once() -> None:
    everything = crossed((0, 1), SOURCES, ARMS_TRIED, ("augmentation",))
    assert len(everything) == len(set(everything)) == 2 * (5 + 5 + 4 + 1)  # no bank for pgd: it has one cause
    assert {cell.seed for cell in everything} == {0, 1}


def test_arms_that_train_all_layers_are_groups_of_their_own() -> None:
    """All others share displacements; what is repaired behind an augmented network needs that network."""
    after = "repair:after=augmentation-whole"
    arms = ["full", "augmentation-converged", "repair", "augmentation-whole", after, "none"]
    tested = [threat(text, 100, 100) for text in ("clean", "rotate@2")]
    groups = grouped([cell for seed in (0, 1) for cell in trained_on(seed, SOURCES[:2], arms, tested)], 1)
    own = [list(dict.fromkeys(cell.arm for cell in group)) for group in groups]
    assert own == [["full", "repair"], ["augmentation-converged"], ["augmentation-whole", after], ["none"]]
    assert [cell.threats[0].name for cell in groups[0]] == ["clean", "rotate"] * 2


def test_a_missing_library_is_missed_before_any_network_is_trained(
    settings: Settings, small_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)  # as if it were not installed
    cells = trained_on(0, SOURCES[:1], ["none"], [threat("fog@5", 100, 100)])
    records, how = (
        RecordFile(tmp_path / "record.sqlite"),
        {"data_dir": small_dir, "keep": partial(keep_grids, tmp_path, settings)},
    )
    with pytest.raises(MissingDependencyError, match="is not installed"):
        run_cells(cells, settings, records, tmp_path, jobs=1, **how)
    assert not list(tmp_path.iterdir())


def test_files_of_learned_grids_do_not_take_each_others_place(settings: Settings, tmp_path: Path) -> None:
    grid = UnitGrid((2, 2), 1)

    def kept(own: Settings = settings, **changes: Any) -> list[str]:
        given = {"seed": 0, "sources": SOURCES[:1], "arm": "raster-1"} | changes
        cell = Cell(**given)
        grid.provenance = {"record": key(cell.config(own))}
        grid.save(tmp_path / "content", state=False)
        before = {path.name for path in tmp_path.iterdir()}
        keep_grids(tmp_path / "grids", own, cell, ((tmp_path / "content").read_bytes(),))
        return sorted(path.name for path in (tmp_path / "grids").iterdir() if path.name not in before)

    assert kept() == kept() == ["grid-rotate-raster-1-seed0.h5"]
    mild = Source(name="rotate", level=1.0, variance=0.5)
    assert "grid-rotate@1-raster-1-seed0.h5" in kept(sources=(mild,))
    assert "grid-rotate-raster-1-variance0.3-seed0.h5" in kept(variance=0.3)
    assert "grid-rotate-raster-1-by-local-heads-seed0.h5" in kept(replace(settings, training="local-heads"))
    assert len(kept(sources=(SOURCES[0].of(99),))) == 5  # of fewer images: digits of its record's key in the name
    (other,) = [path for path in (tmp_path / "grids").iterdir() if path.stem[-9] == "-"]
    assert load(other).provenance["record"].startswith(other.stem[-8:])


WIDTHS = {arm.name for arm in CHIPS} - {"chip-w8-d12", "chip-signal-8", "chip-lms-8", "wires-raster-4"}


@pytest.mark.parametrize("arm", sorted(WIDTHS))
def test_a_chip_of_any_width_and_wiring_is_the_same_twice(arm: str) -> None:
    d, h = (np.random.default_rng(seed).normal(size=(400, 2, 5, 5)).astype(np.float32) for seed in (1, 2))
    first, again = (DEFENSES[arm].build(d, h, 0.5) for _ in range(2))
    np.testing.assert_array_equal(first.sample(20, seed=3), again.sample(20, seed=3))
    assert np.square(first.sample(20, seed=3)).mean() > 0.05


LARGE = ("full", "multiscale-8", "signal-8", "augmentation")  # central, local, affine, trained
ONE = set(DEFENSES) - WIDTHS  # of the arms that differ in a number, one for all
LONG = {arm for arm in ONE if arm.startswith("adversarial") or arm == "augmentation-converged"} - {"adversarial-90"}
LONG |= {"repair-retrained", "repair-8", "repair-16", "reparametrised-isotropic-8", "three-factor-isotropic-8"}
LONG |= {"mix-25", "mix-50", "multiscale-2", "signal-4", "full-test", "input-noise"}  # others of their kind are tried
CASES = [
    *(("v1", arm) for arm in sorted(ONE - LONG)),
    *(pytest.param("v1", arm, marks=pytest.mark.slow) for arm in sorted(LONG)),
    *(pytest.param("v2", arm, marks=pytest.mark.slow) for arm in LARGE),
]


@pytest.mark.parametrize(("settings", "arm"), CASES, indirect=["settings"])
def test_a_cell_gives_the_same_result_twice(runner: Runner, arm: str) -> None:
    cell = Cell(seed=0, sources=(Source.default("obstruction"),), arm=arm)
    first = runner.run(cell)
    runner._trained = None  # or the second run would only be tested again
    again = runner.run(cell)
    for name, value in first.values.items():
        assert np.array_equal(value, again.values[name]), name
    assert first.values["accuracy.obstruction"] == first.values["correct.obstruction"].mean()
    assert len(first.values["correct.clean"]) == 100


def test_the_front_stays_frozen_and_test_modifications_are_shared(runner: Runner) -> None:
    bench = runner.bench(0)
    before = [p.clone() for p in bench.network.front.parameters()]
    runner.run(Cell(seed=0, sources=(Source.default("rotate"),), arm="identity"))
    assert all(torch.equal(p, q) for p, q in zip(before, bench.network.front.parameters(), strict=True))
    source, tested = Source.default("rotate"), bench.modified_test("rotate", 1.6, 100)
    assert torch.equal(tested[:10], bench.modified_test("rotate", 1.6, 10))
    first = bench.altered(source)
    assert not torch.equal(first[:100], tested)
    assert not torch.equal(first, bench.altered(source, draw=1))


def test_a_bank_holds_one_field_a_cause(runner: Runner) -> None:
    noise = runner.run(Cell(seed=0, sources=(Source.default("rotate"),), arm="bank-8")).noise
    assert len(noise.members) == 16
    assert len(np.unique(runner.bench(0).causes("rotate", 400, 16))) == 16
    assert len({member.field.G.tobytes() for member in noise.members}) == 16


@pytest.mark.usefixtures("in_threads")
@pytest.mark.parametrize("settings", ["v1"], indirect=True)  # what is kept is the same for every network
def test_run_keeps_records_grids_and_resumes(settings: Settings, small_dir: Path, tmp_path: Path) -> None:
    records = RecordFile(tmp_path / "record.sqlite")
    few = crossed((0,), SOURCES, ARMS_TRIED, ("augmentation",))
    keep = partial(keep_grids, tmp_path, settings)
    half = crossed((0,), SOURCES[:1], ARMS_TRIED)
    assert run_cells(half, settings, records, tmp_path, data_dir=small_dir, keep=keep, jobs=2) == 5
    assert run_cells(few, settings, records, tmp_path, data_dir=small_dir, keep=keep, jobs=2) == len(few) - 5
    assert run_cells(few, settings, records, tmp_path, data_dir=small_dir, keep=keep, jobs=1) == 0
    assert len(list(records)) == len(records.done()) == len(few)
    grid = load(tmp_path / "grid-rotate-raster-1-seed0.h5")
    assert isinstance(grid, UnitGrid)
    assert grid.provenance["arm"] == "raster-1"
    summary = summarise(records.of(cell.config(settings) for cell in few))
    assert summary.sources == ["rotate", "brighten", "pgd"]
    entry = summary.entries["full", "rotate", "rotate"]
    assert entry.retention is None or entry.retention.mean == 1.0  # None of so few images where nothing is gained
    assert ("augmentation", MIXED, "rotate") in summary.entries
    text = summarised.markdown(summary, lambda found: found.accuracy)
    assert text.count("\n") == 1 + 5 + 1
    assert "one net for all" in text
    assert "n = 100" in summarised.footnote(summary)
    assert "n = 20" in summarised.footnote(summary)


def test_other_images_or_code_on_a_worker_end_it(settings: Settings, small_dir: Path, tmp_path: Path) -> None:
    """On another machine, `data_dir` may hold other images, and localnoise be of another version."""
    job = Job(cell=Cell(seed=0, sources=(), arm="none"), settings=settings, data_dir=str(small_dir))
    with pytest.raises(ArgumentError, match=r"are not those of this command \(\w{12} there, 0{12} here\)"):
        worker.run(replace(job, settings=replace(settings, fingerprint="0" * 64)), lambda what, done, of: None)
    with pytest.raises(ArgumentError, match=r"a worker runs other code .* expected the same version of localnoise"):
        worker.run(replace(job, source="another"), lambda what, done, of: None)


@pytest.mark.usefixtures("in_threads")
def test_grids_that_cannot_be_written_end_it_and_what_was_done_is_kept(
    settings: Settings, small_dir: Path, tmp_path: Path
) -> None:
    records = RecordFile(tmp_path / "record.sqlite")
    few = crossed((0,), SOURCES[:1], ("none", "raster-1"))
    blocked = tmp_path / "a file where the folder of grids should be"
    blocked.touch()
    with pytest.raises(OSError, match="a file where"):
        run_cells(
            few, settings, records, tmp_path, data_dir=small_dir, keep=partial(keep_grids, blocked, settings), jobs=1
        )
    assert [record.config["arm"] for record in records] == ["none"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"data": "fashion"}, "expected one of 'embedded', 'full'"),
    ],
)
def test_bad_settings_are_named(settings: Settings, change: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        replace(settings, **change)  # type: ignore[arg-type]


def test_bad_cells_are_named() -> None:
    with pytest.raises(ArgumentError, match="did you mean 'full'"):
        crossed((0,), SOURCES, ("ful",))
    with pytest.raises(ArgumentError, match="seeds is empty"):
        crossed((), SOURCES, ("full",))


def test_later_settings_leave_earlier_keys_alone(settings: Settings) -> None:
    """Records written before a field existed stay valid where it is at its default."""
    config = Cell(seed=0, sources=SOURCES[:1], arm="full").config(replace(settings, network="v2"))
    assert {"threats", "network"} & set(config) == set()
    assert Cell(seed=0, sources=SOURCES[:1], arm="full").config(replace(settings, network="v1"))["network"] == "v1"


def test_bad_sources_are_named() -> None:
    with pytest.raises(ArgumentError, match="did you mean 'rotate'"):
        Source.default("rotat")
    with pytest.raises(ArgumentError, match="level"):
        Source(name="rotate", level=9.0, variance=0.5)
