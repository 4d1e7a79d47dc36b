"""The sources of an artefact that are compiled: those that its manifest names, copied aside, and that reach no further.

Compiling and running them is running the code of whoever wrote the artefact (`confined` says within which limits).
What is refused here is what no export holds: sources beside those of the manifest, and text by which a source would
bring in other files or other languages while it is compiled.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from localnoise.errors import FileFormatError
from localnoise.hardware.export import manifest

_SUFFIX = re.compile(r"\.(?:c|h|cc|cpp|cxx|hh|hpp|hxx|inc|s|v|vh|sv|svh|vlt|mem)", re.IGNORECASE)
_COMMENT = r"//[^\n]*|/\*.*?\*/"
_C = re.compile(rf"{_COMMENT}|\"[^\"\n]*\"|'[^'\n]*'", re.DOTALL)
_VERILOG = re.compile(rf"{_COMMENT}|\"[^\"\n]*\"", re.DOTALL)
_DIRECTIVES = {"include", "if", "ifdef", "ifndef", "elif", "else", "endif", "define", "undef", "error"}
_SPELLED = re.compile(r"\\[ \t]*$|\?\?[=/'()!<>-]|%:|##", re.MULTILINE)  # joined lines, other spellings of # and \
_WORDS = re.compile(r"\b(?:asm|__asm\w*|_Pragma|__has_\w+)\b")
_TASKS = {"$readmemh", "$signed", "$unsigned", "$clog2"}
_TOOL = re.compile(r"(?://|/\*)\s*(?:verilator|synopsys|synthesis|yosys)\b")


def stage(folder: Path, target: Path) -> dict[str, Any]:
    """Copy what the manifest of `folder` names into `target`, checked, and return the manifest.

    Raises
    ------
    FileFormatError
        As `manifest.read`; a source that the manifest does not name; a source that brings in what it does not name.
    """
    said = manifest.read(folder, target)
    named = set(said["files"]) | {manifest.NAME}
    for path in sorted(folder.iterdir()):
        if _SUFFIX.fullmatch(path.suffix) and path.name not in named:
            raise FileFormatError(
                f"{path}: not named by the manifest, and what is not is never compiled; move it out of the folder"
            )
    for name in said["files"]:
        check = {".c": _beyond_c, ".h": _beyond_c, ".v": _beyond_verilog}.get(Path(name).suffix)
        if check is None:
            continue
        text = (target / name).read_text(encoding="ascii", errors="replace")
        for found in check(text, said["files"]):
            raise FileFormatError(
                f"{folder / name}: holds {found[:80]!r}, which no export does and which could bring in other files; "
                "export again"
            )
    return said


def _beyond_c(text: str, files: Iterable[str]) -> Iterator[str]:
    """Yield the parts of a C source that reach beyond `files` and <stdint.h>."""
    yield from (found.group() for found in _SPELLED.finditer(text))
    bare = _C.sub(lambda found: " " if found.group().startswith("/") else found.group(), text)
    yield from (found.group() for found in _WORDS.finditer(bare))
    for line in re.findall(r"^\s*#.*", bare, re.MULTILINE):
        directive, rest = re.fullmatch(r"\s*#\s*(\w*)\s*(.*?)\s*", line).groups()  # type: ignore[union-attr]
        known = directive != "include" or rest == "<stdint.h>" or rest in {f'"{name}"' for name in files}
        if directive not in _DIRECTIVES or not known:
            yield line.strip()


def _beyond_verilog(text: str, files: Iterable[str]) -> Iterator[str]:
    """Yield the parts of a Verilog source that are no plain Verilog, or name a file that is not of `files`."""
    yield from (found.group() for found in _TOOL.finditer(text))
    parts = _VERILOG.findall(text)
    yield from (part for part in parts if part.startswith('"') and part[1:-1] not in {"", *files})
    bare = _VERILOG.sub(" ", text)
    yield from (part for part in re.findall(r"[`\\]\S*|\$\w*", bare) if part not in _TASKS)
