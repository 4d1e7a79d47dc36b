"""A user's own arrays as commands read and write them: HDF5 data sets and .npy files, laid out as a grid is.

Presentations of a layer are (T, C, H, W), (T, C, L) or (T, n). Of (T, C, L), L positions of C channels, lie on 1 x L
units, of (T, n) neurons on 1 x n units of one channel, unless a shape says otherwise: C, H, W of as many numbers, in
C order. Nothing is read before it is asked for, and no more than a chunk at a time.
"""

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError, FileFormatError, WriteError, choose, first_line
from localnoise.files.aside import written_aside
from localnoise.hdf5 import member, refuse_irregular
from localnoise.sims.data import arrays
from localnoise.validate import whole

Layout = tuple[int, int, int]
_NPY = ".npy"


class Laid:
    """A stored array whose presentations are read and written as (C, H, W), whatever their shape there.

    Attributes
    ----------
    shape : (T, C, H, W)
    stored : array or data set
        As it lies there: `stored.shape[1:]` are the sides of one presentation.
    """

    def __init__(self, stored: Any, layout: Layout) -> None:
        self.stored, self.shape, self.dtype = stored, (len(stored), *layout), stored.dtype
        self.ndim = 4

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> npt.NDArray[Any]:
        part = np.asarray(self.stored[rows])
        return part.reshape(len(part), *self.shape[1:])

    def __setitem__(self, rows: slice, values: npt.NDArray[Any]) -> None:
        self.stored[rows] = values.reshape(len(values), *self.stored.shape[1:])


def is_npy(path: str | Path) -> bool:
    """Return whether a file is NumPy's, by its name."""
    return Path(path).suffix.lower() == _NPY


def file_of(place: str) -> Path | None:
    """Return the file of "FILE:NAME" or "FILE.npy", None for an empty text."""
    return Path(place) if is_npy(place) else arrays.file_of(place)


@contextmanager
def opened(file: Path, dataset: str) -> Iterator[Any]:
    """Yield the array of a .npy file, memory-mapped, or a data set of an HDF5 file, unread, of any shape."""
    if is_npy(file):
        yield _mapped(file)
        return
    with arrays.opened(file) as content:
        yield _dataset(content, dataset)


@contextmanager
def given(place: str, argument: str, layout: Layout) -> Iterator[Laid | None]:
    """Yield the presentations at "FILE:NAME" or "FILE.npy", as a grid of this layout has them; None for no text.

    Raises
    ------
    ArgumentError
        The text is neither, or a presentation has another size than the grid.
    FileFormatError
        As `opened`.
    """
    if not place:
        yield None
        return
    path, colon, name = (place, ":", "") if is_npy(place) else place.rpartition(":")
    if not colon:
        raise ArgumentError(f"{argument}={place!r}: expected FILE:NAME, such as run.h5:h, or FILE.npy")
    with opened(Path(path), name) as stored:
        yield Laid(stored, fitting(place, stored, layout))


def fitting(place: str, stored: Any, layout: Layout) -> Layout:
    """Return the layout, if presentations of this array have its size and no sides that contradict it."""
    sides = stored.shape[1:]
    flat = (layout[0], layout[1] * layout[2])
    good = {3: sides == layout, 2: sides == flat, 1: sides == (math.prod(layout),)}.get(len(sides), False)
    if not good:
        C, H, W = layout
        raise ArgumentError(
            f"{place} has shape {stored.shape}: expected (T, {C}, {H}, {W}), (T, {C}, {H * W}) or (T, {C * H * W}), "
            "presentations of the grid's layer"
        )
    return layout


def layout_of(place: str, stored: Any, shape: str = "") -> Layout:
    """Return (C, H, W) on which presentations of this array lie: their own, or `shape`, "C,H,W" or "H,W".

    Raises
    ------
    ArgumentError
        The array has another number of sides, or another size than the shape says.
    """
    sides = tuple(int(side) for side in stored.shape[1:])
    if not 1 <= len(sides) <= 3 or 0 in sides:
        raise ArgumentError(
            f"{place} has shape {stored.shape}: expected (T, C, H, W), (T, C, L) or (T, n), presentations of a layer"
        )
    if not shape:
        C, H, W = {3: sides, 2: (sides[0], 1, sides[-1]), 1: (1, 1, sides[-1])}[len(sides)]
        return C, H, W
    size, numbers = math.prod(sides), [_whole(part) for part in shape.split(",")]
    named = [number for number in numbers if number is not None and number > 0]
    if len(numbers) not in (2, 3) or len(named) != len(numbers):
        raise ArgumentError(f"shape={shape!r}: expected C,H,W or H,W, whole numbers >= 1, such as --shape 16,14,14")
    H, W = named[-2:]
    C = named[0] if len(named) == 3 else max(size // (H * W), 1)
    if size != C * H * W:
        raise ArgumentError(
            f"shape={shape!r} has {C * H * W if len(named) == 3 else H * W} places: expected "
            f"{'' if len(named) == 3 else 'a divisor of '}{size}, the size of a presentation of {place}"
        )
    return C, H, W


@contextmanager
def written_npy(path: Path, shape: tuple[int, ...], dtype: Any) -> Iterator[Any]:
    """Yield an array to write row by row into a .npy file, which is written aside and renamed.

    Raises
    ------
    WriteError
        As `written_aside`; also at once if the disk has no room.
    """
    with written_aside(path) as aside, aside.open("r+b") as file:
        size = math.prod(shape) * np.dtype(dtype).itemsize
        _refuse_full(path, aside, size)
        header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": tuple(map(int, shape))}
        np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]  # NumPy gives none
        yield _Rows(file, shape, np.dtype(dtype))


class _Rows:
    """Rows of an array in a file, written where they belong: a full disk is an error, as it is not in mapped memory."""

    def __init__(self, file: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype = shape, dtype
        self._file, self._first, self._row = file, file.tell(), math.prod(shape[1:]) * dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __setitem__(self, rows: slice, values: npt.NDArray[Any]) -> None:
        self._file.seek(self._first + (rows.start or 0) * self._row)
        self._file.write(np.ascontiguousarray(values, self.dtype).data)


def _refuse_full(path: Path, aside: Path, size: int) -> None:
    free = shutil.disk_usage(aside.parent).free
    if free < size:
        raise WriteError(
            f"{path}: {size / 2**20:,.0f} MiB would be written and {free / 2**20:,.0f} MiB are free; make room, or "
            "write less"
        )


def _mapped(path: Path) -> npt.NDArray[Any]:
    refuse_irregular(path, "a .npy file")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # what NumPy says of pickles, of other files, and of damaged ones
        objects = "Python objects" in str(error) or "pickle" in str(error)
        reason = "it holds Python objects" if objects else first_line(error)
        raise FileFormatError(
            f"{path}: no array of numbers that can be mapped ({reason}); expected one that numpy.save wrote"
        ) from None
    if not array.ndim:
        raise ArgumentError(f"{path} holds one number: expected (T, C, H, W), (T, C, L) or (T, n)")
    return np.asarray(array)


def _dataset(content: Any, name: str) -> Any:
    found: list[str] = []
    content.visititems(lambda path, node: found.append(path) if isinstance(node, h5py.Dataset) else None)
    source = Path(content.filename)
    stored = member(source, content, choose(f"data set of {source.name}", name.strip("/"), found))
    if not stored.shape:
        raise ArgumentError(f"{name} holds one number: expected (T, C, H, W), (T, C, L) or (T, n)")
    return stored


def _whole(text: str) -> int | None:
    try:
        return whole(int(text))
    except ValueError:
        return None
