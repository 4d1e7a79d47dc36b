"""A user's HDF5 files: opened and looked up with errors that say what is there."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py

from localnoise.errors import ArgumentError, FileFormatError, LocalnoiseError, choose
from localnoise.hdf5 import member, reading


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file for reading.

    Raises
    ------
    FileFormatError
        It is missing, or not HDF5.
    LockedError
        Another process holds it, or its file system has no locks.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(reading(path, "an HDF5 file"))
        except LocalnoiseError:
            raise
        except OSError:
            raise FileFormatError(
                f"{path}: not an HDF5 file, or damaged; write one with h5py.File(path, 'w')"
            ) from None
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
    source = Path(file.filename)
    chosen = member(source, file, choose(f"data set of {source.name}", name.strip("/"), found))
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
