"""Statistics of whitened innovations: a score a unit, and a vector an activation, each a sum of what units see."""

import math

import numpy as np
import numpy.typing as npt

from localnoise.validate import Array

Floats = npt.NDArray[np.float64]
REGIONS = (14, 7, 3, 1)  # rows and columns of the regions whose scores are told apart, at most
LEAST = 1e-2  # added to a mean square before its logarithm is taken


def unit_scores(e: Array, neighbors: int) -> Floats:
    """Mean square of the innovations of a unit and of those within a Chebyshev distance of `neighbors`, (T, H, W).

    A defect is seldom one unit wide: what neighbors saw adds up. Cost O(T n).
    """
    return local_mean(np.square(e, dtype=np.float64).mean(axis=1), neighbors)


def local_mean(scores: Floats, neighbors: int) -> Floats:
    """Mean over the units within a Chebyshev distance, as far as the grid reaches; (T, H, W)."""
    out = scores
    for axis in (1, 2):
        side = out.shape[axis]
        sums = np.concatenate([np.zeros_like(out.take([0], axis)), out.cumsum(axis)], axis)
        first = np.maximum(np.arange(side) - neighbors, 0)
        last = np.minimum(np.arange(side) + neighbors + 1, side)
        width = (last - first).reshape((-1, 1) if axis == 1 else (-1,))
        out = (sums.take(last, axis) - sums.take(first, axis)) / width
    return out


def image_statistics(e: Array, neighbors: int, regions: int) -> Floats:
    """Sums of innovations that together say how an activation as a whole differs, (T, p).

    Channel by channel the mean, the logarithm of the mean square, and of the mean magnitude, whose ratio is the tails'
    weight; channel by channel the mean product of neighbors, which is zero where the law is right; the logarithm of
    units' scores, region by region, whose map says what moved, and how much they differ.

    Parameters
    ----------
    e : (T, C, H, W)
    neighbors : int
        As in `unit_scores`.
    regions : int
        Rows and columns of regions, at most as many as there are units.
    """
    e = np.asarray(e, np.float64)
    square = np.square(e)
    logs = np.log(local_mean(square.mean(axis=1), neighbors) + LEAST)
    found = [
        e.mean(axis=(2, 3)),
        np.log(square.mean(axis=(2, 3)) + LEAST),
        np.log(np.abs(e).mean(axis=(2, 3)) + LEAST),
    ]
    for axis in (2, 3):
        if e.shape[axis] > 1:
            left, right = np.take(e, range(e.shape[axis] - 1), axis), np.take(e, range(1, e.shape[axis]), axis)
            found.append((left * right).mean(axis=(2, 3)))
    starts = [np.arange(min(side, regions)) * side // min(side, regions) for side in e.shape[2:]]
    sums = np.add.reduceat(np.add.reduceat(logs, starts[0], axis=1), starts[1], axis=2)
    heights, widths = (np.diff([*start, side]) for start, side in zip(starts, e.shape[2:], strict=True))
    found.append((sums / np.outer(heights, widths)).reshape(len(e), len(heights) * len(widths)))
    if math.prod(logs.shape[1:]) > 1:
        found.append(logs.std(axis=(1, 2))[:, None])
    return np.concatenate(found, axis=1)


def statistics_of(channels: int, shape: tuple[int, int], regions: int) -> int:
    """Return p, how many statistics there are."""
    return int(image_statistics(np.zeros((1, channels, *shape)), 0, regions).shape[1])
