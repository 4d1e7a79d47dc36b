"""Coercion at the boundary: arrays and numbers from a user become what kernels expect, or one clear sentence."""

from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError

Array = npt.NDArray[np.floating[Any]]
Start = int | npt.NDArray[np.integer[Any]]


def as_activity(
    argument: str, value: Any, channels: int, shape: tuple[int, int], dtype: Any, *, finite: bool = True
) -> Array:
    """Return `value` as a contiguous (T, m, N) array, from (T, C, H, W).

    Raises
    ------
    ArgumentError
        For a wrong shape, a dtype that is not real, NaN or infinity.
    """
    array = np.asarray(value)
    expected = (channels, *shape)
    if array.ndim == 3 and array.shape == expected:
        raise ArgumentError(
            f"{argument} has shape {array.shape}: expected (T, {', '.join(map(str, expected))}); "
            f"for one presentation pass {argument}[None]"
        )
    if array.ndim != 4 or array.shape[1:] != expected:
        raise ArgumentError(
            f"{argument} has shape {array.shape}: expected (T, {', '.join(map(str, expected))}), "
            "that is (presentations, channels, height, width) of the grid"
        )
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise ArgumentError(f"{argument} has dtype {array.dtype}: expected a real floating dtype; use .astype('float32')")
    flat = np.ascontiguousarray(array, dtype=dtype).reshape(len(array), channels, shape[0] * shape[1])
    if finite and not np.isfinite(flat.sum(dtype=np.float64)):
        where = np.argwhere(~np.isfinite(flat))
        if len(where):
            t, c, u = where[0]
            raise ArgumentError(
                f"{argument} has {len(where)} values that are NaN or infinite, the first in presentation {t}, "
                f"channel {c}, unit {divmod(int(u), shape[1])}: expected finite numbers; drop or mend these presentations"
            )
    return flat


def as_count(argument: str, value: Any, least: int = 0) -> int:
    """Return a whole number >= `least`, or raise an ArgumentError."""
    try:
        count = int(value)
    except (TypeError, ValueError, OverflowError):
        count = least - 1
    if isinstance(value, bool) or count != value or count < least:
        raise ArgumentError(f"{argument}={value!r}: expected a whole number >= {least}")
    return count


def as_seed(value: Any) -> np.uint64:
    """Return a seed as uint64."""
    count = as_count("seed", value)
    if count >= 2**64:
        raise ArgumentError(f"seed={value!r}: expected less than 2**64")
    return np.uint64(count)


def as_positions(start: Any, count: int) -> npt.NDArray[np.uint64]:
    """Positions of `count` draws in a seed's stream: start, start + 1, ..., or the (count,) positions given."""
    array = np.asarray(start)
    if array.ndim == 0:
        first = as_count("start", start)
        if first + count > 2**63:
            raise ArgumentError(f"start={start!r}: expected start + count <= 2**63")
        return np.arange(first, first + count, dtype=np.uint64)
    if array.shape != (count,) or not np.issubdtype(array.dtype, np.integer) or (array < 0).any():
        raise ArgumentError(
            f"start has shape {array.shape} and dtype {array.dtype}: expected one whole number, or {count} positions >= 0"
        )
    return array.astype(np.uint64)


def as_trace(value: Any) -> float:
    """Return the variance per neuron that a trace asks for."""
    try:
        trace = float(value)
    except (TypeError, ValueError):
        trace = -1.0
    if not (np.isfinite(trace) and trace > 0):
        raise ArgumentError(f"trace={value!r}: expected a finite number > 0, the mean noise variance per neuron")
    return trace
