"""Common parts of dense oracles and central baselines: neuron order, memory limits, the Gaussian log density."""

import math
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import TooLargeError


def permute(matrix: npt.NDArray[Any], channels: int) -> npt.NDArray[Any]:
    """Turn unit-major rows (u m + c) into C order of (C, H, W) (c N + u); columns stay. Cost O(n^2)."""
    n = len(matrix)
    return np.ascontiguousarray(matrix.reshape(n // channels, channels, -1).swapaxes(0, 1)).reshape(n, -1)


def refuse_if_larger(what: str, needed: int, limit: int, instead: str) -> None:
    """Raise a TooLargeError that states the memory if `needed` bytes exceed `limit`."""
    if needed > limit:
        raise TooLargeError(
            f"{what} would take {needed / 2**30:.1f} GiB: expected at most {limit / 2**30:.1f} GiB; "
            f"use {instead}, or raise max_bytes"
        )


def refuse_beyond_memory(what: str, needed: int, instead: str) -> None:
    """Raise a TooLargeError if `needed` bytes are more than this machine has; where it does not tell, nothing."""
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return
    if needed > there:
        most = min(needed, 2**100)  # larger numbers have no float
        raise TooLargeError(
            f"{what} would take {most / 2**30:,.1f} GiB: expected less than the {there / 2**30:,.1f} GiB of this "
            f"machine; use {instead}"
        )


def tolerance(dtype: Any) -> float:
    """Share of a second moment below which rounding hides what is left: 64 units in the last place."""
    return float(64 * np.finfo(dtype).eps)


def log_density(whitened: npt.NDArray[Any], log_scale: float) -> npt.NDArray[np.float64]:
    """Gaussian log density from whitened values (T, ...) and the log determinant of the factor."""
    e = whitened.reshape(len(whitened), math.prod(whitened.shape[1:]))
    squares = np.square(e, dtype=np.float64).sum(axis=1)
    return np.asarray(-0.5 * (squares + e.shape[1] * np.log(2 * np.pi)) - log_scale)
