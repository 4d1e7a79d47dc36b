"""A grid as one HDF5 file: configuration, topology, weights, gain, the rule and its state, provenance.

Layout (schema 2): root attributes `format`, `schema`, `config` (JSON), `provenance` (JSON); datasets `order`,
`parents`, `readers`, `a`, `G`, `B`, `S`, `gain`; group `rule` with attributes `name`, `options` (JSON), `seen` and one
dataset a statistic. Metadata and packed data carry checksums, so that a damaged byte is found.
"""

import json
import platform
from dataclasses import asdict, fields
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from localnoise.config import GridConfig
from localnoise.errors import FileFormatError
from localnoise.field import Field
from localnoise.files import hdf5
from localnoise.rules import RULES, make_rule
from localnoise.validate import as_count

if TYPE_CHECKING:
    from localnoise.grid import UnitGrid

FORMAT, SCHEMA = "localnoise.grid", 2
_ARRAYS = tuple(field.name for field in fields(Field))
_CHECKSUMMED = ("v110", "v110")  # earlier file formats have no checksums over metadata


def save(grid: "UnitGrid", path: str | Path, *, state: bool) -> Path:
    """Write `grid` to `path`; see `UnitGrid.save`."""
    with hdf5(path, libver=_CHECKSUMMED) as file:
        file.attrs.update({"format": np.bytes_(FORMAT), "schema": SCHEMA})
        file.attrs["config"] = _packed(asdict(grid.config))
        file.attrs["provenance"] = _packed(versions() | grid.provenance)
        for name in _ARRAYS:
            _write(file, name, getattr(grid.field, name))
        if grid.rule is not None and grid.state is not None:
            group = file.create_group("rule")
            group.attrs.update({"name": np.bytes_(grid.rule.name), "options": _packed(vars(grid.rule))})
            group.attrs["seen"] = grid.state["seen"]
            for name, value in grid.state.items() if state else ():
                if name != "seen":
                    _write(group, name, value)
    return Path(path)


def load(path: str | Path) -> "UnitGrid":
    """Read a grid that `UnitGrid.save` wrote; sampling, scoring and learning go on as if it had never been away.

    Raises
    ------
    FileFormatError
        The file is missing, truncated, foreign, of another schema, or inconsistent; the message says which.
    """
    from localnoise.grid import UnitGrid

    source = Path(path)
    if not source.is_file():
        raise FileFormatError(f"{source}: no such file; expected a grid written by UnitGrid.save")
    try:
        with h5py.File(source, "r") as file:
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
            config = GridConfig(**json.loads(file.attrs["config"]))
            _expect(source, "S", file["S"], (config.units, config.channels, config.channels), config.dtype)
            grid = UnitGrid(**asdict(config))
            grid.provenance = dict(json.loads(file.attrs["provenance"]))
            _read_field(source, file, grid)
            if "rule" in file:
                _read_rule(source, file["rule"], grid)
    except FileFormatError:
        raise
    except Exception as error:  # whatever a damaged file makes HDF5, JSON or the grid say
        raise FileFormatError(
            f"{source}: damaged or not HDF5 ({_first_line(error)}); restore it or learn it again"
        ) from error
    return grid


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


def _packed(value: dict[str, Any]) -> np.bytes_:
    """JSON as a string of fixed length: HDF5 keeps those of variable length apart, without a checksum."""
    return np.bytes_(json.dumps(value))


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _write(group: Any, name: str, value: Any) -> None:
    array = np.asarray(value)
    packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if array.size else {}
    group.create_dataset(name, data=array, **packed)


def _expect(source: Path, name: str, stored: Any, shape: tuple[int, ...], dtype: Any) -> None:
    if stored.shape != shape or stored.dtype != dtype:
        raise FileFormatError(
            f"{source}: {name} is {stored.dtype} {stored.shape}, expected {dtype} {shape} for its configuration; "
            "the file was edited or damaged"
        )


def _read(source: Path, group: Any, name: str, expected: Any) -> Any:
    """Read a finite array of the shape and dtype of `expected`."""
    _expect(source, name, group[name], expected.shape, expected.dtype)
    stored = group[name][()]
    if not np.isfinite(stored).all():
        raise FileFormatError(f"{source}: {name} holds NaN or infinity; the file was edited or damaged")
    return stored


def _read_field(source: Path, file: Any, grid: "UnitGrid") -> None:
    fresh = grid.field
    for name in _ARRAYS:
        expected = getattr(fresh, name)
        stored = _read(source, file, name, expected)
        if stored.dtype == np.int32 and not np.array_equal(stored, expected):
            raise FileFormatError(
                f"{source}: {name} differs from what its configuration implies; the file was edited or damaged"
            )
        expected[...] = stored
    if (np.diagonal(fresh.S, axis1=1, axis2=2) <= 0).any() or (fresh.gain <= 0).any():
        raise FileFormatError(
            f"{source}: S or gain is not positive, so the covariance would not be; the file was edited or damaged"
        )


def _read_rule(source: Path, group: Any, grid: "UnitGrid") -> None:
    name = _text(group.attrs["name"])
    if name not in RULES:
        raise FileFormatError(f"{source}: rule {name!r} is unknown to this version; expected one of {', '.join(RULES)}")
    rule = make_rule(name, **json.loads(group.attrs["options"]))
    grid.rule = rule
    if not len(group):  # saved without its state: the weights serve, further learning starts afresh
        return
    state = rule.start(grid.field)
    for key, value in state.items():
        state[key] = as_count("seen", group.attrs[key].item()) if key == "seen" else _read(source, group, key, value)
    grid.state = state


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
