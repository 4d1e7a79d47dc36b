"""HDF5 files whose end cannot fail: HDF5 ends the process where closing a file finds the disk full."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO, RawIOBase
from pathlib import Path
from typing import Any

import h5py

from localnoise.errors import WriteError
from localnoise.files.aside import refused, write_bytes, written_aside
from localnoise.files.places import destination

_MARGIN = 2**14  # bytes for what describes the data


@contextmanager
def hdf5(path: str | Path, content: bytes = b"", **options: Any) -> Iterator[Any]:
    """Yield an HDF5 file in memory, new or with `content`; write it to `path` when the block has ended well.

    Takes as much memory as the file. `options` are those of `h5py.File`. Raises as `written_aside`.
    """
    destination(path)  # what cannot be written is refused before the work
    held = BytesIO(content)
    with h5py.File(held, "r+" if content else "w", **options) as file:
        yield file
    write_bytes(path, held.getbuffer())


@contextmanager
def streamed(path: str | Path, size: int) -> Iterator[tuple[Any, Callable[[], None]]]:
    """Yield an HDF5 file on disk for `size` bytes of data, and a check that raises once a write has failed.

    Raises
    ------
    WriteError
        As `written_aside`; also at once if the disk has no room for `size` bytes.
    """
    with written_aside(path) as aside:
        free = shutil.disk_usage(aside.parent).free
        if free < size + _MARGIN:
            raise WriteError(
                f"{path}: {size / 2**20:,.0f} MiB would be written and {free / 2**20:,.0f} MiB are free; "
                "make room, or write less"
            )
        with _Sink(path, aside) as sink:
            with h5py.File(sink, "w") as file:
                yield file, sink.check
            sink.check()


class _Sink(RawIOBase):
    """A file that tells HDF5 of no failure, and keeps the first one: HDF5 can then end as it always does."""

    def __init__(self, path: str | Path, aside: Path) -> None:
        self._path, self._file = path, aside.open("r+b", buffering=0)
        self._failure: BaseException | None = None

    def check(self) -> None:
        """Raise what went wrong, if something did."""
        if isinstance(self._failure, OSError):
            raise refused(self._path, self._failure) from self._failure
        if self._failure is not None:
            raise self._failure

    def write(self, content: Any) -> int:
        """Write all of `content`, unless a write before has failed."""
        try:
            left = memoryview(content)
            while len(left) and self._failure is None:
                left = left[self._file.write(left) :]
        except BaseException as failure:  # also an interruption: it must not pass through HDF5
            self._failure = failure
        return len(content)

    def truncate(self, size: int | None = None) -> int:
        """Cut or extend the file, unless a write before has failed."""
        try:
            if self._failure is None:
                self._file.truncate(size)
        except BaseException as failure:
            self._failure = failure
        return 0 if size is None else size

    def readinto(self, into: Any) -> int:
        """Read what has been written."""
        return self._file.readinto(into) or 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Say where the file is."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file itself too."""
        self._file.close()
        super().close()
