"""Files are written aside, flushed and renamed: a reader sees the old file or the new one, never half of one."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

from localnoise.errors import LocalnoiseError, WriteError, choose
from localnoise.files.places import destination
from localnoise.files.temporaries import name_beside, remove_orphans

_NO_ROOM = {errno.ENOSPC: "the disk is full", errno.EFBIG: "the file would be too large", errno.EDQUOT: "no quota left"}
_MODE = 0o7777
FIGURES = {  # suffixes, and how such files begin
    ".png": b"\x89PNG\r\n\x1a\n",
    ".pdf": b"%PDF-",
    ".svg": b"<?xml",
    ".eps": b"%!PS",
    ".jpg": b"\xff\xd8\xff",
    ".jpeg": b"\xff\xd8\xff",
}


@contextmanager
def written_aside(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside the file that `path` leads to; rename it on success, remove it on failure.

    A symbolic link stays and its target is written. The file keeps the mode, and where the system allows the owner, of
    one that is there; else the umask gives the mode. Temporaries of killed writers in the folder are removed.

    Raises
    ------
    WriteError
        Something that is no plain file is there, or the disk has no room; what was there is unchanged.
    """
    target, before = destination(path)
    mode = 0o666 if before is None else before.st_mode & _MODE
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_orphans(target.parent)
        aside = name_beside(target)
        os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode | 0o600))  # the kernel applies the umask
    except OSError as error:
        raise refused(path, error) from error
    try:
        yield aside
        with aside.open("r+b") as handle:
            os.fsync(handle.fileno())
        if before is not None:
            _as_before(aside, before)
        aside.replace(target)
        _flush_folder(target.parent)
    except OSError as error:
        if isinstance(error, LocalnoiseError) or error.errno not in _NO_ROOM:
            raise
        raise refused(path, error) from error
    finally:
        aside.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: Any) -> Path:
    """Write bytes, or a buffer, in one go; raises as `written_aside`."""
    with written_aside(path) as aside:
        aside.write_bytes(content)
    return Path(path)


def write_text(path: str | Path, text: str) -> Path:
    """Write a text in UTF-8, a line's end as it stands; raises as `written_aside`."""
    return write_bytes(path, text.encode())


def write_figure(figure: Any, path: str | Path, **options: Any) -> Path:
    """Write a Matplotlib figure as the suffix says, with options of its `savefig`; raises as `written_aside`.

    Raises
    ------
    ArgumentError
        The suffix is none of `FIGURES`.
    """
    kind = choose("the figure's suffix", Path(path).suffix.lower(), FIGURES)
    content = BytesIO()
    figure.savefig(content, format=kind.removeprefix("."), **options)
    return write_bytes(path, content.getbuffer())


def refused(path: str | Path, error: OSError) -> WriteError:
    """Return what to raise where the system refused to write `path`."""
    reason = _NO_ROOM.get(error.errno or 0)
    if reason is None:
        return WriteError(f"{path}: cannot be written ({error.strerror or error}); name another file", error.errno)
    return WriteError(f"{path}: {reason}; make room and run again, what was there is unchanged", error.errno)


def _as_before(aside: Path, before: os.stat_result) -> None:
    """Give a file the owner and the mode of the one whose place it takes."""
    if hasattr(os, "chown"):
        with suppress(OSError):  # only root may give files away
            os.chown(aside, before.st_uid, before.st_gid)
    aside.chmod(before.st_mode & _MODE)


def _flush_folder(folder: Path) -> None:
    """Flush the rename as well, where the system lets a folder be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
