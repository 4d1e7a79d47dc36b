"""A grid as one HDF5 file: configuration, topology, weights, gain, the rule and its state, provenance.

Layout (schema 2): root attributes `format`, `schema`, `config` (JSON), `provenance` (JSON), and `wiring` = "own" where
the wires are not those that the configuration implies; datasets `order`, `parents`, `readers`, `a`, `G`, `B`, `S`,
`gain`; group `rule` with attributes `name`, `options` (JSON), `seen` and one dataset a statistic. Metadata and packed
data carry checksums, so that a damaged byte is found. What could not be loaded again is refused before it is written.
"""

import json
import platform
from copy import copy
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError, FileFormatError, LockedError, NotJsonError, TooLargeError, first_line
from localnoise.field import Field
from localnoise.files import hdf5
from localnoise.hdf5 import Budget, member, reading
from localnoise.rules import RULES, make_rule
from localnoise.soundness import ARRAYS, WIRES, check_grid, is_ours, layout, misfit, not_finite, unsound
from localnoise.validate import as_count

if TYPE_CHECKING:
    from localnoise.grid import UnitGrid

FORMAT, SCHEMA = "localnoise.grid", 2
MAX_BYTES = 4 * 2**30  # of a grid's arrays
_LITTLE = 2**24  # bytes that no configuration is refused for
_CHECKSUMMED = ("v110", "v110")  # earlier file formats have no checksums over metadata


def save(grid: "UnitGrid", path: str | Path, *, state: bool) -> Path:
    """Write `grid` to `path`; see `UnitGrid.save`."""
    rule = grid.rule
    if rule is not None and not is_ours(rule):
        if state:
            raise ArgumentError(
                f"rule {rule.name!r} is not one of localnoise's ({', '.join(RULES)}): load could not go on "
                "learning with it; save the weights alone, with state=False"
            )
        grid = copy(grid)
        grid.provenance = grid.provenance | {"rule": rule.name}  # the file says what learned it
        rule = None
    check_grid(grid, state=state and rule is not None)
    attributes = {name: _packed(name, value) for name, value in _documents(grid).items()}
    options = b"" if rule is None else _packed("rule", vars(rule))
    with hdf5(path, libver=_CHECKSUMMED) as file:
        file.attrs.update({"format": np.bytes_(FORMAT), "schema": SCHEMA} | attributes)
        if grid.field.wires != grid.implied:
            file.attrs["wiring"] = np.bytes_("own")
        for name in ARRAYS:
            _write(file, name, getattr(grid.field, name))
        if rule is not None and grid.state is not None:
            group = file.create_group("rule")
            group.attrs.update({"name": np.bytes_(rule.name), "options": options})
            group.attrs["seen"] = grid.state["seen"]
            for name, value in grid.state.items() if state else ():
                if name != "seen":
                    _write(group, name, value)
    return Path(path)


def load(path: str | Path, max_bytes: int = MAX_BYTES) -> "UnitGrid":
    """Read a grid that `UnitGrid.save` wrote; sampling, scoring and learning go on as if it had never been away.

    Raises
    ------
    FileFormatError
        The file is missing, truncated, foreign, of another schema, or inconsistent; the message says which.
    LockedError
        Another process holds it, or its file system has no locks.
    TooLargeError
        The grid would take more than `max_bytes`.
    """
    source = Path(path)
    try:
        with reading(source, "a grid written by UnitGrid.save") as file:
            found = _text(file.attrs.get("format"))
            if found != FORMAT:
                raise FileFormatError(
                    f"{source}: format {found!r}, expected {FORMAT!r}; is this a record or another tool's file?"
                )
            schema = file.attrs.get("schema")
            schema = schema.item() if isinstance(schema, np.generic) else schema
            if schema != SCHEMA:
                raise FileFormatError(
                    f"{source}: schema {schema!r}, this version reads {SCHEMA}; use the version that wrote it"
                )
            return _read_grid(source, file, Budget(source, max_bytes))
    except (FileFormatError, LockedError, TooLargeError):
        raise
    except Exception as error:  # whatever a damaged file makes HDF5, JSON or the grid say
        raise FileFormatError(
            f"{source}: damaged or not HDF5 ({first_line(error)}); restore it or learn it again"
        ) from error


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


def _documents(grid: "UnitGrid") -> dict[str, Any]:
    if not isinstance(grid.provenance, dict):
        raise ArgumentError(f"provenance is {type(grid.provenance).__name__}: expected a dict of what JSON can hold")
    return {"config": asdict(grid.config), "provenance": versions() | grid.provenance}


def _packed(argument: str, value: dict[str, Any]) -> np.bytes_:
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


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _write(group: Any, name: str, value: Any) -> None:
    array = np.asarray(value)
    packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if array.size else {}
    group.create_dataset(name, data=array, **packed)


def _read_grid(source: Path, file: Any, budget: Budget) -> "UnitGrid":
    from localnoise.grid import UnitGrid

    config = GridConfig(**json.loads(file.attrs["config"]))
    slots = [member(source, file, name).shape[-1] for name in ("parents", "readers")]
    stored = {name: _stored(source, file, name, *expected) for name, expected in layout(config, *slots).items()}
    for data in stored.values():
        budget.spend(data)
    own = "wiring" in file.attrs
    if config.bytes > (budget.most if own else max(_LITTLE, 8 * budget.used)):  # before its wires are made
        raise FileFormatError(
            f"{source}: its configuration is of a grid of {config.bytes / 2**20:,.0f} MiB, its arrays take "
            f"{budget.used / 2**20:,.0f} MiB; the file was edited or damaged"
        )
    grid = UnitGrid(**asdict(config))
    grid.provenance = dict(json.loads(file.attrs["provenance"]))
    arrays = {name: data[()] for name, data in stored.items()}
    for name in () if own else WIRES:
        if not np.array_equal(arrays[name], getattr(grid.field, name)):
            raise FileFormatError(
                f"{source}: {name} differs from what its configuration implies; the file was edited or damaged"
            )
    field = Field(**arrays)
    _refuse(source, unsound(config, field))
    grid.field = field
    if "rule" in file:
        _read_rule(source, member(source, file, "rule"), grid, budget)
    return grid


def _stored(source: Path, group: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """Return the data set, unread, if it is as expected."""
    found = member(source, group, name)
    _refuse(source, misfit(name, found, shape, dtype))
    return found


def _refuse(source: Path, fault: str) -> None:
    if fault:
        raise FileFormatError(f"{source}: {fault}; the file was edited or damaged")


def _read_rule(source: Path, group: Any, grid: "UnitGrid", budget: Budget) -> None:
    name = _text(group.attrs["name"])
    if name not in RULES:
        raise FileFormatError(f"{source}: rule {name!r} is unknown to this version; expected one of {', '.join(RULES)}")
    grid.rule = rule = make_rule(name, **json.loads(group.attrs["options"]))
    if not len(group):  # saved without its state: the weights serve, further learning starts afresh
        return
    state = rule.start(grid.field)
    for key, value in state.items():
        if key == "seen":
            state[key] = as_count("seen", group.attrs[key].item())
        else:
            data = _stored(source, group, key, value.shape, value.dtype)
            budget.spend(data)
            state[key] = data[()]
            _refuse(source, not_finite(key, state[key]))
    grid.state, grid.learned = state, grid.field.wires
