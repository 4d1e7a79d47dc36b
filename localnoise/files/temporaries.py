"""Temporary files and folders that name their owner, so that those of a killed process are found and removed.

A name is `.localnoise-HOST-PID-RANDOM`, with the suffix of the file that it is to become. HOST stands for the machine
and, on Linux, for its namespace of process ids: what lies on a shared disk may be another machine's.
"""

import os
import platform
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_NAME = re.compile(r"\.?localnoise-(?P<host>\w{1,80})-(?P<pid>[1-9]\d{0,8})-[0-9a-f]{8}(\.\w{1,16})?")
_WEEK = 7 * 24 * 3600.0  # seconds without a write after which another machine's are taken for left behind


def name_beside(path: Path) -> Path:
    """Return a fresh name for a temporary in the folder of `path`, with its suffix."""
    suffix = path.suffix if re.fullmatch(r"\.\w{1,16}", path.suffix) else ""
    return path.with_name(f".localnoise-{_host()}-{os.getpid()}-{secrets.token_hex(4)}{suffix}")


def remove_orphans(folder: Path) -> None:
    """Remove the temporaries in `folder` whose owner is gone; O(entries). What cannot be removed stays."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _NAME.fullmatch(entry.name)
            if found is not None and _orphaned(entry, found["host"], int(found["pid"])):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    with suppress(OSError):
                        os.unlink(entry.path)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder in the system's place for temporaries, and remove it; those of killed processes first."""
    place = Path(tempfile.gettempdir())
    remove_orphans(place)
    prefix = f"localnoise-{_host()}-{os.getpid()}-"
    folder = place / (prefix + secrets.token_hex(4))
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _orphaned(entry: "os.DirEntry[str]", host: str, pid: int) -> bool:
    found = entry.stat(follow_symlinks=False)
    if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
        return False
    if host != _host() or os.name != "posix":  # only POSIX says whether a process lives without touching it
        return time.time() - found.st_mtime > _WEEK
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


@cache
def _host() -> str:
    node = re.sub(r"\W", "_", platform.node(), flags=re.ASCII)[:60] or "unnamed"
    try:
        return f"{node}_{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return node
