"""Reading the file of a layer of units, see `localnoise.local.writing`; every number in it is doubted."""

import json
from pathlib import Path
from typing import Any

from localnoise.errors import FileFormatError, listed
from localnoise.hdf5 import Budget, member
from localnoise.local.layer import LocalLayer
from localnoise.local.rules.base import UNIT_RULES, UnitRule
from localnoise.plugins import Origin, missing
from localnoise.soundness import misfit, not_finite


def read(source: Path, file: Any, budget: Budget) -> LocalLayer:
    """Read the layer of an open file; every number in it is doubted.

    Raises
    ------
    FileFormatError
        It was edited or damaged.
    MissingDependencyError
        A plug-in's rule learned it that is not installed.
    """
    config = json.loads(file.attrs["config"])
    units = int(config["shape"][0]) * int(config["shape"][1])
    stored = member(source, file, "W")
    budget.spend(stored)
    if stored.ndim != 3 or stored.shape[::2] != (units, config["channels"]):  # before units of that size are made
        raise _edited(source, f"W has shape {stored.shape}, its configuration {units} units")
    group = member(source, file, "rule")
    layer = LocalLayer(**config, rule=_rule(source, group))
    expected = {"W": layer.W} | {name: value for name, value in layer.state.items() if name != "seen"}
    found: dict[str, Any] = {}
    for name, own in expected.items():
        data = stored if name == "W" else member(source, group, name)
        fault = misfit(name, data, own.shape, own.dtype)
        if fault:
            raise _edited(source, fault)
        if name != "W":
            budget.spend(data)
        found[name] = data[()]
        fault = not_finite(name, found[name])
        if fault:
            raise _edited(source, fault)
    seen = int(group.attrs["seen"])
    if seen < 0 or set(group) != set(expected) - {"W"}:
        raise _edited(source, f"its rule has seen {seen}, and keeps {listed(group) or 'nothing'}")
    layer.W, layer.state = found.pop("W"), {"seen": seen} | found
    layer.provenance = dict(json.loads(file.attrs["provenance"]))
    return layer


def _rule(source: Path, group: Any) -> UnitRule:
    name = group.attrs["name"].decode()
    if name not in UNIT_RULES:
        if "plugin" in group.attrs:
            origin = Origin.read(json.loads(group.attrs["plugin"]))
            raise missing(f"{source}: unit rule {name[:60]!r}", origin, "and read it again")
        raise FileFormatError(
            f"{source}: unit rule {name[:60]!r} is unknown to this version; expected one of {listed(UNIT_RULES)}"
        )
    made: UnitRule = UNIT_RULES[name](**json.loads(group.attrs["options"]))
    return made


def _edited(source: Path, fault: str) -> FileFormatError:
    return FileFormatError(f"{source}: {fault}; the file was edited or damaged")
