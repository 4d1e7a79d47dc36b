"""A user's HDF5 files: opened and looked up with errors that say what is there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from localnoise.errors import ArgumentError, FileFormatError, choose


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file for reading.

    Raises
    ------
    FileFormatError
        It is missing, or not HDF5.
    """
    if not path.is_file():
        raise FileFormatError(f"{path}: no such file; expected an HDF5 file")
    if not h5py.is_hdf5(path):
        raise FileFormatError(f"{path}: not an HDF5 file, or damaged; write one with h5py.File(path, 'w')")
    with h5py.File(path, "r") as file:
        yield file


def presentations(file: Any, name: str) -> Any:
    """The data set of this name, unread.

    Raises
    ------
    ArgumentError
        There is none (the near name is suggested), or it is not of shape (T, C, H, W).
    """
    found: list[str] = []
    file.visititems(lambda path, node: found.append(path) if isinstance(node, h5py.Dataset) else None)
    chosen = file[choose(f"data set of {Path(file.filename).name}", name.strip("/"), found)]
    if chosen.ndim != 4:
        raise ArgumentError(f"{name} has shape {chosen.shape}: expected (T, C, H, W), presentations of a layer")
    return chosen


def file_of(place: str) -> Path | None:
    """The file of "FILE:NAME", None where there is none."""
    return Path(place.rpartition(":")[0]) if ":" in place else None


@contextmanager
def given(place: str, argument: str = "activations") -> Iterator[Any]:
    """The data set at "FILE:NAME", or None for an empty text."""
    if not place:
        yield None
        return
    path, colon, name = place.rpartition(":")
    if not colon:
        raise ArgumentError(f"{argument}={place!r}: expected FILE:NAME, such as run.h5:h")
    with opened(Path(path)) as file:
        yield presentations(file, name)
