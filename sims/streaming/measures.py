"""What a method was worth on a stream, of its per-image outcomes alone."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

WINDOW, WITHIN = 100, 0.05

Outcomes = npt.NDArray[np.uint8]
Starts = npt.NDArray[np.int64]


def spans(starts: Starts, length: int) -> list[slice]:
    """Return the images of each stretch."""
    edges = [*starts.tolist(), length]
    return [slice(first, last) for first, last in pairwise(edges)]


def windowed(correct: Outcomes, window: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the middles of consecutive windows, and the accuracy in each."""
    count = max(len(correct) // window, 1)
    parts = np.array_split(np.asarray(correct, np.float64), count)
    ends = np.cumsum([len(part) for part in parts])
    return ends - np.array([len(part) / 2 for part in parts]), np.array([part.mean() for part in parts])


def recovery(correct: Outcomes, window: int = WINDOW, within: float = WITHIN) -> int | None:
    """Return how many images a method takes to recover after the change with which a stretch begins.

    The later level is the accuracy over the second half of the stretch, images L/2 .. L - 1. With w images a window,
    the recovery time is the least t >= 0 for which the accuracy over the images t .. t + w - 1 of the stretch is at
    least the later level less `within`. 0: no later than the first window. If no window within the first half is as
    good, L/2, which is the largest value there is. A strength that drifts moves it, too: a stretch that begins strong
    takes a while to be at its later level without any adaptation, so that no number says much but beside that of the
    network that does not adapt.

    Returns
    -------
    int or None
        None: a stretch shorter than four windows.
    """
    length = len(correct)
    if length < 4 * window:
        return None
    half = length // 2
    level = float(correct[half:].mean()) - within
    total = np.concatenate([[0], np.cumsum(correct, dtype=np.int64)])
    means = (total[window : half + 1] - total[: half + 1 - window]) / window
    good = np.flatnonzero(means >= level)
    return int(good[0]) if len(good) else half


def recoveries(correct: Outcomes, starts: Starts, names: Sequence[str], clean: str) -> tuple[list[int], list[int]]:
    """Return the recovery times of all stretches but the first: of those with a modification, and of clean ones."""
    found: tuple[list[int], list[int]] = [], []
    for index, span in enumerate(spans(starts, len(correct))):
        time = recovery(correct[span]) if index else None
        if time is not None:
            found[names[index] == clean].append(time)
    return found


def after_changes(
    correct: Outcomes, starts: Starts, names: Sequence[str], clean: str, most: int, bins: int
) -> npt.NDArray[np.float64]:
    """Return the accuracy in each of `bins` parts of the first `most` images after a modification sets in, (bins,).

    Means over stretches; NaN where no stretch is as long.
    """
    sums, counts = np.zeros(bins), np.zeros(bins)
    width = most // bins
    for name, span in zip(names, spans(starts, len(correct)), strict=True):
        if name == clean:
            continue
        own = correct[span][: width * bins]
        whole = len(own) // width
        sums[:whole] += own[: whole * width].reshape(whole, width).mean(axis=1)
        counts[:whole] += 1
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
