"""Reading HDF5 that anyone may have written: who holds a file is named, and nothing outside of it is ever read.

HDF5 follows links to other files, and reads a data set's numbers from any file that it names ("external storage"): a
stranger's file could so return another's content, or hang on a pipe.
"""

import errno
import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from localnoise.errors import FileFormatError, LockedError, TooLargeError, short

_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
_HELD = (errno.EAGAIN, errno.EACCES)


@contextmanager
def reading(path: str | Path, expected: str) -> Iterator[Any]:
    """Open a file for reading. `expected` ends the message where there is none, "expected a grid".

    Raises
    ------
    FileFormatError
        There is no regular file of this name.
    LockedError
        Another process holds it, or its file system has no locks.
    OSError
        It is no HDF5: the caller says what that means.
    """
    source = Path(path)
    refuse_irregular(source, expected)
    with locks_named(source):
        file = h5py.File(source, "r")
    with file:
        yield file


def refuse_held(path: str | Path) -> None:
    """Raise a LockedError if another process holds a file; whatever else is wrong with it is the caller's to say."""
    try:
        with reading(path, "an HDF5 file"):
            pass
    except LockedError:
        raise
    except (FileFormatError, OSError):
        return


def refuse_irregular(path: Path, expected: str) -> None:
    """Raise a FileFormatError unless `path` is a regular file, or a link to one: opening a pipe would wait for ever."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise FileFormatError(f"{path}: no such file; expected {expected}") from None
    except (OSError, ValueError) as error:  # a name too long, or with a zero byte; a folder that may not be entered
        reason = getattr(error, "strerror", None) or error
        raise FileFormatError(f"{str(path)[:200]!r} cannot be opened ({reason}); expected {expected}") from None
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "a device")
        raise FileFormatError(f"{path}: no such file, but {kind}; expected {expected}")


@contextmanager
def locks_named(path: Path) -> Iterator[None]:
    """Turn what HDF5 says of a file's lock, or of its mode, into an error that names it, and the way around it."""
    try:
        yield
    except OSError as error:
        told = str(error)
        if "unable to lock file" in told:
            if error.errno in _HELD:
                raise LockedError(
                    f"{path}: another process holds the lock of this file, as one that writes it does: expected a "
                    "file that nobody writes; wait, close it there, or set HDF5_USE_FILE_LOCKING=FALSE in the "
                    "environment to open it all the same"
                ) from error
            raise LockedError(
                f"{path}: its file system has no locks ({_name(error.errno)}), which HDF5 asks for: set "
                "HDF5_USE_FILE_LOCKING=FALSE in the environment, or copy the file to a local disk"
            ) from error
        if "already open for" in told:
            raise LockedError(
                f"{path}: a writer has it open, or died before it closed it: expected a closed file; wait for the "
                "writer, or clear the mark that a dead one left with HDF5's h5clear -s"
            ) from error
        if isinstance(error, PermissionError):
            raise FileFormatError(f"{path}: permission denied; expected a file that you may open") from error
        raise


class Budget:
    """Bytes that may be read from a file: what it declares is held against them before memory is taken.

    A few bytes of a compressed data set can stand for any number of zeros.

    Parameters
    ----------
    source : Path
        For the message.
    most : int
    """

    def __init__(self, source: Path, most: int) -> None:
        self.source, self.most, self.used = source, most, 0

    def spend(self, data: Any) -> None:
        """Count a data set, or a piece of one that HDF5 unpacks as a whole, if that is larger.

        Raises
        ------
        TooLargeError
            All together would take more than `most` bytes.
        """
        self.take(max(data.nbytes, math.prod(data.chunks or (0,)) * data.dtype.itemsize), data.name)

    def take(self, size: int, name: str) -> None:
        """Count `size` bytes of an array `name`; raises as `spend`."""
        self.used += size
        if self.used > self.most:
            raise TooLargeError(
                f"{self.source}: its arrays would take {self.used / 2**30:,.1f} GiB, up to {short(name)} alone: "
                f"expected at most {self.most / 2**30:,.1f} GiB; raise max_bytes if you trust it"
            )


def member(source: Path, group: Any, name: str) -> Any:
    """Return the group or data set `name` of `group`, where it lies in this very file.

    Raises
    ------
    FileFormatError
        A soft or external link leads there, or its numbers lie in another file.
    KeyError
        There is none.
    """
    found = group
    for part in name.strip("/").split("/"):
        link = found.get(part, getlink=True)
        if link is None:
            raise KeyError(f"{name} is missing")
        if not isinstance(link, h5py.HardLink):
            raise FileFormatError(
                f"{source}: {name} is a {type(link).__name__}, not in the file itself: links are not followed; write "
                "what it leads to into the file"
            )
        found = found[part]
    refuse_foreign(source, name, found)
    return found


def check_tree(source: Path, root: Any, most: int) -> None:
    """Hold a file that another package is to read against what such a package expects: a tree that fits into memory.

    Raises
    ------
    FileFormatError
        A link leads elsewhere or back, or numbers lie in another file.
    TooLargeError
        Its data sets would take more than `most` bytes.
    """
    budget, waiting = Budget(source, most), [root]
    seen = {h5py.h5o.get_info(root.id).addr}
    while waiting:
        group = waiting.pop()
        for name in group:
            found = member(source, group, name)
            address = h5py.h5o.get_info(found.id).addr
            if address in seen:
                raise FileFormatError(
                    f"{source}: {name} is linked twice, or holds itself: expected a tree; write it anew"
                )
            seen.add(address)
            if isinstance(found, h5py.Dataset):
                budget.spend(found)
            else:
                waiting.append(found)


def refuse_foreign(source: Path, name: str, found: Any) -> None:
    """Raise a FileFormatError for a data set whose numbers lie in other files."""
    if isinstance(found, h5py.Dataset) and (found.external or found.is_virtual):
        raise FileFormatError(
            f"{source}: the numbers of {name} lie in other files, which are not read; write them into this one"
        )


def _name(number: int | None) -> str:
    return errno.errorcode.get(number or 0, f"error {number}")
