"""Figures of `localnoise train`: each point is its table's number, and what is missing leaves no point."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from localnoise.sims.reports import figures, trained_figures
from localnoise.sims.reports.commands.trained import Train
from localnoise.sims.reports.trained_rows import accuracy_of, by_row, less, row_of
from localnoise.sims.results.records import Record

BY, ARMS, SEEDS = ("backprop", "local-heads", "another-rule"), ("undefended", "multiscale-8"), (0, 1, 2)
TESTED = ("clean", "adaptive@0.01", "adaptive@0.04", "rotate@2", "fog@5")


def records(by: Any = BY, arms: Any = ARMS, seeds: Any = SEEDS, tests: Any = TESTED) -> list[Record]:
    rng, found = np.random.default_rng(0), []
    for training in by:
        for arm in arms:
            for seed in seeds:
                for test in tests:
                    name, _, level = test.partition("@")
                    hit = (rng.random(50) < 0.6).astype(np.uint8)
                    threats = [{"name": name, "level": float(level or 0)}]
                    config = {"seed": seed, "arm": arm, "base_epochs": 1, "sources": [], "threats": threats}
                    config |= {} if training == "backprop" else {"training": training}
                    own = {f"accuracy.{test}": hit.mean(), f"correct.{test}": hit}
                    own |= {"adaptive.unreliable": "planted"} if (test, seed) == ("adaptive@0.04", 1) else {}
                    found.append(Record(config, own, {}, 0.0))
    return found


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    """Figures as they were written, by the name of their file."""
    found: dict[str, Figure] = {}
    real = trained_figures.drawn

    @contextmanager
    def kept(path: Path, size: tuple[float, float]) -> Iterator[Figure]:
        with real(path, size) as page:
            yield page
        found[path.name] = page

    monkeypatch.setattr(figures, "KINDS", (".png",))
    monkeypatch.setattr(trained_figures, "drawn", kept)
    return found


def means(axes: Any, way: int) -> list[float]:
    """What intervals' markers stand at, along an axis."""
    return [value for bar in axes.containers for value in bar.lines[0].get_data()[way]]


def test_points_are_the_tables_numbers(pages: dict[str, Figure], tmp_path: Path) -> None:
    everything = records()
    report = Train(trainings=[row_of(by, arm) for by in BY for arm in ARMS], threats=list(TESTED[1:]))
    named = report.write(everything, tmp_path)
    assert named == ["table.md", *figures.kinds("accuracy.png"), *figures.kinds("robustness.png")]
    found = by_row(everything, 0)
    rows = [row_of(by, arm) for arm in ARMS for by in BY]
    clean, paired = pages["accuracy.png"].axes
    estimates = {row: accuracy_of(found[row]["clean"], "clean") for row in rows}
    assert means(clean, 0) == pytest.approx([estimates[row].mean for row in rows])  # type: ignore[union-attr]
    twins = {row: row.replace(row.partition(",")[0], "backprop") for row in rows}
    gaps = [less(found[row]["clean"], found[twins[row]]["clean"], "clean") for row in rows if row != twins[row]]
    assert means(paired, 0) == pytest.approx([gap.mean for gap in gaps if gap is not None])
    dots = [line for line in clean.lines if line.get_markersize() < 3]
    assert [len(line.get_xdata()) for line in dots] == [len(SEEDS)] * len(rows)
    said = [text.get_text() for text in clean.texts]
    assert said == ["No noise", "Multiscale K=8"]

    attacked, corrupted = pages["robustness.png"].axes
    for row, bar in zip(report.trainings, attacked.containers, strict=True):
        expected = [accuracy_of(found[row][name], name).mean for name in TESTED[:3]]  # type: ignore[union-attr]
        assert bar.lines[0].get_ydata() == pytest.approx(expected)
    for row, bar in zip(report.trainings, corrupted.containers, strict=True):
        expected = [accuracy_of(found[row][name], name).mean for name in TESTED[3:]]  # type: ignore[union-attr]
        assert bar.lines[0].get_ydata() == pytest.approx(expected)
    assert [text.get_text() for text in corrupted.get_xticklabels()] == ["Rotate 2", "Fog 5"]
    hollow = [line for line in attacked.lines if line.get_markerfacecolor() == "white"]
    assert len(hollow) == len(rows)
    assert {line.get_xdata()[0] for line in hollow} == {bar.lines[0].get_xdata()[-1] for bar in attacked.containers}


def test_rows_differ_in_color_or_mark() -> None:
    rows = [row_of(by, arm) for by in (*BY, "backprop@3", "softhebb", "channels", "similarity") for arm in ARMS]
    look = trained_figures.looks(rows)
    assert len(set(look.values())) == len(rows)
    assert trained_figures.looks(rows[2:4])["local-heads"].colour == look["local-heads"].colour


@pytest.mark.parametrize(
    ("cut", "panels"),
    [
        ({"by": ("local-heads",)}, 1),  # no twin
        ({"arms": ("undefended",), "seeds": (0,)}, 2),
        ({"tests": ("clean",)}, 2),
    ],
)
def test_what_is_not_there_leaves_no_panel(
    cut: dict[str, Any], panels: int, pages: dict[str, Figure], tmp_path: Path
) -> None:
    few = records(**cut)
    report = Train.of(few)
    named = report.write(few, tmp_path)
    assert len(pages["accuracy.png"].axes) == panels
    assert ("robustness.png" in named) == ("tests" not in cut)
    assert Train.of(few[:0]).write([], tmp_path) == []


def test_a_test_that_has_not_run_yet_leaves_its_points_out(pages: dict[str, Figure], tmp_path: Path) -> None:
    some = [*records(by=BY[:1], arms=ARMS[:1]), *records(by=BY[1:], arms=ARMS[:1], tests=TESTED[:4])]
    Train(trainings=list(BY), threats=list(TESTED[1:])).write(some, tmp_path)
    points = [len(bar.lines[0].get_ydata()) for bar in pages["robustness.png"].axes[1].containers]
    assert points == [2, 1, 1]
