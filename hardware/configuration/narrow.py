"""The configuration of a grid with `share` or `rank`: what all units share, once, and what is each unit's own.

As JSON (`schema_narrow.json`): a head with a checksum; `shared`, the arrays of `hardware.narrow.NarrowWords` that are
no unit's own, by name; `units`, one entry a unit. As HDF5: the head, and the groups `shared` and `units`. A unit's draw
is stated in `hardware.narrow`.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError, FileFormatError
from localnoise.files import hdf5, written_aside
from localnoise.hardware.configuration.document import canonical, checksum_of, validator
from localnoise.hardware.configuration.model import Configuration, named
from localnoise.hardware.formats import Formats
from localnoise.hardware.narrow_ranges import narrow_layout
from localnoise.hardware.saving import CHECKSUMMED, write_packed
from localnoise.hardware.storage import checked_chip, class_count, slot_count, stored
from localnoise.hardware.texts import from_json
from localnoise.hdf5 import member
from localnoise.validate import as_seed

FORMAT, VERSION = "localnoise.configuration.narrow", 1
SCHEMA = Path(__file__).parent / "schema_narrow.json"
SHARED = ("shifts", "inward", "reading", "down", "sunk", "up", "past", "read", "lift", "fraction", "factor", "deep")
OWN = ("parents", "readers", "kinds", "levels", "bias", "s", "own", "scale")
_ARRAY = Callable[[str, tuple[int, ...], Any], Any]


def head_of(configuration: Configuration) -> dict[str, Any]:
    """All that is of no unit, but for the checksum."""
    chip = configuration.chip
    f = chip.field
    return {
        "format": FORMAT,
        "version": VERSION,
        "target": configuration.target,
        "seed": configuration.seed,
        "formats": asdict(chip.formats),
        "grid": chip.config.plain(),
        "slots": {"parents": f.parents.shape[1], "readers": f.readers.shape[1]},
        "classes": len(f.past),
        "factors": len(f.factor),
        "activation_scale": f.activation_scale,
        "limits": list(configuration.limits),
        "provenance": chip.provenance,
    }


def narrow_document(configuration: Configuration) -> dict[str, Any]:
    """Return the whole document, with its checksum: of the head with what is shared, then of each unit."""
    f = configuration.chip.field
    head = head_of(configuration) | {"shared": {name: getattr(f, name).tolist() for name in SHARED}}
    each = {name: array.tolist() for name, array in named(configuration).items()}
    each |= {name: getattr(f, name).tolist() for name in OWN}
    units = [{name: values[u] for name, values in each.items()} for u in range(len(configuration))]
    return head | {"checksum": checksum_of(head, units), "units": units}


def write_json(configuration: Configuration, path: str | Path) -> Path:
    """Write a configuration; equal configurations give equal bytes. Cost O(weights)."""
    said = narrow_document(configuration)
    units = said.pop("units")
    head = json.dumps(said, indent=None)
    with written_aside(path) as aside, aside.open("w", encoding="utf-8") as out:
        out.write(head[: head.rindex("}")] + ', "units": [\n')
        out.write(",\n".join("  " + json.dumps(unit) for unit in units) + "\n]}\n")
    return Path(path)


def parse(said: dict[str, Any], source: Path) -> Configuration:
    """Return the configuration of a document; raises as `document.read_json`."""
    fault = next(iter(_validator().iter_errors(said)), None)
    if fault is not None:
        raise FileFormatError(
            f"{source}: {fault.json_path}: {fault.message[:200]}; expected what the schema says; export again"
        )
    units = said["units"]

    def array(name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        if name == "order":
            values: Any = np.full(len(units), -1)
            values[[unit["place"] for unit in units]] = np.arange(len(units))
        else:
            values = said["shared"][name] if name in SHARED else [unit[name] for unit in units]
        numbers = np.array(values, np.int64).reshape(shape if 0 in shape else np.shape(values))
        if numbers.shape != shape:
            raise ValueError(f"{name} has shape {numbers.shape}, expected {shape}")
        if (numbers.astype(dtype) != numbers).any():
            raise ValueError(f"{name} holds numbers beyond {np.dtype(dtype)}")
        return numbers.astype(dtype)

    core = [-1 if unit["core"] is None else unit["core"] for unit in units]
    return _assembled(
        said, source, array, np.array(core), lambda found: canonical(narrow_document(found)) == canonical(said)
    )


def write_hdf5(configuration: Configuration, path: str | Path) -> Path:
    """Write a configuration; cost O(weights)."""
    said = narrow_document(configuration)
    head = {name: value for name, value in said.items() if name not in ("units", "shared")}
    with hdf5(path, libver=CHECKSUMMED) as file:
        file.attrs.update({"format": np.bytes_(FORMAT), "version": VERSION, "head": np.bytes_(json.dumps(head))})
        shared, units = file.create_group("shared"), file.create_group("units")
        f = configuration.chip.field
        for name in SHARED:
            write_packed(shared, name, getattr(f, name))
        for name in ("order", *OWN):
            write_packed(units, name, getattr(f, name))
        for name, array in _numbers(configuration).items():
            write_packed(units, name, array)
    return Path(path)


def read_group(source: Path, file: Any) -> Configuration:
    """Read the configuration of a file; raises as `hdf5.read_hdf5`."""
    said = from_json(file.attrs["head"])
    if int(file.attrs.get("version", -1)) != VERSION or said["version"] != VERSION:
        raise FileFormatError(f"{source}: version {said['version']!r}; this localnoise reads {FORMAT}, {VERSION}")
    shared, units = member(source, file, "shared"), member(source, file, "units")

    def array(name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        return stored(source, shared if name in SHARED else units, name, shape, np.dtype(dtype))

    def same(found: Configuration) -> bool:
        again = narrow_document(found)
        kept = all(canonical(again[name]) == canonical(value) for name, value in said.items())
        return kept and all(
            np.array_equal(stored(source, units, name, values.shape, values.dtype), values)
            for name, values in _numbers(found).items()
        )

    core = stored(source, units, "core", (math.prod(said["grid"]["shape"]),), np.dtype(np.int64))
    return _assembled(said, source, array, core, same)


def _numbers(configuration: Configuration) -> dict[str, Any]:
    """Return what a document says of who and where, as arrays; -1 for a core that is not known."""
    said = named(configuration)
    core = np.full(len(configuration), -1) if configuration.core is None else configuration.core
    return said | {"core": core.astype(np.int64)}


def _assembled(
    said: dict[str, Any], source: Path, array: _ARRAY, core: Any, same: Callable[[Configuration], bool]
) -> Configuration:
    try:
        grid = {name: tuple(value) if isinstance(value, list) else value for name, value in said["grid"].items()}
        config, formats = GridConfig.of_file(grid), Formats(**said["formats"])
        if not config.narrow:
            raise ValueError("its grid has neither share nor rank")
        slots = [slot_count(source, n, (config.units, said["slots"][n]), config.units) for n in ("parents", "readers")]
        sizes = [class_count(source, name, (said[name], 0, 0), config) for name in ("classes", "factors")]
        shapes = narrow_layout(config, slots[0], slots[1], sizes[0], sizes[1])
        arrays = {name: array(name, shape, dtype) for name, (shape, dtype) in shapes.items()}
        chip = checked_chip(source, config, formats, arrays, said["activation_scale"])
        chip.provenance = dict(said["provenance"])
        found = Configuration(
            chip=chip,
            seed=int(as_seed(said["seed"])),
            target=str(said["target"]),
            core=core if (core >= 0).all() else None,
            limits=tuple(said["limits"]),
        )
        agrees = same(found)
    except FileFormatError:
        raise
    except (ArgumentError, ValueError, LookupError, TypeError, OverflowError) as error:
        raise FileFormatError(f"{source}: inconsistent ({str(error)[:160]}); it was edited; export again") from error
    if not agrees:
        raise FileFormatError(
            f"{source}: its checksum, or what it says twice, is not that of its content; it was edited; export again"
        )
    return found


@cache
def _validator() -> Any:
    return validator(SCHEMA)
