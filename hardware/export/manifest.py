"""The manifest of an artefact's folder, `manifest.json`: what the folder holds, and that nothing in it was edited.

Beside the files and their checksums it says what whoever uses the artefact must know: `words`, the bits of a word and
each unit's scale, value = word 2^-scale; `activations`, the same of activation words, one scale for all units, or null.
"""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localnoise.errors import FileFormatError, LocalnoiseError
from localnoise.files import write_text
from localnoise.hardware.learners import learner_of
from localnoise.hardware.texts import from_json
from localnoise.hdf5 import refuse_held

NAME, VERSION = "manifest.json", 3


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(folder: Path, kind: str, seed: int, more: dict[str, Any]) -> Path:
    """Write the manifest of all files in `folder`."""
    files = {path.name: digest(path) for path in sorted(folder.iterdir()) if path.name != NAME}
    said = {"format": "localnoise.artefact", "version": VERSION, "kind": kind, "seed": seed, "files": files}
    return write_text(folder / NAME, json.dumps(said | more, indent=1) + "\n")


def read(folder: Path, copies: Path | None = None) -> dict[str, Any]:
    """Read the manifest and check every file against it.

    copies : folder for copies of the files, of the very bytes that were checked.

    Raises
    ------
    FileFormatError
        There is no manifest, it is of another version or lacks something, or a file is missing or was edited: its name.
    """
    path = folder / NAME
    said = said_in(folder)
    if said["version"] != VERSION:
        raise FileFormatError(f"{path}: version {said['version']!r}, this version reads {VERSION}; export again")
    for field, expected, good in _FIELDS:
        if field not in said or not good(said[field]):
            found = f"is {str(said[field])[:60]!r}" if field in said else "is missing"
            raise FileFormatError(f"{path}: {field} {found}; expected {expected}; export again")
    for name, expected in said["files"].items():
        if not (folder / name).is_file():
            raise FileFormatError(f"{folder / name}: missing, but the manifest names it; export again")
        content = (folder / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != expected:
            if name.endswith(".h5"):
                refuse_held(folder / name)  # HDF5 marks a file while somebody has it open for writing
            raise FileFormatError(f"{folder / name}: edited since it was exported (its checksum differs); export again")
        if copies is not None:
            (copies / name).write_bytes(content)
    return said


def said_in(folder: Path) -> dict[str, Any]:
    """Return what the manifest says: ours, of any version, whose `files` are names and checksums.

    Raises
    ------
    FileFormatError
        There is none, or it is not ours.
    """
    path = folder / NAME
    if not path.is_file():
        raise FileFormatError(f"{path}: no such file; expected a folder that `localnoise export` wrote")
    try:
        said = from_json(path.read_bytes())
    except ValueError as error:
        raise FileFormatError(f"{path}: damaged ({str(error)[:200]}); export again") from None
    if not isinstance(said, dict) or said.get("format") != "localnoise.artefact" or "version" not in said:
        raise FileFormatError(f"{path}: is not of an artefact; expected a folder that `localnoise export` wrote")
    files = said.get("files")
    if not isinstance(files, dict) or not all(_plain(name) and isinstance(of, str) for name, of in files.items()):
        raise FileFormatError(f"{path}: files are not names in its folder with their checksums; export again")
    return said


def _plain(name: str) -> bool:
    """Return whether a name stays in its folder, on any system."""
    return bool(re.fullmatch(r"\w[\w.-]*", name, re.ASCII)) and name != NAME


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z]\w{0,19}", value, re.ASCII) is not None


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def _is_learner(value: Any) -> bool:
    try:
        return value is None or bool(learner_of(**value))
    except (LocalnoiseError, TypeError):
        return False


_FIELDS: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    ("kind", "a format of `localnoise export`", lambda value: isinstance(value, str)),
    ("seed", "a whole number from 0 to 2^64 - 1", _is_seed),
    ("name", "an identifier", _is_name),
    ("learner", "null, or the options of one", _is_learner),
)
