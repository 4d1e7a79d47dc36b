"""Writing a grid's file: see `localnoise.storage` for its layout."""

import json
import platform
from copy import copy
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.errors import ArgumentError, NotJsonError
from localnoise.files import hdf5
from localnoise.parts import GridParts
from localnoise.rules import RULES
from localnoise.rules.base import options_of
from localnoise.soundness import arrays_of, check_grid, is_registered

FORMAT, GRID_SCHEMA, NARROW_SCHEMA = "localnoise.grid", 2, 3  # 3: of a grid with share or rank
CHECKSUMMED = ("v110", "v110")  # earlier file formats have no checksums over metadata


def save(grid: GridParts, path: str | Path, *, state: bool) -> Path:
    """Write `grid` to `path`; see `UnitGrid.save`."""
    with hdf5(path, libver=CHECKSUMMED) as file:
        write_grid(file, grid, state=state)
    return Path(path)


def write_grid(file: Any, grid: GridParts, *, state: bool) -> None:
    """Write `grid` into a group of a file, or a whole file."""
    rule = grid.rule
    if rule is not None and not is_registered(rule):
        if state:
            raise ArgumentError(
                f"rule {rule.name!r} is not one of localnoise's or a plug-in's ({', '.join(RULES)}): load could not go "
                f"on learning with it; register its class, @localnoise.rules.register({rule.name!r}), or save the "
                "weights alone, with state=False"
            )
        grid = copy(grid)
        grid.provenance = grid.provenance | {"rule": rule.name}  # the file says what learned it
        rule = None
    check_grid(grid, state=state and rule is not None)
    attributes = {name: packed(name, value) for name, value in _documents(grid).items()}
    options = b"" if rule is None else packed("rule", options_of(rule))
    schema = NARROW_SCHEMA if grid.config.narrow else GRID_SCHEMA
    file.attrs.update({"format": np.bytes_(FORMAT), "schema": schema} | attributes)
    if grid.implied is None or grid.field.wires != grid.implied:
        file.attrs["wiring"] = np.bytes_("own")
    for name in arrays_of(grid.config):
        write_array(file, name, getattr(grid.field, name))
    if rule is not None and grid.state is not None:
        group = file.create_group("rule")
        group.attrs.update({"name": np.bytes_(rule.name), "options": options})
        group.attrs["seen"] = grid.state["seen"]
        if not RULES.is_ours(rule.name):
            group.attrs["plugin"] = packed("plugin", asdict(RULES.origin(rule.name)))
        for name, value in grid.state.items() if state else ():
            if name != "seen":
                write_array(group, name, value)


def versions() -> dict[str, Any]:
    """Return what wrote a file: package versions, Python, time (UTC)."""
    return _packages() | {"written": datetime.now(UTC).isoformat(timespec="seconds")}


@cache
def _packages() -> dict[str, Any]:
    found = {"python": platform.python_version()}
    for package in ("localnoise", "numpy", "numba", "h5py"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _documents(grid: GridParts) -> dict[str, Any]:
    if not isinstance(grid.provenance, dict):
        raise ArgumentError(f"provenance is {type(grid.provenance).__name__}: expected a dict of what JSON can hold")
    return {"config": grid.config.plain(), "provenance": versions() | grid.provenance}


def packed(argument: str, value: dict[str, Any]) -> np.bytes_:
    """JSON as a string of fixed length: HDF5 keeps those of variable length apart, without a checksum."""
    try:
        return np.bytes_(json.dumps(value))
    except (TypeError, ValueError, RecursionError) as error:
        wrong = next((f"[{name!r}]" for name, part in value.items() if not _is_json(part)), "")
        raise NotJsonError(
            f"{argument}{wrong} cannot be written as JSON ({error}): expected texts, Python's own numbers, lists, dicts"
        ) from error


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def write_array(group: Any, name: str, value: Any) -> None:
    """Write an array, compressed, with a checksum."""
    array = np.asarray(value)
    how = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if array.size else {}
    group.create_dataset(name, data=array, **how)
