"""Statistics of whitened innovations: a score a unit, and a vector an activation, each a sum of what units see."""

import numpy as np
import numpy.typing as npt

from localnoise.validate import Array

Floats = npt.NDArray[np.float64]
_REGIONS = 3  # rows and columns of the regions whose scores are told apart
_LEAST = 1e-3  # added to a mean square before its logarithm is taken


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


def image_statistics(e: Array) -> Floats:
    """Sums of innovations over units that together say how an activation as a whole differs, (T, p).

    Channel by channel the mean, the logarithm of the mean square, and of the mean magnitude, whose ratio is the tails'
    weight; channel by channel the mean product of neighbors, which is zero where the law is right; the logarithm of
    units' scores, by region, and its mean and deviation. All are what each unit has, summed: nothing but sums travels.

    Parameters
    ----------
    e : (T, C, H, W)
    """
    e = np.asarray(e, np.float64)
    square = np.square(e)
    logs = np.log(square.mean(axis=1) + _LEAST)
    found = [
        e.mean(axis=(2, 3)),
        np.log(square.mean(axis=(2, 3)) + _LEAST),
        np.log(np.abs(e).mean(axis=(2, 3)) + _LEAST),
    ]
    for axis in (2, 3):
        if e.shape[axis] > 1:
            left, right = np.take(e, range(e.shape[axis] - 1), axis), np.take(e, range(1, e.shape[axis]), axis)
            found.append((left * right).mean(axis=(2, 3)))
    rows, columns = (np.array_split(np.arange(side), min(side, _REGIONS)) for side in e.shape[2:])
    if len(rows) * len(columns) > 1:
        regions = [logs[:, row][:, :, column].mean(axis=(1, 2)) for row in rows for column in columns]
        found += [np.stack(regions, axis=1), logs.std(axis=(1, 2))[:, None]]
    else:
        found.append(logs.mean(axis=(1, 2))[:, None])
    return np.concatenate(found, axis=1)
