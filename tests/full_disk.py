"""Every writer at every level of a full disk, in a process of its own: HDF5 used to end it with SIGSEGV.

    python full_disk.py FOLDER limit|tmpfs LEVELS

"limit": files may not grow beyond a size. "tmpfs": FOLDER/disk is mounted anew at each size; takes root.
"""

import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import numpy as np
from writers import FOLDERS, SLOW, Writer, writers

from localnoise.errors import WriteError

PAGE = 4096


def content(place: Path) -> dict[str, bytes]:
    return {
        path.relative_to(place).as_posix(): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()
    }


@contextmanager
def limited(place: Path, size: int) -> Iterator[None]:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@contextmanager
def mounted(place: Path, size: int) -> Iterator[None]:
    """A disk of `size` bytes beyond what `place` holds already."""
    held = content(place)
    taken = sum(-(-len(data) // PAGE) * PAGE for data in held.values())
    options = f"size={max(PAGE, taken + size // PAGE * PAGE)}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(place)], check=True)
    try:
        for name, data in held.items():
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).write_bytes(data)
        yield
        after = content(place)
    finally:
        subprocess.run(["umount", str(place)], check=True)
    for name in held.keys() - after.keys():
        (place / name).unlink()
    for name, data in after.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(data)


def tried(name: str, write: Writer, disk: Path, how: str, levels: int) -> int:
    """Return how many levels were too full; each leaves what was there, and nothing beside it."""
    shutil.rmtree(disk, ignore_errors=True)
    disk.mkdir()
    target, full, began = disk / name, 0, perf_counter()
    for _ in range(2):  # records grow
        write(target)
    size = sum(map(len, content(disk).values()))
    largest = max(map(len, content(disk).values()))
    for level in np.linspace(0, 1.6 * (largest if how == "limit" else size + PAGE), levels).astype(int):
        if name == "network":
            shutil.rmtree(target, ignore_errors=True)  # a network that is there is not trained anew
        before, error = content(disk), None
        with (limited if how == "limit" else mounted)(disk, int(level)):
            try:
                write(target)
            except WriteError as caught:
                error = caught
        after = content(disk)
        if error is not None:
            full += 1
            said = str(error)
            assert str(disk) in said, (name, level, said)
            assert re.fullmatch(".{1,400}", said), (name, level, said)
            changed = set(after) - set(before) if name in FOLDERS else after.items() ^ before.items()
            assert not changed, (name, level, changed)
        else:
            assert not [path for path in before if path not in after], (name, level)
            assert not [path for path in after if "localnoise-" in path], (name, level)
    print(
        f"{name}: {full} of {levels} too full, the largest file {largest} bytes, {perf_counter() - began:.1f} s",
        flush=True,
    )
    return full


def main() -> None:
    folder, how, levels = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    (folder / "read").mkdir(exist_ok=True)
    tempfile.gettempdir()  # found by writing there
    for name, write in writers(folder / "read").items():
        print(name, flush=True)
        some = min(levels, 4) if name in SLOW else levels
        assert tried(name, write, folder / "disk", how, some), name


if __name__ == "__main__":
    main()
