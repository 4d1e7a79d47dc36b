"""A repair as one HDF5 file (format localnoise.repair, schema 1).

Attributes `options` (JSON: those of `Repair`), `margin`, `members` (how many), `provenance` (JSON); data set `gate`,
(3 J + 1,): bias, low, high of J members, and the scale. Groups `0`, `1`, ...: attribute `source`, data sets `centre`
(C, H, W) and, with state, `kept`; groups `law` and, but for clean, `back`, which are grids as `localnoise.storage` has
them. Without state neither grids nor gate go on learning: the gate's numbers are those of the file.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.errors import ArgumentError, FileFormatError
from localnoise.files import hdf5
from localnoise.hdf5 import Budget, member
from localnoise.repair.gate import Gate
from localnoise.repair.member import Member
from localnoise.repair.repairer import KEPT, Repair
from localnoise.saving import CHECKSUMMED, packed, versions, write_array, write_grid
from localnoise.soundness import not_finite
from localnoise.validate import as_count

FORMAT, SCHEMA = "localnoise.repair", 1
_MOST = 100_000  # members that are read


def save(repair: Repair, path: str | Path, *, state: bool) -> Path:
    """Write a repair to `path`; see `Repair.save`."""
    gate = repair.fitted_gate
    c = repair.config
    options = {
        "shape": list(c.shape), "channels": c.channels, "radius": repair.radius, "parents": repair.parents,
        "ridge": repair.ridge, "width": repair.width, "share": repair.share, "boundary": c.boundary, "dtype": c.dtype,
    }  # fmt: skip
    said = {"options": options, "provenance": versions() | repair.provenance}
    attributes = {name: packed(name, value) for name, value in said.items()}
    with hdf5(path, libver=CHECKSUMMED) as file:
        file.attrs.update({"format": np.bytes_(FORMAT), "schema": SCHEMA} | attributes)
        file.attrs.update({"margin": float(repair.margin), "members": len(repair.members)})
        write_array(file, "gate", np.concatenate([gate.bias, gate.low, gate.high, [gate.scale]]))
        for index, one in enumerate(repair.members):
            group = file.create_group(str(index))
            group.attrs["source"] = packed("source", {"name": one.source})
            write_array(group, "centre", one.centre)
            if state:
                write_array(group, "kept", one.kept)
            write_grid(group.create_group("law"), one.law, state=state)
            if one.back is not None:
                write_grid(group.create_group("back"), one.back, state=state)
    return Path(path)


def read(
    source: Path,
    file: Any,
    budget: Budget,
    state: bool,
    grid: Callable[[Any], Any],
    array_in: Callable[..., Any],
) -> Repair:
    """Read the repair of an open file. `grid` reads the grid of a group; `array_in` a data set, checked."""
    options = json.loads(file.attrs["options"])
    try:
        repair = Repair(tuple(options.pop("shape")), **options)
    except (ArgumentError, TypeError, KeyError) as error:
        raise FileFormatError(f"{source}: options of its repair: {error}; the file was edited or damaged") from None
    count = as_count("members", file.attrs["members"].item())
    if count > _MOST:
        raise FileFormatError(f"{source}: {count:,} members; expected at most {_MOST:,}; the file was edited")
    c, members = repair.config, []
    for index in range(count):
        group = member(source, file, str(index))
        name = json.loads(group.attrs["source"])["name"]
        law, back = grid(member(source, group, "law")), None
        if "back" in group:
            back = grid(member(source, group, "back"))
        for part, blank, held in (("law", repair.blank_law, law), ("back", repair.blank_back, back)):
            if held is not None and held.config != blank.config:
                raise FileFormatError(f"{source}: {part} of member {index} has another layout; the file was edited")
        centre = array_in(source, group, "centre", (c.channels, *c.shape), c.dtype)
        budget.spend(centre)
        kept = np.empty((0, c.channels, *c.shape), np.float16)
        if state and "kept" in group:
            found = member(source, group, "kept")
            length = min(int(found.shape[0]), KEPT) if found.ndim else 0
            stored = array_in(source, group, "kept", (length, c.channels, *c.shape), np.float16)
            budget.spend(stored)
            kept = stored[()]
        _check(source, name, centre[()], back, index, kept)
        members.append(Member(source=name, law=law, centre=centre[()], back=back, kept=kept))
    numbers = array_in(source, file, "gate", (3 * count + 1,), np.float64)[()]
    bias, low, high = numbers[:-1].reshape(3, count)
    if not (np.isfinite(bias).all() and np.isfinite(numbers[-1]) and numbers[-1] >= 0 and (low <= high).all()):
        raise FileFormatError(f"{source}: gate holds what is no gate; the file was edited or damaged")
    repair.restore(members, Gate(scale=float(numbers[-1]), bias=bias, low=low, high=high), float(file.attrs["margin"]))
    repair.provenance = dict(json.loads(file.attrs["provenance"]))
    return repair


def _check(source: Path, name: Any, centre: Any, back: Any, index: int, kept: Any) -> None:
    fault = not_finite("centre", centre) or not_finite("kept", kept)
    if not isinstance(name, str) or (name == "clean") != (back is None) or (index == 0) != (name == "clean"):
        fault = f"member {index} is no source, or the first is not 'clean'"
    if fault:
        raise FileFormatError(f"{source}: {fault}; the file was edited or damaged")
