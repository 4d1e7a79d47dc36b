"""How much of the central method's gain an arm keeps, place by place, with the mean and the least of a row."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from localnoise.sims.reports.comparison import Outcome
from localnoise.sims.reports.table import as_markdown, texts
from localnoise.sims.results.statistics import RATIO, RETENTION, Estimate, retention

BRACKETS = (
    "In brackets the central gain itself, where it is not surely above 0 (the 95 % interval reaches 0, or lies below "
    "it): no share is taken of it."
)


@dataclass(frozen=True)
class RetainedGain:
    """One arm at one place.

    Attributes
    ----------
    gain : Estimate
        Of the full central covariance over no noise, paired.
    share : Estimate or None
        The arm's gain over the central one. None where the interval of the central gain reaches 0 or lies below it:
        there is nothing sure to keep.
    """

    gain: Estimate
    share: Estimate | None


def kept(own: Outcome | None, none: Outcome | None, full: Outcome | None) -> RetainedGain | None:
    """From the seeds that the three share; None if one is missing or they share none."""
    if own is None or none is None or full is None:
        return None
    seeds = sorted(set(own.correct) & set(none.correct) & set(full.correct))
    gain = full.less(none)
    if not seeds or gain is None:
        return None
    local, zero, best = ([float(one.correct[seed].mean()) for seed in seeds] for one in (own, none, full))
    images = len(own.correct[seeds[0]])
    return RetainedGain(gain, retention(local, zero, best, images) if gain.low > 0 else None)


def markdown(rows: Sequence[str], columns: Sequence[str], find: Callable[[int, int], RetainedGain | None]) -> str:
    """A table of shares, `find(row, column)` each; in brackets the central gain where it is not surely above 0."""
    found = [[find(i, j) for j in range(len(columns))] for i in range(len(rows))]
    known = [any(own[j] is not None for own in found) for j in range(len(columns))]
    cells = [[*map(cell, own), *_ends(list(compress(own, known)))] for own in found]
    table = as_markdown(texts((*columns, "mean", "least"), cells, rows))
    return f"{table}\n\n{note(one for own in found for one in own)}"


def note(shown: Iterable[RetainedGain | None]) -> str:
    """Return what the cells of a table are; of an interval only where one of them has any."""
    spread = any(one.share.seeds > 1 for one in shown if one is not None and one.share is not None)
    return f"{BRACKETS} {RETENTION if spread else RATIO}"


def cell(one: RetainedGain | None) -> str:
    """A share with its interval; in brackets the central gain where it is not surely above 0."""
    if one is None:
        return ""
    if one.share is None:
        return f"({one.gain.mean:+.3f} ± {one.gain.half_width:.3f})"
    if one.share.seeds == 1:  # no interval
        return f"{one.share.mean:.2f}"
    return f"{one.share.mean:.2f} ± {one.share.half_width:.2f}"


def _ends(found: list[RetainedGain | None]) -> tuple[str, str]:
    """Mean and least of a row; none where a cell is missing that other rows have: they would be of other places."""
    if None in found:
        return "", ""
    shares = [one.share.mean for one in found if one is not None and one.share is not None]
    return (f"{np.mean(shares):.2f}", f"{min(shares):.2f}") if shares else ("", "")
