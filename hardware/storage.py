"""A chip grid as one HDF5 file: configuration, formats, integers, provenance.

Layout (schema 1, and 2 of a grid with `share` or `rank`): root attributes `format`, `schema`, `config`, `formats`,
`provenance` (JSON), `activation_scale`; one dataset an array of `IntegerField`, or of `NarrowWords`; group `learner`,
where the chip has learned, with attributes `options` (JSON), `seen` and one dataset an array of its state; group
`rewarded` where it has learned from rewards, with `options` and such datasets. A bank's file has `format`, `schema`,
`provenance`, a dataset `thresholds` and one such group a member: `0`, `1`, ... Metadata and packed data carry
checksums: a damaged byte is found.
"""

from pathlib import Path
from typing import Any

import numpy as np

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError, FileFormatError, LockedError, first_line, short
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.formats import Formats
from localnoise.hardware.learning import OnChip, start
from localnoise.hardware.narrow import NarrowWords
from localnoise.hardware.narrow_ranges import narrow_layout
from localnoise.hardware.network.defense import ChipDefense
from localnoise.hardware.network.defense_saving import DEFENSE
from localnoise.hardware.network.program import Program
from localnoise.hardware.network.saving import NETWORK
from localnoise.hardware.network.stored import read_program
from localnoise.hardware.ranges import layout, refuse_state
from localnoise.hardware.repair import ChipRepair
from localnoise.hardware.repair_reading import read_repair
from localnoise.hardware.repair_saving import REPAIR, REPAIR_SCHEMA
from localnoise.hardware.rewarding import OnChipReward, begin, refuse_rewarded
from localnoise.hardware.saving import BANK, FORMAT, NARROW_SCHEMA, SCHEMA
from localnoise.hardware.texts import from_json
from localnoise.hardware.words import IntegerField
from localnoise.hdf5 import member, reading
from localnoise.validate import as_count, whole

Chip = ChipGrid | ChipBank | ChipRepair | Program | ChipDefense
_FLOAT = ("localnoise.grid", "localnoise.bank", "localnoise.repair")  # what can be quantised
_MOST_MEMBERS = 10_000


def load_chip(path: str | Path) -> ChipGrid:
    """Read a chip grid that `ChipGrid.save` wrote: the same words, to the bit.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    ChipGrid
        With its learner's state, if the file holds it.

    Raises
    ------
    FileFormatError
        The file is missing, truncated, foreign, of another schema, or inconsistent; the message says which.
    """
    chip: ChipGrid = _opened(Path(path), (FORMAT,))
    return chip


def load_chips(path: str | Path) -> Chip:
    """Read a chip grid, a bank of them, a repair, a network, or one with its defense: the same words, to the bit.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    ChipGrid, ChipBank, ChipRepair, Program or ChipDefense
        What the file says that it holds.

    Raises
    ------
    FileFormatError
        As `load_chip`.
    """
    chip: Chip = _opened(Path(path), (FORMAT, BANK, REPAIR, NETWORK, DEFENSE))
    return chip


def _opened(source: Path, allowed: tuple[str, ...]) -> Any:
    try:
        with reading(source, "a chip grid written by `localnoise quantise`") as file:
            return _any(source, file, allowed)
    except (FileFormatError, LockedError):
        raise
    except Exception as error:  # whatever a damaged file makes HDF5, JSON or the grid say
        raise FileFormatError(
            f"{source}: damaged or not HDF5 ({first_line(error)}); restore it or quantise again"
        ) from error


def _kind(source: Path, group: Any, allowed: tuple[str, ...]) -> str:
    """Return the format of a file, or of a group, if it is one of those and of our schema."""
    found = group.attrs.get("format")
    found = found.decode() if isinstance(found, bytes) else found
    if found not in allowed:
        hint = "; use localnoise.hardware.load_chips" if found in (BANK, REPAIR, NETWORK, DEFENSE) else ""
        hint = "; quantise it first: localnoise quantise" if found in _FLOAT else hint
        raise FileFormatError(f"{source}: format {short(repr(found), 60)}, expected {FORMAT!r}{hint}")
    schema, newest = int(group.attrs.get("schema", -1)), {BANK: SCHEMA, REPAIR: REPAIR_SCHEMA}.get(found, NARROW_SCHEMA)
    if not SCHEMA <= schema <= newest:
        raise FileFormatError(
            f"{source}: schema {schema}, this version reads {SCHEMA} to {newest}; use the version that wrote it"
        )
    return str(found)


def _any(source: Path, file: Any, allowed: tuple[str, ...]) -> Any:
    """Return what a file, or a group of one, holds, if it is of these formats."""
    readers = {BANK: _read_bank, REPAIR: read_repair, NETWORK: read_program, DEFENSE: _read_defense}
    return readers.get(_kind(source, file, allowed), _read)(source, file)


def _read_defense(source: Path, file: Any) -> ChipDefense:
    program = _any(source, member(source, file, "network"), (NETWORK,))
    chip = _any(source, member(source, file, "chip"), (FORMAT, BANK, REPAIR))
    count = int(file.attrs.get("later", 0))
    later = [_any(source, member(source, file, f"later {k}"), (REPAIR,)) for k in range(count)]
    numbers = {name: int(file.attrs[name]) for name in ("draws", "vote", "seed")}
    try:
        vote, seed = bool(numbers["vote"]), numbers["seed"]
        found = ChipDefense(program, chip, numbers["draws"], vote=vote, seed=seed, later=later)
    except ArgumentError as error:
        raise FileFormatError(f"{source}: {error}; the file was edited or damaged") from None
    found.provenance = dict(from_json(file.attrs["provenance"]))
    return found


def _read_bank(source: Path, file: Any) -> ChipBank:
    found = member(source, file, "thresholds")
    if found.dtype != np.uint64 or found.ndim != 1 or not 0 < len(found) <= _MOST_MEMBERS:
        raise FileFormatError(
            f"{source}: thresholds is {found.dtype} {found.shape}, expected uint64, one a member; the file was edited "
            "or damaged"
        )
    members = []
    for index in range(len(found)):
        group = member(source, file, str(index))
        _kind(source, group, (FORMAT,))
        members.append(_read(source, group))
    try:
        bank = ChipBank(members, found[()].tolist())
    except ArgumentError as error:
        raise FileFormatError(f"{source}: {error}; the file was edited or damaged") from None
    bank.provenance = dict(from_json(file.attrs["provenance"]))
    return bank


def _read(source: Path, file: Any) -> ChipGrid:
    config, formats = GridConfig.of_file(from_json(file.attrs["config"])), Formats(**from_json(file.attrs["formats"]))
    slots = [
        slot_count(source, name, member(source, file, name).shape, config.units) for name in ("parents", "readers")
    ]
    shapes = layout(config, *slots)
    if config.narrow:
        sizes = [class_count(source, name, member(source, file, name).shape, config) for name in ("past", "factor")]
        shapes = narrow_layout(config, slots[0], slots[1], sizes[0], sizes[1])
    arrays = {name: stored(source, file, name, shape, dtype) for name, (shape, dtype) in shapes.items()}
    chip = checked_chip(source, config, formats, arrays, file.attrs["activation_scale"])
    chip.provenance = dict(from_json(file.attrs["provenance"]))
    if "learner" in file and not config.narrow:
        group = member(source, file, "learner")
        rule = OnChip(**from_json(group.attrs["options"]))
        fresh = start(chip.field, formats, rule)
        state = {"seen": as_count("seen", group.attrs["seen"].item())}
        for name, expected in fresh.items():
            if name != "seen":
                state[name] = stored(source, group, name, expected.shape, expected.dtype)
        give_state(source, chip, rule, state)
    if "rewarded" in file and not config.narrow:
        _give_rewarded(source, chip, member(source, file, "rewarded"))
    return chip


def _give_rewarded(source: Path, chip: ChipGrid, group: Any) -> None:
    rule = OnChipReward(**from_json(group.attrs["options"]))
    fresh = begin(chip.field, chip.formats, rule)
    state = {name: stored(source, group, name, of.shape, of.dtype) for name, of in fresh.items()}
    try:
        refuse_rewarded(chip.field, chip.formats, rule, state, chip.config.shape[1])
    except ArgumentError as error:
        raise FileFormatError(f"{source}: {error}; the file was edited or damaged") from None
    chip.rewarded = rule, state


def slot_count(source: Path, name: str, shape: tuple[int, ...], units: int) -> int:
    """Return how many slots an array (N, slots) has, if a grid of N units can have as many."""
    if len(shape) != 2 or shape[1] > 4 * units + 25:  # twice as many offsets as units in each direction, and hubs
        raise FileFormatError(
            f"{source}: {name} has shape {shape}, expected ({units}, at most {4 * units + 25}); the file was edited or "
            "damaged"
        )
    return int(shape[1])


def class_count(source: Path, name: str, shape: tuple[int, ...], config: GridConfig) -> int:
    """Return how many classes or factors an array (classes, ., .) has, if its units can have as many."""
    if len(shape) != 3 or not 0 < shape[0] <= config.units:
        raise FileFormatError(
            f"{source}: {name} has shape {shape}, expected one row for each of at most {config.units} classes; the "
            "file was edited or damaged"
        )
    return int(shape[0])


def checked_chip(
    source: Path, config: GridConfig, formats: Formats, arrays: dict[str, Any], activation_scale: Any
) -> ChipGrid:
    """Return the chip grid of arrays that a file holds.

    Raises
    ------
    FileFormatError
        No sweep could run, or an integer is out of its range: the file was edited or damaged.
    """
    said = activation_scale.item() if isinstance(activation_scale, np.generic) else activation_scale
    try:
        scale = whole(said)
        if scale is None:
            raise ArgumentError(f"activation_scale={short(said, 40)}: expected a whole number")
        kind = NarrowWords if config.narrow else IntegerField
        return ChipGrid(config, formats, kind(**arrays, activation_scale=scale))
    except ArgumentError as error:
        raise FileFormatError(f"{source}: {error}; the file was edited or damaged") from None


def give_state(source: Path, chip: ChipGrid, rule: OnChip, state: dict[str, Any]) -> None:
    """Let `chip` go on learning from a state that a file holds; raises as `checked_chip`."""
    try:
        refuse_state(chip.formats, chip.field, rule.extra, state, chip.config.shape[1])
    except ArgumentError as error:
        raise FileFormatError(f"{source}: {error}; the file was edited or damaged") from None
    chip.rule, chip.state = rule, state


def stored(source: Path, group: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """Read an array that must have this shape and type; a FileFormatError says what else it has."""
    found = member(source, group, name)
    if found.shape != shape or found.dtype != dtype:
        raise FileFormatError(
            f"{source}: {name} is {found.dtype} {found.shape}, expected {dtype} {shape} for its configuration; "
            "the file was edited or damaged"
        )
    return found[()]
