"""The fields of a chip profile, and how one figure is read: `{value, source, status}`, or no value at all.

TOML has no null. A figure is one of
    { value = 4096, source = "who says so", status = "datasheet" }     also paper, vendor-doc, tool-source, third-party
    { status = "unknown" }                                             not published: nothing may be concluded from it
    { status = "unlimited", source = "why there is no such limit" }
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localnoise.errors import FileFormatError

PUBLISHED = ("datasheet", "paper", "vendor-doc", "tool-source", "third-party")
STATUSES = (*PUBLISHED, "unknown", "unlimited")
KINDS = ("neuromorphic", "microcontroller", "fpga", "ideal")
_MOST = 1e18  # of any figure
_SHOWN = 60  # characters of what is wrong
NAMES = "names"  # unit of a figure that lists names

_COMMON = {
    "cores": "cores",
    "neurons_per_core": "neurons",
    "neurons": "neurons",
    "weights": "weights",
    "fan_in": "neurons",
    "fan_out": "neurons",
    "axons_in": "axons per core",
    "axons_out": "axons per core",
    "weight_bits": "bits",
    "word_bits": "bits",
    "accumulator_bits": "bits",
    "memory_per_core": "bytes",
    "memory": "bytes",
    "link_length": "hops",
    "messages_per_draw": "words",
    "generators": NAMES,
}
LIMITS = {
    "neuromorphic": _COMMON,
    "microcontroller": {"cores": "cores", "flash": "bytes", "ram": "bytes"},
    "fpga": {"logic_cells": "cells", "block_ram": "bits", "single_port_ram": "bits", "multipliers": "blocks"},
    "ideal": _COMMON,
}
OPTIONAL = ("single_port_ram",)  # absent: the chip has none
ENERGIES = ("synapse", "update", "access", "message", "hop", "random")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number of a chip with its standing.

    Attributes
    ----------
    value : int, float, tuple of str, or None
        None where it is unknown or unlimited; `status` tells which.
    unit, source, status : str
    """

    value: float | tuple[str, ...] | None
    unit: str
    source: str
    status: str

    @property
    def number(self) -> float | None:
        """The value; infinity where unlimited, None where unknown or not a number."""
        if self.status == "unlimited":
            return float("inf")
        return None if isinstance(self.value, tuple) else self.value


def fail(path: Path, field: str, found: str, expected: str) -> FileFormatError:
    """The one sentence of a schema error."""
    shown, there = (text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..." for text in (field, found))
    return FileFormatError(f"{path}: {shown} {there}: expected {expected}")


def check_keys(path: Path, where: str, table: Mapping[str, Any], allowed: Iterable[str], required: bool) -> None:
    """Refuse unknown keys, with the nearest name, and missing ones where all are required."""
    names = list(allowed)
    prefix = f"{where}." if where else ""
    for key in table:
        if key not in names:
            near = difflib.get_close_matches(key[:_SHOWN], names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise fail(path, prefix + key, "is unknown", f"one of {', '.join(names)}{hint}")
    for key in names if required else ():
        if key not in table and key not in OPTIONAL:
            fix = 'a figure, { status = "unknown" } if it is not published' if where else "it to be present"
            raise fail(path, prefix + key, "is missing", fix)


def table_of(path: Path, where: str, value: Any) -> dict[str, Any]:
    """Return `value` if it is a table."""
    if not isinstance(value, dict):
        raise fail(path, where, f"is {value!r}", "a table")
    return value


def text_of(path: Path, where: str, value: Any) -> str:
    """Return `value` if it is a text that says something."""
    if not isinstance(value, str) or not value.strip():
        raise fail(path, where, f"is {value!r}", "a text that is not empty")
    return value


def read_figure(path: Path, where: str, raw: Any, unit: str | None) -> Figure:
    """Read one figure; with `unit` None the figure states its own.

    Raises
    ------
    FileFormatError
        Naming file and field: unknown key, bad status, missing source, missing or superfluous value, wrong type.
    """
    table = table_of(path, where, raw)
    own = ("unit",) if unit is None else ()
    check_keys(path, where, table, ("value", "source", "status", *own), required=False)
    status = table.get("status")
    if status not in STATUSES:
        near = difflib.get_close_matches(str(status)[:_SHOWN], STATUSES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise fail(path, f"{where}.status", f"is {status!r}", f"one of {', '.join(STATUSES)}{hint}")
    if status != "unknown" and "source" not in table:
        raise fail(path, f"{where}.source", "is missing", f"who says so, as status is {status!r}")
    source = text_of(path, f"{where}.source", table["source"]) if "source" in table else ""
    if unit is None:
        unit = text_of(path, f"{where}.unit", table.get("unit"))
    value = table.get("value")
    if status in ("unknown", "unlimited"):
        if value is not None:
            raise fail(path, f"{where}.value", f"is {value!r}", f"no value, as status is {status!r}")
        return Figure(value=None, unit=unit, source=source, status=status)
    if value is None:
        raise fail(path, f"{where}.value", "is missing", f"a value, as status is {status!r}")
    return Figure(value=_value(path, f"{where}.value", value, unit), unit=unit, source=source, status=status)


def _value(path: Path, where: str, value: Any, unit: str) -> float | tuple[str, ...]:
    if unit == NAMES:
        if not (isinstance(value, list) and value and all(isinstance(name, str) for name in value)):
            raise fail(path, where, f"is {value!r}", "a list of names")
        return tuple(value)
    real = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _MOST
    fractions = unit in ("pJ", "Hz", "W", "J")
    if not real or not value > 0 or (not fractions and value != int(value)):
        raise fail(
            path, where, f"is {value!r}", f"a {'' if fractions else 'whole '}number of {unit} above 0, below {_MOST:g}"
        )
    return value if fractions else int(value)
