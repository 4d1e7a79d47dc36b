"""The tables' cells, computed anew from the records by the formulas that the pages state, without the reports."""

import re

import numpy as np
import pytest
from pages import page
from pinned import published
from scipy.stats import t as student

from localnoise.records import read_records
from localnoise.sims.defenses import DEFENSES
from localnoise.sims.results.statistics import CLEAN, RETENTION

RETENTIONS, TRANSFER = page("results/retention"), page("results/transfer")
LABELS = {arm.label: name for name, arm in DEFENSES.items()}
NET = ", one net for all modifications"


def table_after(text: str, heading: str) -> dict[str, list[str]]:
    """Rows of the Markdown table that follows a heading: label and cells; "" is the head."""
    lines = text[text.index(heading) + len(heading) :].lstrip("\n").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[: lines.index("")]]
    return {row[0]: row[1:] for row in rows if not set(row[0]) <= set("-") or not row[0]}


def interval(values: np.ndarray) -> float:
    """Half of Student's 95 % interval over seeds."""
    return float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def retention(arm: np.ndarray, none: np.ndarray, full: np.ndarray) -> tuple[float, float]:
    """R and its half width, as the page says."""
    ratio = (arm.mean() - none.mean()) / (full.mean() - none.mean())
    return ratio, interval(((arm - none) - ratio * (full - none)) / (full - none).mean())


def stated(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[+-]?\d*\.\d+", cell))


def share(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


@pytest.fixture(scope="module")
def accuracies() -> dict[tuple[str, bool, str, str], np.ndarray]:
    """(arm, one net for all, learned from, tested on) -> accuracy by seed, of the record behind the first tables."""
    found: dict[tuple[str, bool, str, str], dict[int, float]] = {}
    for row in read_records(published("retention")):
        several = "config.sources.1.name" in row
        learned = "" if several else row["config.sources.0.name"]
        for name, value in row.items():
            if name.startswith("accuracy."):
                place = (row["config.arm"], several, learned, name.removeprefix("accuracy."))
                found.setdefault(place, {})[row["config.seed"]] = value
                assert np.mean(row[f"correct.{place[3]}"]) == pytest.approx(value)
    return {place: np.array([own[seed] for seed in sorted(own)]) for place, own in found.items()}


def cells(heading: str):
    """(arm, one net for all, source, cell) of a table."""
    rows = table_after(RETENTIONS, heading)
    sources = [name.lower().replace(" ", "_") for name in rows.pop("")]
    for label, row in rows.items():
        for source, cell in zip(sources, row, strict=True):
            if cell:
                yield LABELS[label.removesuffix(NET)], label.endswith(NET), source, cell


def test_the_estimators_are_stated():
    assert RETENTION in " ".join(RETENTIONS.split())
    assert CLEAN in " ".join(RETENTIONS.split())


def test_retentions_are_ratios_of_means_with_the_delta_methods_interval(accuracies):
    count = 0
    for arm, several, source, cell in cells("Retention of the central gain:"):
        own, none, full = (
            accuracies[place]
            for place in ((arm, several, "" if several else source, source), *(
                (name, False, source, source) for name in ("none", "full")
            ))
        )  # fmt: skip
        ratio, half = retention(own, none, full)
        assert stated(cell) == (f"{ratio:.2f}", f"{half:.2f}"), (arm, source)
        count += 1
    assert count == 66


@pytest.mark.parametrize(
    ("heading", "clean"),
    [("Accuracy under each test perturbation:", False), ("The same nets on the clean test set:", True)],
)
def test_accuracies_are_means_over_seeds_with_students_interval(accuracies, heading, clean):
    for arm, several, source, cell in cells(heading):
        own = accuracies[arm, several, "" if several else source, "clean" if clean else source]
        assert stated(cell) == (f"{own.mean():.3f}", f"{interval(own):.3f}"), (arm, source)


def test_leads_over_augmentation_are_paired_by_seed(accuracies):
    heading = "Accuracy less that of augmentation with the same sources, paired by seed:"
    for arm, several, source, cell in cells(heading):
        own, other = (accuracies[name, several, "" if several else source, source] for name in (arm, "augmentation"))
        assert stated(cell) == (f"{(own - other).mean():.3f}", f"{interval(own - other):.3f}"), (arm, source)


@pytest.mark.slow
def test_shares_beside_the_sources_themselves_are_of_the_same_estimator():
    """Fifteen sources, two arms: a share, or in brackets the central gain where its interval reaches 0."""
    found: dict[tuple[str, str, str], dict[int, float]] = {}
    for row in read_records(published("transfer")):
        name, level = row["config.threats.0.name"], row["config.threats.0.level"]
        learned = (
            f"{row['config.sources.0.name']}@{row['config.sources.0.level']:g}"
            if "config.sources.0.name" in row
            else ""
        )
        place = (row["config.arm"], learned, f"{name}@{level:g}")
        if name != "clean":
            found.setdefault(place, {})[row["config.seed"]] = float(np.mean(row[f"correct.{name}@{level:g}"]))
    by_seed = {place: np.array([own[seed] for seed in sorted(own)]) for place, own in found.items()}
    rows = table_after(TRANSFER, "<!-- own -->")
    head, shares = rows.pop(""), {"multiscale-8": [], "signal-8": []}
    count = 0
    for label, row in rows.items():
        if label == "mean":
            ends = [f"{np.mean(own):.2f}, least {min(own):.2f}" for own in shares.values()]
            assert row[-2:] == ends
            continue
        source = next(s for _, s, _ in by_seed if s and words(s) == label.casefold())
        none, full = by_seed["none", "", source], by_seed["full", source, source]
        gain, sure = full - none, (full - none).mean() > interval(full - none)
        for arm, cell in zip(shares, row[-2:], strict=True):
            ratio, half = retention(by_seed[arm, source, source], none, full)
            expected = (f"{ratio:.2f}", f"{half:.2f}") if sure else (f"{gain.mean():+.3f}", f"{interval(gain):.3f}")
            assert stated(cell) == expected, (arm, source)
            shares[arm] += [ratio] if sure else []
            count += 1
    assert head[-1].endswith("share of the central gain")
    assert count == 30


def words(source: str) -> str:
    """A source as the table's first column spells it, in small letters."""
    return source.replace("-", " ").replace("_", " ").replace("@", " ")
