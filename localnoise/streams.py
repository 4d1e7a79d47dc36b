"""Presentations that need not fit into memory: arrays, HDF5 data sets, iterators and DataLoaders, a chunk at a time.

How a stream is cut never changes a result: an iterator's parts are joined and cut again into the chunks that an array
of all of them would have.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.validate import (
    Array,
    Start,
    as_activity,
    as_array,
    as_positions,
    as_presentations,
    check_progress,
    first_position,
    is_iterator,
)

Progress = Callable[[int, int | None], None]
Part = tuple[npt.NDArray[Any], npt.NDArray[Any] | None]
_MOST, _BYTES = 2048, 2**28  # presentations and bytes of a chunk


def chunk_size(channels: int, shape: tuple[int, int], dtype: Any) -> int:
    """Presentations of a chunk: at most 2,048 and, if one is not larger, 256 MiB."""
    return int(np.clip(_BYTES // (channels * shape[0] * shape[1] * np.dtype(dtype).itemsize), 1, _MOST))


def told(chunks: Iterator[Part], total: int | None, progress: Progress | None) -> Iterator[Part]:
    """The same chunks; `progress(done, total)` when each is done with, total None where it is not known."""
    check_progress(progress)
    return _told(chunks, total, progress)


def _told(chunks: Iterator[Part], total: int | None, progress: Progress | None) -> Iterator[Part]:
    done = 0
    for chunk in chunks:
        yield chunk
        done += len(chunk[0])
        if progress is not None:
            progress(done, total)


def presentations(
    d: Any, h: Any, channels: int, shape: tuple[int, int], dtype: Any, *, signal: bool, size: int, read: int = 1
) -> Iterator[tuple[Array, Array | None]]:
    """Chunks (d, h) of `size` presentations, (t, m, N) each; h is None without `signal`. Checked as they come.

    read : how many activations an h holds, one after the other, so that it is (T, C, read H, W).

    Raises
    ------
    ArgumentError
        From the first chunk on that is not as expected: shape, dtype, NaN, d and h that do not belong together.
    """
    layout, other_layout = (channels, shape), (channels, (max(read, 1) * shape[0], shape[1]))
    if is_iterator(d):
        if h is not None:
            raise ArgumentError("h was given, but d is an iterator: expected it to yield pairs (d, h); use zip(d, h)")
        parts = _regular(_parts(d, *layout, signal, other_layout), size)
    else:
        activations = None if h is None else as_presentations("h", h, *other_layout)
        parts = _slices(as_presentations("d", d, *layout), activations, size)
    first = 0
    for own, other in parts:
        flat = as_activity("d", own, *layout, dtype, first=first)
        activation = None if other is None else as_activity("h", other, *other_layout, dtype, first=first)
        first += len(flat)
        yield flat, activation
    if not first:
        raise ArgumentError("d has 0 samples: expected at least 1 displacement")


def mean_square(part: Array) -> float:
    """Return the mean square of a contiguous part, in its own precision."""
    line = part.reshape(-1)
    with np.errstate(over="ignore"):
        return float(np.dot(line, line) / max(len(line), 1))


def fill(out: Any, chunks: Iterator[Array], count: int | None, progress: Progress | None = None) -> Any:
    """Write chunks (t, C, H, W) one after the other into `out`, a stored data set of floating numbers, from row 0 on.

    count : how many presentations there will be, None: not known. `progress` is told (written, count).
    """
    check_progress(progress)
    if not np.issubdtype(out.dtype, np.floating):
        raise ArgumentError(f"out has dtype {out.dtype}: expected a floating one; create it with dtype='float32'")
    if count is not None:
        _refuse_to_overrun(out, count)
    first = 0
    for chunk in chunks:
        _refuse_to_overrun(out, first + len(chunk))
        out[first : first + len(chunk)] = chunk
        first += len(chunk)
        if progress is not None:
            progress(first, count)
    return out


def positions(start: Start, count: int, size: int) -> Iterator[npt.NDArray[np.uint64]]:
    """Positions of `count` draws, `size` at a time: of draws in a row, only so many are ever in memory."""
    at_once = as_positions(start, count) if np.ndim(start) else None
    begin = 0 if at_once is not None else first_position(start, count)
    for first in range(0, count, size):
        last = min(first + size, count)
        yield as_positions(begin + first, last - first) if at_once is None else at_once[first:last]


def _refuse_to_overrun(out: Any, count: int) -> None:
    if count > len(out):
        raise ArgumentError(f"out holds {len(out)} presentations: expected room for at least {count}; make it larger")


def _slices(d: npt.NDArray[Any], h: npt.NDArray[Any] | None, size: int) -> Iterator[Part]:
    for first in range(0, len(d), size):
        rows = slice(first, first + size)
        yield as_array("d", d[rows]), None if h is None else as_array("h", h[rows])


def _parts(
    source: Iterator[Any], channels: int, shape: tuple[int, int], signal: bool, read: tuple[int, tuple[int, int]]
) -> Iterator[Part]:
    """Yield an iterator's parts, each checked in shape: d, or (d, h) with `signal`."""
    spare = getattr(source, "yields_pairs", False) and not signal  # h comes along, and is not asked for
    of_inputs = type(source).__module__.startswith("torch.utils.data")
    for index, part in enumerate(source):
        if isinstance(part, list) and part and np.ndim(part[0]) == 4:  # a batch as torch's DataLoader makes it
            part = part[0] if len(part) == 1 else tuple(part)
        if spare:
            part = part[0]
        if of_inputs:
            _refuse_inputs(part, channels, shape)
        pair = isinstance(part, tuple) and len(part) == 2
        if pair != signal:
            wanted = "a pair (d, h), as signal='local' reads the activation" if signal else "displacements alone"
            found = "a pair" if pair else f"no pair but {type(part).__name__}"
            raise ArgumentError(f"part {index} of d is {found}: expected {wanted}")
        own, other = part if pair else (part, None)
        own = as_presentations(f"d, part {index}", own, channels, shape)
        if other is not None:
            other = as_presentations(f"h, part {index}", other, *read)
            if len(other) != len(own):
                raise ArgumentError(
                    f"part {index} has {len(own)} displacements and {len(other)} activations: expected as many of each"
                )
        yield own, other


def _refuse_inputs(part: Any, channels: int, shape: tuple[int, int]) -> None:
    """Raise an ArgumentError if a DataLoader's batch is a network's inputs, of another shape than the grid's."""
    first = part[0] if isinstance(part, (list, tuple)) and part else part
    found = getattr(first, "shape", None)
    if found is None or tuple(found)[1:] != (channels, *shape):
        said = type(first).__name__ if found is None else f"shape {tuple(found)}"
        raise ArgumentError(
            f"d is a DataLoader whose batches begin with {said}: expected displacements "
            f"(T, {channels}, {shape[0]}, {shape[1]}) of a layer; use "
            "localnoise.nn.displacements(model, name, loader, corrupt)"
        )


def _regular(parts: Iterator[Part], size: int) -> Iterator[Part]:
    """The same presentations in parts of `size`, the last one shorter."""
    held: list[Part] = []
    count = 0
    for own, other in chain.from_iterable(_slices(*part, size) for part in parts):
        count += len(own)
        if count < size:  # it is held while the source goes on, which may use its memory again
            held.append((own.copy(), None if other is None else other.copy()))
            continue
        joined = _joined([*held, (own, other)])
        yield joined[0][:size], None if joined[1] is None else joined[1][:size]
        rest = joined[0][size:], None if joined[1] is None else joined[1][size:]
        held, count = ([rest] if len(rest[0]) else []), count - size
    if count:
        yield _joined(held)


def _joined(held: list[Part]) -> Part:
    if len(held) == 1:
        return held[0]
    activations = [other for _, other in held if other is not None]
    return np.concatenate([own for own, _ in held]), np.concatenate(activations) if activations else None
