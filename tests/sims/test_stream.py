"""A stream of corruptions: how it is drawn, what is measured of it, and the command."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from localnoise.errors import ArgumentError
from localnoise.sims import stream as command
from localnoise.sims.experiments import presets
from localnoise.sims.reports.table import accuracy
from localnoise.sims.results.records import Record, RecordFile
from localnoise.sims.results.statistics import over_seeds
from localnoise.sims.streaming import measures
from localnoise.sims.streaming.frames import Frames
from localnoise.sims.streaming.reported import Stream
from localnoise.sims.streaming.schedule import CLEAN, STEP, StreamPlan, drawn, levels
from localnoise.sims.tools.remade import remade

THREE = (("rotate", 2.0), ("contrast", 5.0), ("obstruction", 2.0))
PLAN = StreamPlan(modifications=THREE, length=3000, stay=200)
# The stream


def test_each_modification_comes_once_before_any_comes_again_and_clean_between() -> None:
    made = drawn(PLAN, 3, 70)
    assert made.names[::2] == [CLEAN] * len(made.names[::2])
    turns = made.names[1::2]
    for first in range(0, len(turns) - 2, 3):
        assert sorted(turns[first : first + 3]) == sorted(name for name, _ in THREE)
    lengths = np.diff(made.starts)
    assert ((lengths[1::2] >= 100) & (lengths[1::2] <= 300)).all()
    assert ((lengths[::2] >= 50) & (lengths[::2] <= 150)).all()
    assert sorted(made.image[:70]) == list(range(70))  # all of the pool, before one comes again


def test_strengths_drift_between_the_weakest_and_the_named_level() -> None:
    made = drawn(PLAN, 3, 70)
    for name, span in zip(made.names, measures.spans(made.starts, 3000), strict=True):
        own = made.level[span]
        if name == CLEAN:
            assert not own.any()
            continue
        known = levels(name, dict(THREE)[name], PLAN.weakest)
        assert set(own.tolist()) <= set(known)
        assert (np.diff(np.flatnonzero(np.diff(own))) >= STEP).all()
    assert levels("contrast", 5.0, 0.3) == [2, 3, 4, 5]
    np.testing.assert_allclose(levels("rotate", 2.0, 0.3), np.arange(3, 11) / 5, rtol=1e-6)


def test_a_longer_stream_begins_alike_and_a_seed_gives_the_same_again() -> None:
    short, long = drawn(PLAN, 5, 400), drawn(StreamPlan(modifications=THREE, length=5000, stay=200), 5, 400)
    assert long.names[: len(short.names)] == short.names
    np.testing.assert_array_equal(long.level[:3000], short.level)
    np.testing.assert_array_equal(long.image[:3000], short.image)
    assert drawn(PLAN, 6, 400).names != short.names or (drawn(PLAN, 6, 400).image != short.image).any()


def frames_of(pool: Any, bounds: Any, schedule: Any, folder: Path) -> Frames:
    return Frames(pool, bounds, schedule, 9, folder / "frames", lambda what, done, of: None, "stream")


@pytest.mark.parametrize("camera", [True, False])
def test_images_are_made_as_each_would_be_alone(tmp_path: Path, camera: bool) -> None:
    from localnoise.sims import perturbations

    inputs = torch.rand(50, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    inputs = (255 * inputs).round() / 255 if camera else inputs
    pool = inputs, torch.arange(50) % 10
    plan = StreamPlan(modifications=(("rotate", 2.0),), length=700, stay=200)
    made = drawn(plan, 1, 50)
    frames = frames_of(pool, (0, 1), made, tmp_path)
    assert (tmp_path / "frames").stat().st_size == 700 * 784 * (1 if camera else 4)
    x, y = (torch.cat(part) for part in zip(*frames, strict=True))
    assert torch.equal(y, pool[1][made.image])
    for t in (0, 250, 699):
        level, image = float(made.level[t]), pool[0][made.image[t]][None]
        expected = perturbations.apply("rotate", image, level, 9, t) if level else image
        rounded = (255 * expected).round() / 255
        assert torch.equal(x[t : t + 1], rounded if camera else expected)


@pytest.mark.parametrize(("scale", "images"), [(1.0, False), (1.0, True), (0.006, False)])
def test_inputs_without_bounds_are_kept_as_they_are(
    tmp_path: Path, request: pytest.FixtureRequest, scale: float, images: bool
) -> None:
    from localnoise.sims import perturbations

    def gain(x: torch.Tensor, level: float, words: Any) -> torch.Tensor:
        return x * level - 0.5

    kept = {"unit": "", "description": "", "words": 1, "level": 1.5, "lowest": 0.0, "highest": 2.0}
    made: Any = perturbations.Modification(name="gain", function=gain, bounds=None, **kept)  # type: ignore[arg-type]
    perturbations.MODIFICATIONS.mount({"gain": made})
    request.addfinalizer(lambda: perturbations.MODIFICATIONS.mount({}))
    inputs = scale * torch.rand(50, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    inputs = (255 * inputs).round() / 255 if images else inputs
    schedule = drawn(StreamPlan(modifications=(("gain", 1.5),), length=700, stay=200), 1, 50)
    for bounds in (None, (0, 1)):  # the task's; the perturbation has none
        x = torch.cat([x for x, _ in frames_of((inputs, torch.arange(50)), bounds, schedule, tmp_path)])
        level = torch.from_numpy(schedule.level)[:, None, None, None]
        seen = inputs[torch.from_numpy(schedule.image)]
        assert torch.equal(x, torch.where(level > 0, seen * level - 0.5, seen))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stay": 10}, "stay=10"),
        ({"length": 0}, "length=0"),
        ({"modifications": ()}, "test is empty"),
        ({"weakest": 0.0}, "weakest=0.0: expected a share"),
    ],
)
def test_streams_that_cannot_be_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        StreamPlan(**({"modifications": THREE, "length": 100} | given))


# What is measured


def test_recovery_is_the_first_window_as_good_as_the_second_half() -> None:
    rng = np.random.default_rng(0)
    bad, good = rng.random(700) < 0.2, rng.random(2300) < 0.8
    stretch = np.concatenate([bad, good]).astype(np.uint8)
    level = stretch[1500:].mean() - measures.WITHIN
    by_hand = next(t for t in range(1500) if stretch[t : t + measures.WINDOW].mean() >= level)
    assert measures.recovery(stretch) == by_hand
    assert 550 < by_hand <= 700
    assert measures.recovery(np.ones(1000, np.uint8)) == 0
    assert measures.recovery(np.repeat([0, 1], 1000).astype(np.uint8)) == 1000  # none in the first half
    assert measures.recovery(np.ones(4 * measures.WINDOW - 1, np.uint8)) is None


def test_recoveries_of_corruptions_and_of_clean_stretches_are_told_apart() -> None:
    starts, names = np.array([0, 1000, 2000]), [CLEAN, "rotate", CLEAN]
    correct = np.ones(3000, np.uint8)
    correct[1000:1400] = 0
    into, back = measures.recoveries(correct, starts, names, CLEAN)
    assert back == [0]
    assert into == [measures.recovery(correct[1000:2000])]


# What is reported


def record(seed: int, method: str, stretches: list[tuple[str, int, int]]) -> Record:
    """Of stretches (name, images, right ones)."""
    correct = np.concatenate([np.arange(count) < right for _, count, right in stretches]).astype(np.uint8)
    starts = np.cumsum([0, *(count for _, count, _ in stretches)])[:-1]
    config = {"experiment": "stream", "method": method, "network": "v2", "seed": seed, "stream": {"stay": 100}}
    sizes = dict.fromkeys(("parameter_bytes", "state_bytes", "gradient_bytes"), 8)
    names = ",".join(name for name, _, _ in stretches)
    results = {"correct.stream": correct, "stream.starts": starts, "stream.names": names, **sizes}
    return Record(config, results | {"seconds_per_image": 0.001}, {}, 1.0)


def cells(records: list[Record]) -> tuple[dict[str, str], dict[str, str], str]:
    """Return the first row of both tables of accuracies, and what stands below them."""
    report = Stream.of(records)
    own = report._outcomes(records)
    return report._overall(own).iloc[0].to_dict(), report._by_name(own).iloc[0].to_dict(), report._footnote(own)


def test_intervals_of_one_seed_are_over_the_images_that_a_cell_is_of() -> None:
    overall, by, note = cells([record(0, "none", [(CLEAN, 40, 30), ("fog", 960, 480), (CLEAN, 60, 45)])])
    for cell, right, images in (
        (overall["clean"], 75, 100),
        (by["clean"], 75, 100),
        (overall["corrupted"], 480, 960),
        (by["fog"], 480, 960),
        (overall["stream"], 555, 1060),
    ):
        assert cell == accuracy(over_seeds([right / images], images))
    assert "1,060 images, 3 stretches, mean stay 100" in note


def test_what_only_a_later_seed_met_is_of_that_seed_and_says_so() -> None:
    first = record(0, "none", [(CLEAN, 100, 90), ("rotate", 200, 100)])
    second = record(1, "none", [(CLEAN, 50, 40), ("fog", 100, 50), (CLEAN, 50, 40), ("rotate", 100, 25)])
    overall, by, note = cells([first, second])
    assert by["fog"] == f"{accuracy(over_seeds([0.5], 100))} (1 of 2 seeds)"
    assert by["rotate"] == accuracy(over_seeds([0.5, 0.25], 200))
    assert overall["clean"] == accuracy(over_seeds([0.9, 0.8], 100))
    assert "300 images a seed, 6 stretches in all 2 seeds" in note
    overall, _, _ = cells([first, record(0, "repair", [(CLEAN, 100, 90)]), record(1, "repair", [(CLEAN, 100, 90)])])
    assert overall["stream"].endswith(" (1 of 2 seeds)")  # of a method that is not done


# The command


@pytest.mark.usefixtures("in_threads", "small_network")
def test_the_command_writes_tables_and_a_figure_and_goes_on(
    small_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = presets.PRESETS["quick"]
    monkeypatch.setitem(presets.PRESETS, "quick", presets.replace(quick, data="full", base_epochs=1))
    how: dict[str, Any] = {"out": tmp_path, "data_dir": small_dir, "jobs": 1, "displaced": 300, "length": 400}
    how |= {"stay": 100, "sources": "brighten,contrast"}
    how |= {"causes": 4, "layers": "first"}
    command.stream(defenses="none,repair-filtered,bn", **how)
    text = (tmp_path / "table.md").read_text()
    for word in ("no adaptation (none)", "repair, filtered (repair-filtered)", "BN statistics, running (bn)"):
        assert word in text
    for word in (
        "less no adaptation",
        "less repair, filtered",
        "recovery",
        "for gradients",
        "contrast",
        "one seed",
        "stay",
    ):
        assert word in text
    assert (tmp_path / "stream.png").stat().st_size > 0
    report, records = remade(tmp_path / "record.sqlite")
    assert report.name == "stream"
    none, mended = ([r for r in records if r.config["method"] == name] for name in ("none", "repair-filtered"))
    less = np.mean(mended[0].results["correct.stream"]) - np.mean(none[0].results["correct.stream"])
    row = next(line for line in text.splitlines() if "(repair-filtered)" in line)
    assert f"| {less:+.3f} ±" in row
    report.write(records, tmp_path)
    assert (tmp_path / "table.md").read_text() == text
    command.stream(defenses="none,repair-filtered,bn", **how)
    assert len(list(RecordFile(tmp_path / "record.sqlite"))) == 3
    mixed = RecordFile(tmp_path / "mixed" / "record.sqlite")
    mixed.path.parent.mkdir()
    for record in RecordFile(tmp_path / "record.sqlite"):
        longer = record.config | {"stream": record.config["stream"] | {"stay": 99}}
        mixed.append_all([(record.config, record.results, 0.0), (longer, record.results, 0.0)])
    with pytest.raises(ArgumentError, match=r"holds records of several settings \(stream: "):
        remade(mixed.path, "stream")
    assert remade(tmp_path / "record.sqlite", "stream")[0].methods == ["none", "repair-filtered", "bn"]  # type: ignore[attr-defined]
    networks = sorted(path.name.partition("-epochs")[0].rpartition("-")[0] for path in tmp_path.glob("*.pt"))
    assert networks == ["v1", "v1-bn"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"defenses": "repair-filterd"}, "did you mean 'repair-filtered'"),
        ({"defenses": ","}, "defenses is empty"),
        ({"sources": ""}, "train is empty"),
        ({"sources": "rotat"}, "did you mean 'rotate'"),
        ({"sources": "pgd@0.1"}, "is no perturbation of inputs"),
        ({"tested": "contrast@9"}, "level=9.0"),
        ({"length": -1}, "length=-1"),
        ({"stay": 1}, "stay=1"),
        ({"radius": -1}, "radius=-1"),
        ({"causes": 3, "sources": "obstruction"}, "causes=3: expected a square number"),
        ({"layers": "fc9"}, "fc9"),
        ({"strengths": "weak"}, "strengths='weak'"),
    ],
)
def test_the_command_refuses_at_once(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        command.stream(out=tmp_path, **given)
    assert not list(tmp_path.iterdir())
