"""The folder that an artefact goes into: only files that our manifest names are ever replaced, and all or none of them.

What is written lies aside first, in a folder of its own; what is replaced is moved to another one. An interruption
moves everything back; a kill leaves it in `.localnoise-*-replaced`, which nobody removes, and nothing is lost.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localnoise.errors import ArgumentError, FileFormatError
from localnoise.files.temporaries import name_beside, remove_orphans
from localnoise.hardware.export import manifest


@contextmanager
def written_into(folder: Path, force: bool) -> Iterator[Path]:
    """Yield a folder to write into; on success its files come to lie in `folder`, on failure all is as it was.

    Raises
    ------
    ArgumentError
        `folder` is none, or is not empty and `force` does not help: it holds no artefact, an edited one, or a file of
        somebody else's by the name of one that is written.
    """
    real = folder.resolve()
    replaceable(folder, force)
    beside = real if real.is_dir() else real.parent
    beside.mkdir(parents=True, exist_ok=True)
    remove_orphans(beside)
    fresh, old = name_beside(beside / "fresh"), None
    fresh.mkdir()
    try:
        yield fresh
        if real.is_dir():
            old = Path(tempfile.mkdtemp(prefix=".localnoise-", suffix="-replaced", dir=real))
            _replace(folder, replaceable(folder, force), fresh, old)
            shutil.rmtree(old, ignore_errors=True)
        else:
            fresh.rename(real)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        if old is not None:
            with suppress(OSError):  # it holds what could not be put back, and stays
                old.rmdir()


def replaceable(folder: Path, force: bool) -> list[str]:
    """Return the names of files that may be replaced: the manifest, then those that it names, unedited.

    Raises
    ------
    ArgumentError
        As `written_into`.
    """
    if folder.exists() and not folder.is_dir():
        raise ArgumentError(f"{folder}: is no folder; expected a new or an empty one")
    if not folder.exists() or all(_ours(path) for path in folder.iterdir()):
        return []
    if not force:
        raise ArgumentError(
            f"{folder}: not empty; expected a new or an empty folder; use --force, in Python force=True, to replace an "
            "artefact that is there"
        )
    try:
        files = manifest.said_in(folder)["files"]
    except FileFormatError:
        raise ArgumentError(
            f"{folder}: holds no artefact, so nothing in it is replaced; expected a new or an empty folder"
        ) from None
    there = [name for name in files if os.path.lexists(folder / name)]
    for name in there:
        if not (folder / name).is_file() or manifest.digest(folder / name) != files[name]:
            raise ArgumentError(
                f"{folder / name}: edited since it was exported, so it is not replaced; move it away, or export "
                "elsewhere"
            )
    return [manifest.NAME, *there]


def _ours(path: Path) -> bool:
    """Return whether it is the folder of a write into this folder: of the one that asks, or of another one."""
    return path.name.startswith(".localnoise-") and path.is_dir()


def _replace(folder: Path, names: list[str], fresh: Path, old: Path) -> None:
    """Move `names` from `folder` to `old`, then all of `fresh` into `folder`, the manifest last; undo it on failure."""
    new = sorted((path.name for path in fresh.iterdir()), key=lambda name: (name == manifest.NAME, name))
    for name in new:
        if name not in names and os.path.lexists(folder / name):
            raise ArgumentError(
                f"{folder / name}: not of the artefact that is there, so it is not replaced; move it away, or export "
                "elsewhere"
            )
    try:
        for name in names:
            os.replace(folder / name, old / name)
        for name in new:
            os.replace(fresh / name, folder / name)
    except BaseException:
        for name in new:  # where a file lies says what has been done, whenever the interruption came
            if not (fresh / name).exists():
                os.replace(folder / name, fresh / name)
        for name in names:
            if (old / name).exists():
                os.replace(old / name, folder / name)
        raise
