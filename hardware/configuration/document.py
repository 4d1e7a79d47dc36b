"""The configuration as JSON, checked against the schema that ships with the package (`schema.json`).

A checksum over the canonical content finds what was edited: `checksum_of`. What a document says twice must agree: read
and written again it is the same document. Documents of version 1, which have no checksum, are read without one.
"""

import hashlib
import importlib
import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError, FileFormatError, MissingDependencyError
from localnoise.files import written_aside
from localnoise.hardware.configuration.model import (
    FORMAT,
    PER_UNIT,
    VERSION,
    WITHOUT_CHECKSUM,
    Configuration,
    Unit,
    columns,
)
from localnoise.hardware.formats import Formats
from localnoise.hardware.learning import OnChip, start
from localnoise.hardware.ranges import layout
from localnoise.hardware.storage import checked_chip, give_state, slot_count
from localnoise.hardware.texts import from_json
from localnoise.validate import as_count, as_seed

SCHEMA = Path(__file__).parent / "schema.json"
_WEIGHTS = ("G", "B", "L", "s", "bias", "lift")
_SLOTS = ("parents", "readers")
_EMPTY = 64  # slots for parents that no unit uses: of hubs, of pruned links


def write_json(configuration: Configuration, path: str | Path) -> Path:
    """Write a configuration; equal configurations give equal bytes. Cost O(weights)."""
    head = json.dumps(signed_head(configuration), indent=1)
    with written_aside(path) as aside, aside.open("w", encoding="utf-8") as out:
        out.write(head[: head.rindex("\n}")] + ',\n "units": [\n')
        out.write(",\n".join("  " + json.dumps(_unit(unit), separators=(", ", ": ")) for unit in configuration))
        out.write("\n ]\n}\n")
    return Path(path)


def document(configuration: Configuration) -> dict[str, Any]:
    """Return the whole document."""
    return signed_head(configuration) | {"units": [_unit(unit) for unit in configuration]}


def parse(text: str | bytes, source: Path) -> Configuration:
    """Return the configuration of a document that `source` holds; raises as `read_json`."""
    try:
        said = from_json(text)
    except ValueError as error:
        raise FileFormatError(f"{source}: not JSON ({str(error)[:200]}); export again") from None
    return parse_content(said, source)


def parse_content(said: Any, source: Path) -> Configuration:
    """Return the configuration of a document that was read from JSON; raises as `read_json`."""
    version = said.get("version") if isinstance(said, dict) else None
    if isinstance(version, int) and version not in (VERSION, WITHOUT_CHECKSUM):
        raise FileFormatError(
            f"{source}: version {version}, this version of localnoise reads {WITHOUT_CHECKSUM} and {VERSION}; use the "
            "one that wrote it"
        )
    fault = next(iter(_validator().iter_errors(said)), None)
    if fault is not None:
        raise FileFormatError(
            f"{source}: {fault.json_path}: {fault.message[:200]}; expected what the schema says; export again"
        )
    try:
        return _configuration(said, source)
    except FileFormatError:
        raise
    except (ArgumentError, ValueError, LookupError, TypeError, OverflowError) as error:
        raise FileFormatError(f"{source}: inconsistent ({str(error)[:160]}); it was edited; export again") from error


@cache
def _validator() -> Any:
    return validator(SCHEMA)


def validator(schema: Path) -> Any:
    """Return what checks a document against a schema.

    Raises
    ------
    MissingDependencyError
        The package jsonschema is missing.
    """
    try:
        jsonschema = importlib.import_module("jsonschema")
    except ImportError:
        raise MissingDependencyError("jsonschema is missing: pip install 'localnoise[hardware]'") from None
    return jsonschema.Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))


def signed_head(configuration: Configuration) -> dict[str, Any]:
    """All that is not of one unit, with the checksum of the whole."""
    head = head_of(configuration)
    return head | {"checksum": checksum_of(head, map(_unit, configuration))}


def checksum_of(head: dict[str, Any], units: Iterable[dict[str, Any]]) -> str:
    """Return the SHA-256 of the canonical content.

    That is the JSON of the head without its checksum, then that of each unit, in order; each with sorted keys, without
    spaces, in ASCII, and ended by a line feed.
    """
    found = hashlib.sha256()
    for part in ({name: value for name, value in head.items() if name not in ("checksum", "units")}, *units):
        found.update(canonical(part).encode("ascii") + b"\n")
    return f"sha256:{found.hexdigest()}"


def canonical(part: Any) -> str:
    """JSON with sorted keys, without spaces, in ASCII."""
    return json.dumps(part, sort_keys=True, separators=(",", ":"))


def head_of(configuration: Configuration) -> dict[str, Any]:
    """All that is not of one unit, but for the checksum."""
    chip = configuration.chip
    learner = None
    if chip.rule is not None and chip.state is not None:
        learner = asdict(chip.rule) | {"seen": int(chip.state["seen"])}
    return {
        "format": FORMAT,
        "version": VERSION,
        "target": configuration.target,
        "seed": configuration.seed,
        "formats": asdict(chip.formats),
        "grid": chip.config.plain(),
        "slots": {"parents": chip.field.parents.shape[1], "readers": chip.field.readers.shape[1]},
        "activation_scale": chip.field.activation_scale,
        "learner": learner,
        "limits": list(configuration.limits),
        "provenance": chip.provenance,
    }


def _unit(unit: Unit) -> dict[str, Any]:
    learned = None if unit.learned is None else {name: unit.learned[name].tolist() for name in PER_UNIT}
    said = {name: getattr(unit, name) for name in ("id", "position", "place", "core", "parents", "readers")}
    said |= {name: getattr(unit, name).tolist() for name in _WEIGHTS}
    return said | {"fraction": unit.fraction, "scale": unit.scale, "generator": unit.generator, "learned": learned}


def assemble(said: dict[str, Any], source: Path, array: Any, state: Any) -> Configuration:
    """Return the configuration of a head, and of what is of each unit.

    array : (name, shape, dtype) -> array of that name, a row a unit; state : (field, fresh state) -> the learner's.

    Raises
    ------
    ValueError
        Written again, it is another one: what differs; or the checksum does.
    """
    grid: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in said["grid"].items()
    }
    config, formats = GridConfig.of_file(grid), Formats(**said["formats"])
    slots = [slot_count(source, name, (config.units, said["slots"][name]), config.units) for name in _SLOTS]
    arrays = {name: array(name, shape, dtype) for name, (shape, dtype) in layout(config, *slots).items()}
    chip = checked_chip(source, config, formats, arrays, said["activation_scale"])
    chip.provenance = dict(said["provenance"])
    if said["learner"] is not None:
        options = dict(said["learner"])
        seen = as_count("seen", options.pop("seen"))
        rule = OnChip(**options)
        give_state(source, chip, rule, {"seen": seen, **state(chip.field, start(chip.field, formats, rule))})
    core = array("core", (config.units,), np.dtype(np.int64))
    found = Configuration(
        chip=chip,
        seed=int(as_seed(said["seed"])),
        target=str(said["target"]),
        core=core if (core >= 0).all() else None,
        limits=tuple(said["limits"]),
    )
    _refuse_unlike("", said, head_of(found) | {"version": said["version"]})
    expected = None if said["version"] == WITHOUT_CHECKSUM else signed_head(found)["checksum"]
    if said.get("checksum") != expected:
        raise ValueError(f"checksum is {said.get('checksum')!r}, its content has {expected!r}")
    return found


def _refuse_unlike(where: str, said: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        if canonical(said.get(name)) != canonical(value):
            raise ValueError(
                f"{where}{name} is {canonical(said.get(name))[:80]}, the rest of the document asks for "
                f"{canonical(value)[:80]}"
            )


def _configuration(said: dict[str, Any], source: Path) -> Configuration:
    units, config = said["units"], said["grid"]
    N, m = math.prod(config["shape"]), config["channels"]
    if len(units) != N or [unit["id"] for unit in units] != list(range(N)):
        raise ValueError(f"units are not those of a grid of {N}, in order")
    slots = [said["slots"][name] for name in _SLOTS]
    longest = max(len(unit["parents"]) for unit in units)
    if not longest <= slots[0] <= longest + _EMPTY or any(len(unit["readers"]) != slots[1] for unit in units):
        raise ValueError(
            f"slots are {slots}, units have up to {longest} parents and {len(units[0]['readers'])} readers"
        )
    parents = np.full((N, slots[0]), -1, np.int32)
    for u, unit in enumerate(units):
        parents[u, : len(unit["parents"])] = unit["parents"]
    readers = np.array([unit["readers"] for unit in units], np.int32).reshape(N, -1)

    def given(u: int, name: str, value: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        """The numbers of one unit, which must have this shape: a shorter list would fill it by repetition."""
        numbers = np.array(value, np.int64)
        if numbers.shape != shape:
            raise ValueError(f"units[{u}].{name} has shape {numbers.shape}, expected {shape}")
        if (numbers.astype(dtype) != numbers).any():
            raise ValueError(f"units[{u}].{name} holds numbers beyond {np.dtype(dtype)}")
        return numbers

    def array(name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        out = np.full(shape, -1 if name == "order" else 0, dtype)
        if name in _SLOTS:
            return parents if name == "parents" else readers
        for u, unit in enumerate(units):
            if name == "order":
                out[unit["place"]] = u
            elif name in ("G", "B"):
                linked = np.flatnonzero(np.repeat((readers if name == "G" else parents)[u] >= 0, m))
                out[u][:, linked] = given(u, name, unit[name], (m, len(linked)), dtype)
            else:
                out[u] = given(u, name, -1 if unit[name] is None else unit[name], shape[1:], dtype)
        return out

    def state(field: Any, fresh: dict[str, Any]) -> dict[str, Any]:
        out = {name: np.zeros_like(fresh[name]) for name in PER_UNIT}
        for u, unit in enumerate(units):
            for name in PER_UNIT:
                value, dtype = unit["learned"][name], fresh[name].dtype
                if name in ("V", "mean"):
                    there = columns(field, u)
                    out[name][u][:, there] = given(u, f"learned.{name}", value, (m, len(there)), dtype)
                else:
                    out[name][u] = given(u, f"learned.{name}", value, fresh[name].shape[1:], dtype)
        return out

    found = assemble(said, source, array, state)
    for u, (unit, expected) in enumerate(zip(units, found, strict=True)):
        _refuse_unlike(f"units[{u}].", unit, _unit(expected))
    return found
