"""The configuration as JSON, checked against the schema that ships with the package (`schema.json`)."""

import importlib
import json
import math
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError, FileFormatError, MissingDependencyError
from localnoise.files import written_aside
from localnoise.hardware.configuration.model import FORMAT, PER_UNIT, VERSION, Configuration, Unit, columns
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.formats import Formats
from localnoise.hardware.learning import OnChip, start
from localnoise.hardware.storage import checked_field, layout

SCHEMA = Path(__file__).parent / "schema.json"
_WEIGHTS = ("G", "B", "L", "s", "bias", "lift")


def write_json(configuration: Configuration, path: str | Path) -> Path:
    """Write a configuration; equal configurations give equal bytes. Cost O(weights)."""
    head = json.dumps(head_of(configuration), indent=1)
    with written_aside(path) as aside, aside.open("w", encoding="utf-8") as out:
        out.write(head[: head.rindex("\n}")] + ',\n "units": [\n')
        out.write(",\n".join("  " + json.dumps(_unit(unit), separators=(", ", ": ")) for unit in configuration))
        out.write("\n ]\n}\n")
    return Path(path)


def read_json(path: str | Path) -> Configuration:
    """Read what `write_json` wrote: the same chip grid, to the bit.

    Raises
    ------
    FileFormatError
        No such file, another version, or what breaks the schema: its place in the document, found and expected.
    MissingDependencyError
        The package jsonschema is missing.
    """
    source = Path(path)
    if not source.is_file():
        raise FileFormatError(f"{source}: no such file; expected a configuration that `localnoise export` wrote")
    try:
        said = json.loads(source.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FileFormatError(f"{source}: not JSON ({error}); export again") from None
    return parse(said, source)


def document(configuration: Configuration) -> dict[str, Any]:
    """Return the whole document."""
    return head_of(configuration) | {"units": [_unit(unit) for unit in configuration]}


def parse(said: Any, source: Path) -> Configuration:
    """Return the configuration of a document that `source` holds; raises as `read_json`."""
    version = said.get("version") if isinstance(said, dict) else None
    if isinstance(version, int) and version != VERSION:
        raise FileFormatError(
            f"{source}: version {version}, this version of localnoise reads {VERSION}; use the one that wrote it"
        )
    error = next(iter(_validator().iter_errors(said)), None)
    if error is not None:
        raise FileFormatError(
            f"{source}: {error.json_path}: {error.message}; expected what the schema says; export again"
        )
    try:
        return _configuration(said, source)
    except (ArgumentError, ValueError, LookupError, TypeError, OverflowError) as error:
        raise FileFormatError(f"{source}: inconsistent ({error}); it was edited; export again") from error


@cache
def _validator() -> Any:
    try:
        jsonschema = importlib.import_module("jsonschema")
    except ImportError:
        raise MissingDependencyError("jsonschema is missing: pip install 'localnoise[hardware]'") from None
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def head_of(configuration: Configuration) -> dict[str, Any]:
    """All that is not of one unit."""
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
        "grid": asdict(chip.config),
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
    """
    grid: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in said["grid"].items()
    }
    config, formats = GridConfig(**grid), Formats(**said["formats"])
    slots = layout(config, said["slots"]["parents"], said["slots"]["readers"])
    arrays = {name: array(name, shape, dtype) for name, (shape, dtype) in slots.items()}
    chip = ChipGrid(config, formats, checked_field(source, formats, arrays, int(said["activation_scale"])))
    chip.provenance = dict(said["provenance"])
    if said["learner"] is not None:
        options = dict(said["learner"])
        seen = options.pop("seen")
        chip.rule = OnChip(**options)
        chip.state = {"seen": seen, **state(chip.field, start(chip.field, formats, chip.rule))}
    core = array("core", (config.units,), np.dtype(np.int64))
    limits, known = tuple(said["limits"]), bool((core >= 0).all())
    return Configuration(
        chip=chip, seed=said["seed"], target=said["target"], core=core if known else None, limits=limits
    )


def _configuration(said: dict[str, Any], source: Path) -> Configuration:
    units, config = said["units"], said["grid"]
    N, m = math.prod(config["shape"]), config["channels"]
    if [unit["id"] for unit in units] != list(range(N)):
        raise ValueError(f"units are not those of a grid of {N}, in order")
    parents = np.full((N, said["slots"]["parents"]), -1, np.int32)
    for u, unit in enumerate(units):
        parents[u, : len(unit["parents"])] = unit["parents"]
    readers = np.array([unit["readers"] for unit in units], np.int32).reshape(N, -1)

    def packed(name: str, unit: dict[str, Any], row: Any, linked: Any) -> None:
        row[:, linked] = np.array(unit[name], np.int64).reshape(m, -1)

    def array(name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        out = np.full(shape, -1 if name == "order" else 0, dtype)
        if name in ("parents", "readers"):
            return parents if name == "parents" else readers
        for u, unit in enumerate(units):
            if name == "order":
                out[unit["place"]] = u
            elif name in ("G", "B"):
                links = (readers if name == "G" else parents)[u] >= 0
                packed(name, unit, out[u], np.repeat(links, m))
            else:
                out[u] = -1 if unit[name] is None else unit[name]
        return out

    def state(field: Any, fresh: dict[str, Any]) -> dict[str, Any]:
        out = {name: np.zeros_like(fresh[name]) for name in PER_UNIT}
        for u, unit in enumerate(units):
            for name in PER_UNIT:
                if name in ("V", "mean"):
                    packed(name, unit["learned"], out[name][u], columns(field, u))
                else:
                    out[name][u] = unit["learned"][name]
        return out

    found = assemble(said, source, array, state)
    if [unit["generator"] for unit in units] != found.generators.tolist():
        raise ValueError(f"generators are not those of seed {found.seed}")
    return found
