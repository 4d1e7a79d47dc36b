"""A grid as one HDF5 file: configuration, topology, weights, gain, the rule and its state, provenance.

Layout (schema 2, and 3 of a grid with `share` or `rank`): root attributes `format`, `schema`, `config` (JSON),
`provenance` (JSON), and `wiring` = "own" where the wires are not those that the configuration implies; datasets
`order`, `parents`, `readers`, `a`, `G`, `B`, `S`, `gain`, in schema 3 those of `narrow.ARRAYS`; group `rule` with
attributes `name`, `options` (JSON), `seen`, one dataset a statistic, and, where a plug-in's rule learned it, `plugin`
(JSON: module, distribution, version). Metadata and packed data carry checksums, so that a damaged byte is found. What
could not be loaded again is refused before it is written (`localnoise.saving`).
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.config import AbsentOrder, GridConfig
from localnoise.errors import (
    FileFormatError,
    LockedError,
    MissingDependencyError,
    PluginError,
    TooLargeError,
    first_line,
    listed,
)
from localnoise.field import Field
from localnoise.grid import UnitGrid
from localnoise.hdf5 import Budget, member, reading
from localnoise.narrow import NarrowField
from localnoise.orders import ORDERS
from localnoise.plugins import Origin, missing
from localnoise.rules import RULES, Rule, make_rule
from localnoise.rules.base import State, begun
from localnoise.saving import FORMAT, NARROW, SCHEMA
from localnoise.saving import save as save
from localnoise.saving import versions as versions
from localnoise.soundness import WIRES, layout, misfit, not_finite, unsound
from localnoise.validate import as_count

MAX_BYTES = 4 * 2**30  # of a grid's arrays
_LITTLE = 2**24  # bytes that no configuration is refused for


def load(path: str | Path, max_bytes: int = MAX_BYTES, *, state: bool = True) -> UnitGrid:
    """Read a grid that `UnitGrid.save` wrote; sampling, scoring and learning go on as if it had never been away.

    Parameters
    ----------
    path : str or Path
    max_bytes : int
        Most that the grid's arrays may take.
    state : bool
        False: read the weights alone, not the statistics of the rule that learned them. The grid draws and scores, and
        learning begins afresh from the weights. The rule need not be installed.

    Raises
    ------
    FileFormatError
        The file is missing, truncated, foreign, of another schema, or inconsistent; the message says which.
    LockedError
        Another process holds it, or its file system has no locks.
    TooLargeError
        The grid would take more than `max_bytes`.
    MissingDependencyError
        A plug-in's rule learned it that is not installed: what to install or to load.
    PluginError
        That plug-in cannot be imported.
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
            if schema not in (SCHEMA, NARROW):
                raise FileFormatError(
                    f"{source}: schema {schema!r}, this version reads {SCHEMA}, {NARROW}; use the version that wrote it"
                )
            return _read_grid(source, file, Budget(source, max_bytes), state)
    except (FileFormatError, LockedError, MissingDependencyError, PluginError, TooLargeError):
        raise
    except Exception as error:  # whatever a damaged file makes HDF5, JSON or the grid say
        raise FileFormatError(
            f"{source}: damaged or not HDF5 ({first_line(error)}); restore it or learn it again"
        ) from error


def _read_grid(source: Path, file: Any, budget: Budget, with_state: bool) -> UnitGrid:
    config = GridConfig.of_file(json.loads(file.attrs["config"]))
    slots = [member(source, file, name).shape[-1] for name in ("parents", "readers")]
    classes = [member(source, file, name).shape[0] for name in ("past", "L") if config.narrow]
    expected_arrays = layout(config, *slots, *classes)
    stored = {name: _stored(source, file, name, *expected) for name, expected in expected_arrays.items()}
    for data in stored.values():
        budget.spend(data)
    own = "wiring" in file.attrs
    if config.bytes > (budget.most if own else max(_LITTLE, 8 * budget.used)):  # before its wires are made
        raise FileFormatError(
            f"{source}: its configuration is of a grid of {config.bytes / 2**20:,.0f} MiB, its arrays take "
            f"{budget.used / 2**20:,.0f} MiB; the file was edited or damaged"
        )
    if not own and isinstance(config.order, AbsentOrder):
        raise FileFormatError(
            f"{source}: order {str(config.order)[:60]!r} is unknown to this version; expected one of "
            f"{listed(ORDERS)}; the file was edited or damaged"
        )
    arrays = {name: data[()] for name, data in stored.items()}
    field = NarrowField(**arrays) if config.narrow else Field(**arrays)
    implied = None
    if not own:
        expected = UnitGrid(**asdict(config))
        for name in WIRES:
            if not np.array_equal(arrays[name], getattr(expected.field, name)):
                raise FileFormatError(
                    f"{source}: {name} differs from what its configuration implies; the file was edited or damaged"
                )
        implied = expected.implied
    _refuse(source, unsound(config, field))
    grid = UnitGrid.of_field(config, field, implied)
    grid.provenance = dict(json.loads(file.attrs["provenance"]))
    if "rule" in file:
        _read_rule(source, member(source, file, "rule"), grid, budget, with_state)
    return grid


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _stored(source: Path, group: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """Return the data set, unread, if it is as expected."""
    found = member(source, group, name)
    _refuse(source, misfit(name, found, shape, dtype))
    return found


def _refuse(source: Path, fault: str) -> None:
    if fault:
        raise FileFormatError(f"{source}: {fault}; the file was edited or damaged")


def _read_rule(source: Path, group: Any, grid: UnitGrid, budget: Budget, with_state: bool) -> None:
    name = _text(group.attrs["name"])
    origin = Origin.read(json.loads(group.attrs["plugin"])) if "plugin" in group.attrs else None
    with_state = with_state and len(group) > 0  # saved without it: the weights serve, further learning starts afresh
    if name not in RULES:
        if origin is None and with_state:
            raise FileFormatError(
                f"{source}: rule {name!r} is unknown to this version; expected one of {', '.join(RULES)}"
            )
        if origin is not None and with_state:
            raise missing(
                f"{source}: rule {str(name)[:60]!r}", origin, "or read the weights alone, load(path, state=False)"
            )
        grid.provenance["rule"] = name  # what learned it, as `save` has it for a rule that nobody registered
        return
    rule, state = _begun(source, name, group, grid.field, origin, with_state)
    if with_state:
        for key, value in state.items():
            if key == "seen":
                state[key] = as_count("seen", group.attrs[key].item())
            else:
                data = _stored(source, group, key, value.shape, value.dtype)
                budget.spend(data)
                state[key] = data[()]
                _refuse(source, not_finite(key, state[key]))
        grid.state, grid.learned = state, grid.field.wires
    grid.rule = rule


def _begun(
    source: Path, name: str, group: Any, field: Field, origin: Origin | None, with_state: bool
) -> tuple[Rule, State]:
    """Return the rule of a file, and the state that it begins with, of which the file's has the form."""
    if origin is None:
        rule = make_rule(name, **json.loads(group.attrs["options"]))
        return rule, rule.start(field) if with_state else {}
    here = RULES.origin(name)
    if here.distribution and origin.distribution and here.distribution != origin.distribution:
        raise FileFormatError(
            f"{source}: rule {name!r} is of {origin}, and the one that is installed is of {here}: expected the same; "
            "read the weights alone, load(path, state=False)"
        )
    try:
        rule = make_rule(name, **json.loads(group.attrs["options"]))
        return rule, begun(rule, field) if with_state else {}
    except Exception as error:  # whatever another version of somebody else's rule raises
        raise FileFormatError(
            f"{source}: rule {name!r} of {here} does not read what {origin} wrote ({first_line(error)}); install that "
            "version, or read the weights alone, load(path, state=False)"
        ) from error
