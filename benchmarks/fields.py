"""Grids to time: fields whose covariance is known, and the dense factor that draws the same noise."""

from typing import Any

import numpy as np
import numpy.typing as npt

import localnoise as ln
from localnoise.gain import factor


def grid(shape: tuple[int, int], channels: int, *, seed: int = 0, **wiring: Any) -> ln.UnitGrid:
    """Grid with random weights: each unit's parents explain about a third of its variance."""
    rng = np.random.default_rng(seed)
    made = ln.UnitGrid(shape, channels, **wiring)
    f = made.field
    f.B[:] = rng.normal(0, 0.6 / np.sqrt(f.B.shape[2]), f.B.shape)
    f.B[np.repeat(f.parents < 0, channels, axis=1)[:, None, :].repeat(channels, axis=1)] = 0
    f.S[:] = np.tril(rng.normal(0, 0.1, f.S.shape), -1) + 0.8 * np.eye(channels)
    if f.signal:
        f.a[:] = rng.normal(0, 0.1, f.a.shape)
        f.G[:] = rng.normal(0, 0.3 / np.sqrt(f.G.shape[2]), f.G.shape)
    return made


def lower(grid: ln.UnitGrid) -> npt.NDArray[np.float32]:
    """Dense L with Sigma = L L', unit-major: what a user without the grid would draw with."""
    return factor(grid.field).astype(np.float32)


def unit_major(activity: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(T, C, H, W) as (T, H W C)."""
    return np.ascontiguousarray(activity.transpose(0, 2, 3, 1)).reshape(len(activity), -1)


def same_law(samples: npt.NDArray[Any], L: npt.NDArray[Any], who: str) -> str:
    """Raise unless `samples` (T, n) have the covariance L L' along 200 random directions, within sampling error.

    The variance of T draws along a direction has relative standard error sqrt(2 / T): the mean square of 200 such
    errors is 1 +- .1, and none exceeds five.
    """
    w = np.random.default_rng(1).normal(size=(samples.shape[1], 200)).astype(np.float32)
    found, true = np.square(samples @ w, dtype=np.float64).mean(0), np.square(L.T @ w, dtype=np.float64).sum(0)
    errors = (found / true - 1) / np.sqrt(2 / len(samples))
    if np.abs(errors).max() > 5 or not 0.6 < np.square(errors).mean() < 1.6:
        raise AssertionError(
            f"{who}: variances along 200 directions are off by {np.abs(errors).max():.1f} standard errors"
        )
    return f"variances along 200 directions within {np.abs(errors).max():.1f} standard errors"
