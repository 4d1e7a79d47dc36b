"""Reading the file of a repair: see `localnoise.repair.writing` for its layout. Every number in it is doubted."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.errors import ArgumentError, FileFormatError
from localnoise.hdf5 import Budget, member
from localnoise.repair.gate import Gate
from localnoise.repair.member import KEPT, Member
from localnoise.repair.repairer import Repair
from localnoise.repair.worth import Worth
from localnoise.soundness import not_finite
from localnoise.validate import as_count

_MOST = 100_000  # members that are read
_ALIKE = 3  # the last schema in which all sources are asked for the same worth


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
            if held is not None and (held.config != blank.config or held.field.wires != blank.field.wires):
                raise FileFormatError(f"{source}: {part} of member {index} has another layout; the file was edited")
        centre = array_in(source, group, "centre", (c.channels, *c.shape), c.dtype)
        budget.spend(centre)
        kept = np.empty((0, c.channels, *c.shape), np.float16)
        if state and "kept" in group:
            found = member(source, group, "kept")
            length = min(int(found.shape[0]), KEPT) if found.ndim else 0
            dtype = np.float16 if found.dtype == np.float16 else c.dtype
            stored = array_in(source, group, "kept", (length, c.channels, *c.shape), dtype)
            budget.spend(stored)
            kept = stored[()]
        _check(source, name, centre[()], back, index, kept)
        members.append(Member(source=name, law=law, centre=centre[()], back=back, kept=kept))
    margins, among = _decided(source, file, [one.source for one in members])
    there = sum(one.source in among for one in members)
    repair.restore(
        members=members,
        gate=_gate(source, file, "gate", count, array_in),
        among_gate=_gate(source, file, "among_gate", there, array_in) if among else None,
        margin=_number(source, file.attrs["margin"]),
        margins=margins,
        among=among,
        worth=_worth(source, file, len({one.source for one in members}), array_in) if "worth" in file else None,
    )
    repair.provenance = dict(json.loads(file.attrs["provenance"]))
    return repair


def _check(source: Path, name: Any, centre: Any, back: Any, index: int, kept: Any) -> None:
    fault = not_finite("centre", centre) or not_finite("kept", kept)
    if not isinstance(name, str) or (name == "clean" and back is not None) or (index == 0) != (name == "clean"):
        fault = f"member {index} is no source, or the first is not 'clean'"
    if fault:
        raise FileFormatError(f"{source}: {fault}; the file was edited or damaged")


def _gate(source: Path, file: Any, name: str, count: int, array_in: Callable[..., Any]) -> Gate:
    numbers = array_in(source, file, name, (3 * count + 1,), np.float64)[()]
    bias, low, high = numbers[:-1].reshape(3, count)
    if not (np.isfinite(bias).all() and np.isfinite(numbers[-1]) and numbers[-1] >= 0 and (low <= high).all()):
        raise FileFormatError(f"{source}: {name} holds what is no gate; the file was edited or damaged")
    return Gate(scale=float(numbers[-1]), bias=bias, low=low, high=high)


def _worth(source: Path, file: Any, count: int, array_in: Callable[..., Any]) -> Worth:
    asked = count if int(file.attrs["schema"]) > _ALIKE else 0
    numbers = array_in(source, file, "worth", (count * (count + 1) + asked + 1,), np.float64)[()]
    offset, slope, more, (least,) = np.split(numbers, np.cumsum([count, count**2, asked]))
    if not (np.isfinite(numbers).all() and 0 <= least < 1 and (more >= 0).all()):
        raise FileFormatError(f"{source}: worth holds what is none; the file was edited or damaged")
    more = more if asked else np.zeros(count)
    return Worth(offset=offset, slope=slope.reshape(count, count), least=float(least), more=more)


def _decided(source: Path, file: Any, known: list[str]) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return the margins, and the sources that are decided anew; neither is in a file of schema 1."""
    if "margins" not in file.attrs:
        return {}, ()
    margins, said = json.loads(file.attrs["margins"]), json.loads(file.attrs["among"])
    among = said.get("sources") if isinstance(said, dict) else None
    if not isinstance(margins, dict) or not isinstance(among, list) or not {*margins, *map(str, among)} <= {*known}:
        raise FileFormatError(f"{source}: margins or among name no sources of it; the file was edited or damaged")
    if among and among[0] != known[0]:
        raise FileFormatError(f"{source}: margins or among leave clean out; the file was edited or damaged")
    return {name: _number(source, value) for name, value in margins.items()}, tuple(dict.fromkeys(among))


def _number(source: Path, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise FileFormatError(f"{source}: a margin is {value!r}; expected a finite number; the file was edited")
    return number
