"""What stands on the API's pages, as mkdocstrings finds it there: read by Griffe, which imports nothing."""

import logging
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import griffe
import yaml
from pages import DOCS, PAGES

_BLOCK = re.compile(r"^::: ([\w.]+)\n((?:    .*\n|\n(?=    ))*)", re.MULTILINE)
API = "".join(text + "\n" for name, text in PAGES.items() if name.startswith("docs/api/"))
logging.getLogger("griffe").setLevel(logging.CRITICAL)


@cache
def package() -> Any:
    """Return localnoise as it ships: hardware/ and sims/ inside it."""
    sys.path.insert(0, str(DOCS / "hooks"))
    try:
        from import_root import lay_out
    finally:
        sys.path.pop(0)
    with TemporaryDirectory() as folder:
        lay_out(Path(folder))
        return griffe.load("localnoise", search_paths=[folder], docstring_parser="numpy", try_relative_path=False)


def found(path: str) -> Any:
    """Return the object of this path, which may lead over what a package imports from its modules."""
    return package()[path.removeprefix("localnoise").removeprefix(".")] if path != "localnoise" else package()


def named() -> dict[str, dict[str, Any]]:
    """Return the paths that the pages name, with the options of each."""
    return {path: (yaml.safe_load(said) or {}).get("options", {}) for path, said in _BLOCK.findall(API)}


def listed() -> Iterator[tuple[str, Any]]:
    """Yield the path and the object of all that a reader finds on the pages, members included."""
    for path, options in named().items():
        yield from _with_members(path, found(path), options)


def _with_members(path: str, thing: Any, options: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield path, thing
    if thing.kind.value not in ("class", "module"):
        return
    inherited = options.get("inherited_members", False)
    for name, member in thing.all_members.items():
        own = not member.inherited or inherited is True or (inherited and name in inherited)
        shown = member.is_public if options.get("filters") == "public" else name[0] != "_" or name == "__call__"
        if own and shown and member.kind.value != "module":
            yield from _with_members(f"{path}.{name}", member, {})


def faults(thing: Any) -> list[str]:
    """Return what a docstring lacks, or says of what is not there; [] of one that says all."""
    kind, inside = thing.kind.value, thing.parent
    if kind == "attribute":  # of a class, it may stand in the docstring of the class
        held = inside is not None and inside.kind.value == "class" and inside.docstring is not None
        return [] if thing.docstring or held else ["no docstring"]
    if kind == "module":
        return []
    if thing.docstring is None:
        return ["no docstring"]
    said: dict[str, list[str]] = {}
    out = []
    for section in thing.docstring.parsed:
        title = section.kind.value
        if title not in ("parameters", "attributes", "returns", "yields"):
            continue
        for one in section.value:
            said.setdefault(title, []).extend(name.lstrip("*") for name in (one.name or "").split(", "))
            out += [] if one.description else [f"nothing of {one.name or 'the result'!r} in {title}"]
    wanted = [one.name for one in thing.parameters if str(one.annotation) != "Never"]  # which takes wrong names alone
    wanted = wanted[1:] if wanted[:1] in (["self"], ["cls"]) else wanted
    given = said.get("parameters", [])
    known = given + said.get("attributes", []) if kind == "class" else given
    out += [f"no parameter {name!r}" for name in wanted if name not in known]
    out += [f"{name!r} is no parameter" for name in given if name not in wanted]
    result = kind == "function" and str(thing.returns or "None") not in ("None", "Never", "NoReturn")
    if result and not {"returns", "yields"} & said.keys():
        out.append("no Returns")
    if "returns" in said and not result:
        out.append("Returns, of what returns nothing")
    return out
