"""Reading the file of a chip's repair: see `hardware.repair_saving` for its layout. Every number in it is doubted."""

from pathlib import Path
from typing import Any

import numpy as np

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError, FileFormatError, short
from localnoise.hardware.formats import Formats
from localnoise.hardware.repair import ChipRepair
from localnoise.hardware.repair_ranges import layout
from localnoise.hardware.repair_saving import REPAIR_SCHEMA
from localnoise.hardware.repair_words import ABSENT, NUMBERS, RepairWords
from localnoise.hardware.texts import from_json
from localnoise.hdf5 import Budget, member

_MOST_MEMBERS, _MOST_BYTES = 100_000, 8 * 2**30


def read_repair(source: Path, file: Any) -> ChipRepair:
    """Read the repair of an open file.

    Raises
    ------
    FileFormatError
        Another schema, shapes that do not belong together, or an integer out of its range.
    """
    schema = int(file.attrs.get("schema", -1))
    if not 1 <= schema <= REPAIR_SCHEMA:
        raise FileFormatError(
            f"{source}: schema {schema}, this version reads 1 to {REPAIR_SCHEMA}; use the version that wrote it"
        )
    absent = ABSENT[schema]
    config, formats = GridConfig.of_file(from_json(file.attrs["config"])), Formats(**from_json(file.attrs["formats"]))
    shapes = {name: member(source, file, name).shape for name in ("centre", "parents", "readers", "way")}
    slots = 4 * config.units + 25
    most = {"centre": (_MOST_MEMBERS, 0, 3), "parents": (slots, 1, 2), "way": (slots, 1, 4)}
    most["readers"] = (2 * slots, 1, 2)  # bends, too
    for name, (limit, axis, axes) in most.items():
        if len(shapes[name]) != axes or not 0 < shapes[name][axis] <= limit:
            raise FileFormatError(
                f"{source}: {name} has shape {shapes[name]}, which no repair on {config.units} units has; the file was "
                "edited or damaged"
            )
    sizes = (shapes["centre"][0], shapes["parents"][1], shapes["readers"][1], shapes["way"][1], shapes["way"][0])
    extra = (0, 0, 0) if schema == 1 else _extra(source, file)
    arrays, budget = {}, Budget(source, _MOST_BYTES)
    for name, (shape, dtype) in layout(config, sizes, extra).items():
        if name in absent:
            continue
        found = member(source, file, name)
        if found.shape != shape or found.dtype != dtype:
            raise FileFormatError(
                f"{source}: {name} is {found.dtype} {found.shape}, expected {np.dtype(dtype)} {shape}; the file was "
                "edited or damaged"
            )
        budget.spend(found)
        arrays[name] = found[()]
    numbers: dict[str, Any] = {}
    for name in NUMBERS:
        if name in absent:
            continue
        value = file.attrs[name]
        if not isinstance(value, np.integer):
            raise FileFormatError(f"{source}: {name} is {short(repr(value), 40)}, expected a whole number")
        numbers[name] = int(value)
    named = from_json(file.attrs["sources"])
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise FileFormatError(f"{source}: sources are no list of names; the file was edited or damaged")
    try:
        chip = ChipRepair(config, formats, RepairWords(**arrays, **numbers), named)
    except ArgumentError as error:
        raise FileFormatError(f"{source}: {error}; the file was edited or damaged") from None
    chip.provenance = dict(from_json(file.attrs["provenance"]))
    return chip


def _extra(source: Path, file: Any) -> tuple[int, int, int]:
    """Return the lengths of what a worth and a second look add."""
    found = []
    for name, axes in (("log", 1), ("worth", 2), ("among", 1)):
        shape = member(source, file, name).shape
        if len(shape) != axes or shape[0] > _MOST_MEMBERS:
            raise FileFormatError(
                f"{source}: {name} has shape {shape}, expected {axes} axes; the file was edited or damaged"
            )
        found.append(int(shape[0]))
    return found[0], found[1], found[2]
