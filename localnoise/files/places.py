"""Where a path leads, and whether two lead to one file."""

import os
import stat
from pathlib import Path

from localnoise.errors import WriteError

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def destination(path: str | Path) -> tuple[Path, os.stat_result | None]:
    """Return the file that writing to `path` writes, links followed, and what is known of it where it exists.

    Raises
    ------
    WriteError
        There is something that is no plain file, or a circle of links.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        found = None
    except OSError as error:  # links in a circle, a folder that is a file, a name that is too long
        raise WriteError(f"{path}: cannot be written ({error.strerror}); name another file", error.errno) from error
    if found is not None and not stat.S_ISREG(found.st_mode):
        kind = next((name for test, name in _KINDS if test(found.st_mode)), "no plain file")
        raise WriteError(f"{path}: is {kind}, and a file has to be written there as a whole; name a plain file")
    return Path(os.path.realpath(path)), found


def same(one: str | Path, other: str | Path) -> bool:
    """Return whether two paths lead to one file: symbolic and hard links are followed, files need not exist."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


def within(path: str | Path, folder: str | Path) -> bool:
    """Return whether a path leads to `folder` or into it."""
    place = Path(os.path.realpath(path))
    return any(same(above, folder) for above in (place, *place.parents))
