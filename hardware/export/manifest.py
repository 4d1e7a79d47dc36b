"""What an artefact's folder holds, and that nothing in it was edited: `manifest.json`.

Beside the files and their checksums it says what whoever uses the artefact must know: `words`, the bits of a word and
each unit's scale, value = word 2^-scale; `activations`, the same of activation words, one scale for all units, or null.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from localnoise.errors import FileFormatError
from localnoise.files import write_text

NAME, VERSION = "manifest.json", 2


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(folder: Path, kind: str, seed: int, more: dict[str, Any]) -> Path:
    """Write the manifest of all files in `folder`."""
    files = {path.name: digest(path) for path in sorted(folder.iterdir()) if path.name != NAME}
    said = {"format": "localnoise.artefact", "version": VERSION, "kind": kind, "seed": seed, "files": files}
    return write_text(folder / NAME, json.dumps(said | more, indent=1) + "\n")


def read(folder: Path) -> dict[str, Any]:
    """Read the manifest and check every file against it.

    Raises
    ------
    FileFormatError
        There is no manifest, it is of another version, or a file is missing or was edited: its name.
    """
    path = folder / NAME
    if not path.is_file():
        raise FileFormatError(f"{path}: no such file; expected a folder that `localnoise export` wrote")
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        version, files = said["version"], dict(said["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path}: damaged ({error}); export again") from None
    if said.get("format") != "localnoise.artefact" or version != VERSION:
        raise FileFormatError(f"{path}: version {version!r}, this version reads {VERSION}; export again")
    for name, expected in files.items():
        if not (folder / name).is_file():
            raise FileFormatError(f"{folder / name}: missing, but the manifest names it; export again")
        if digest(folder / name) != expected:
            raise FileFormatError(f"{folder / name}: edited since it was exported (its checksum differs); export again")
    return dict(said)
