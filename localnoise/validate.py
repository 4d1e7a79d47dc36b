"""Coercion at the boundary: arrays and numbers from a user become what kernels expect, or one clear sentence."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.dense import refuse_beyond_memory
from localnoise.errors import ArgumentError, TooLargeError

Array = npt.NDArray[np.floating[Any]]
Start = int | npt.NDArray[np.integer[Any]]


def is_stored(value: Any) -> bool:
    """Return whether `value` lies elsewhere, read by slices, as an HDF5 data set; a NumPy memory map is an array."""
    sliced = hasattr(value, "shape") and hasattr(value, "__setitem__") and not isinstance(value, np.ndarray)
    dtype = getattr(value, "dtype", None)  # a torch tensor's is torch's own
    return sliced and isinstance(dtype, np.dtype) and not _is_sparse(value)


def is_iterator(value: Any) -> bool:
    """Return whether `value` yields part after part, as generators and torch's DataLoader do; a list is an array."""
    return hasattr(value, "__next__") or (
        hasattr(value, "__iter__") and not any(hasattr(value, part) for part in ("__getitem__", "__array__", "shape"))
    )


def as_array(argument: str, value: Any, expected: str = "shape (T, C, H, W)") -> npt.NDArray[Any]:
    """Return `value` as an array: a torch tensor detached, on the CPU, bfloat16 as float32; others as NumPy sees them.

    Raises
    ------
    ArgumentError
        Masked values, a sparse array, or what is no regular array.
    """
    refuse_masked(argument, value)
    tensor = hasattr(value, "detach")
    if _is_sparse(value):
        dense = "to_dense" if tensor else "toarray"
        raise ArgumentError(f"{argument} is sparse ({type(value).__name__}): expected all numbers; use .{dense}()")
    try:
        if tensor:
            value = value.detach().cpu()
            if str(value.dtype).startswith(("torch.bfloat16", "torch.float8")):  # NumPy has none
                value = value.float()
        elif isinstance(value, (list, tuple)) and any(hasattr(part, "detach") for part in value):
            value = [as_array(argument, part, expected) for part in value]
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:  # rows of different lengths, devices
        if isinstance(error, ArgumentError):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:150]
        raise ArgumentError(f"{argument} is no regular array ({reason}): expected {expected}") from None


def refuse_masked(argument: str, value: Any) -> None:
    """Raise an ArgumentError if values of an array are masked: what lies under the mask is no measurement."""
    for part in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part):
            raise ArgumentError(
                f"{argument} has {part.size - int(part.count())} masked values: expected a number everywhere; "
                "drop these presentations, or fill them in with .filled(0)"
            )


def _is_sparse(value: Any) -> bool:
    """Return whether SciPy or torch stores only the numbers that are not zero."""
    return hasattr(value, "todense") or str(getattr(value, "layout", "torch.strided")).startswith("torch.sparse")


def as_presentations(argument: str, value: Any, channels: int, shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Return `value` as an array of shape (T, C, H, W) and real dtype; nothing is copied, no number is looked at.

    A stored data set is returned as it is, unread.

    Raises
    ------
    ArgumentError
        For a wrong shape, or a dtype that is not real.
    """
    array = value if is_stored(value) else as_array(argument, value)
    sizes = ", ".join(map(str, (channels, *shape)))
    if array.ndim != 4 or array.shape[1:] != (channels, *shape):
        hint = ", that is (presentations, channels, height, width) of the grid"
        if array.shape == (channels, *shape):
            hint = f"; for one presentation pass {argument}[None]"
        elif array.ndim == 2 and array.shape[1] == channels * shape[0] * shape[1]:
            hint = f"; use {argument}.reshape(-1, {sizes})"
        raise ArgumentError(f"{argument} has shape {array.shape}: expected (T, {sizes}){hint}")
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise ArgumentError(
            f"{argument} has dtype {array.dtype}: expected real numbers; use {argument}.astype('float32')"
        )
    return array


def as_activity(
    argument: str,
    value: Any,
    channels: int,
    shape: tuple[int, int],
    dtype: Any,
    *,
    finite: bool = True,
    first: int = 0,
) -> Array:
    """Return `value` as a contiguous (T, m, N) array, from (T, C, H, W).

    `first` is the number of the first presentation, for messages about a part of a longer array.

    Raises
    ------
    ArgumentError
        For a wrong shape, a dtype that is not real, NaN or infinity.
    """
    array = as_presentations(argument, value, channels, shape)
    with np.errstate(over="ignore", invalid="ignore"):
        flat: Array = np.ascontiguousarray(array, dtype=dtype).reshape(len(array), channels, shape[0] * shape[1])
        line = flat.reshape(-1)
        suspicious = finite and not np.isfinite(np.dot(line, line))  # far faster than to ask each; overflow asks them
    if suspicious:
        where = np.argwhere(~np.isfinite(flat))
        if len(where):
            t, c, u = where[0]
            raise ArgumentError(
                f"{argument} has {len(where)} values that are NaN or infinite in {np.dtype(dtype)}, the first in "
                f"presentation {first + t}, channel {c}, unit {divmod(int(u), shape[1])}: expected finite numbers; "
                "drop or mend these presentations"
            )
    return flat


def whole(value: Any) -> int | None:
    """Return `value` as an int if it is one whole number (2, np.int64(2), 2.0, but not True or "2"), else None."""
    if isinstance(value, (bool, np.bool_)):
        return None
    try:
        count = int(value) if np.ndim(value) == 0 else None
    except (TypeError, ValueError, OverflowError, np.ma.MaskError):
        return None
    return count if count is not None and count == value else None


def as_out(out: Any, count: int, channels: int, shape: tuple[int, int], dtype: Any) -> Array:
    """Memory for a result, (count, m, N): new, or `out` of shape (count, C, H, W) seen so.

    Raises
    ------
    ArgumentError
        `out` is no array of this shape and dtype that can be written in one piece.
    """
    units, wanted = shape[0] * shape[1], (count, channels, *shape)
    if out is None:
        return room((count, channels, units), dtype)
    refuse_masked("out", out)
    fits = isinstance(out, np.ndarray) and out.shape == wanted and out.dtype == dtype
    if not (fits and out.flags.c_contiguous and out.flags.writeable):
        found = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ArgumentError(
            f"out is {found}: expected a contiguous, writeable {np.dtype(dtype)} array of shape {wanted}; "
            f"use np.empty({wanted}, {np.dtype(dtype).name!r})"
        )
    return np.asarray(out.reshape(count, channels, units))


def room(shape: tuple[int, ...], dtype: Any) -> Array:
    """New memory for draws, the first side their count; a TooLargeError if the machine has not as much."""
    what, instead = f"count={shape[0]}", "fewer draws at a time, with start=..., or an HDF5 data set as out=..."
    refuse_beyond_memory(what, math.prod(shape) * np.dtype(dtype).itemsize, instead)
    try:
        return np.empty(shape, dtype)
    except (MemoryError, ValueError) as error:
        raise TooLargeError(f"{what}: {error}; use {instead}") from None


def as_count(argument: str, value: Any, least: int = 0, what: str = "") -> int:
    """Return a whole number >= `least`, or raise an ArgumentError; `what` ends the message."""
    count = whole(value)
    if count is None or count < least:
        raise ArgumentError(f"{argument}={value!r}: expected a whole number >= {least}{what}")
    return count


def check_positive(argument: str, value: Any, *, zero: bool = False, what: str = "") -> None:
    """Raise an ArgumentError unless value > 0 (or >= 0 with `zero`) and finite; `what` ends the message."""
    try:
        good = bool(np.isfinite(value) and (value > 0 or (zero and value == 0)))
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ArgumentError(f"{argument}={value!r}: expected a finite number {'>= 0' if zero else '> 0'}{what}")


def check_progress(progress: Any) -> None:
    """Raise an ArgumentError unless `progress` is None or can be called."""
    if progress is not None and not callable(progress):
        raise ArgumentError(f"progress={progress!r}: expected a function that is told how far it is, or None")


def as_share(argument: str, value: Any) -> float:
    """Return a share as a float, 0 <= value < 1."""
    try:
        good = bool(0 <= value < 1)
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ArgumentError(f"{argument}={value!r}: expected a share in [0, 1)")
    return float(value)


def as_seed(value: Any) -> np.uint64:
    """Return a seed as uint64."""
    count = as_count("seed", value)
    if count >= 2**64:
        raise ArgumentError(f"seed={value!r}: expected less than 2**64")
    return np.uint64(count)


def as_positions(start: Any, count: int) -> npt.NDArray[np.uint64]:
    """Positions of `count` draws in a seed's stream: start, start + 1, ..., or the (count,) positions given."""
    if np.ndim(start) == 0:
        first = first_position(start, count)
        refuse_beyond_memory(f"count={count}", 8 * count, "fewer draws at a time, with start=...")
        return np.arange(first, first + count, dtype=np.uint64)
    array = as_array("start", start, "a whole number, or one for each draw")
    if array.shape != (count,) or not (np.issubdtype(array.dtype, np.integer) or count == 0):
        raise ArgumentError(
            f"start has shape {array.shape} and dtype {array.dtype}: expected a whole number, or {count} of them"
        )
    if (array < 0).any():
        raise ArgumentError(f"start holds {array.min()}: expected positions >= 0")
    return array.astype(np.uint64)


def first_position(start: Any, count: int) -> int:
    """Return the position of the first of `count` draws in a row."""
    first = as_count("start", start)
    if first + count > 2**63:
        raise ArgumentError(f"start={start!r}: expected start + count <= 2**63")
    return first


def as_variance(value: Any) -> float:
    """Return a variance per neuron."""
    check_positive("variance", value, what=", the mean noise variance per neuron")
    return float(value)
