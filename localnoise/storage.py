"""A grid as one HDF5 file: configuration, topology, weights, gain, the rule and its state, provenance.

Layout (schema 2, and 3 of a grid with `share` or `rank`): root attributes `format`, `schema`, `config` (JSON),
`provenance` (JSON), and `wiring` = "own" where the wires are not those that the configuration implies; datasets
`order`, `parents`, `readers`, `a`, `G`, `B`, `S`, `gain`, in schema 3 those of `narrow.ARRAYS`; group `rule` with
attributes `name`, `options` (JSON), `seen`, one dataset a statistic, and, where a plug-in's rule learned it, `plugin`
(JSON: module, distribution, version). Metadata and packed data carry checksums, so that a damaged byte is found. What
could not be loaded again is refused before it is written (`localnoise.saving`).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
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
from localnoise.saving import versions as versions
from localnoise.soundness import WIRES, layout, misfit, not_finite, unsound
from localnoise.validate import as_count

MAX_BYTES = 4 * 2**30  # of a grid's arrays
_LITTLE = 2**24  # bytes that no configuration is refused for


@contextmanager
def opened(source: Path, expected: str) -> Iterator[Any]:
    """Open a noise's file; whatever a damaged one makes HDF5, JSON or the noise say becomes one FileFormatError."""
    try:
        with reading(source, expected) as file:
            yield file
    except (FileFormatError, LockedError, MissingDependencyError, PluginError, TooLargeError):
        raise
    except Exception as error:
        raise FileFormatError(
            f"{source}: damaged or not HDF5 ({first_line(error)}); restore it or learn it again"
        ) from error


def format_of(group: Any) -> Any:
    """Return the format that a file, or a group, says it has."""
    return _text(group.attrs.get("format"))


def checked(source: Path, sound: Any, fault: str) -> None:
    """Raise a FileFormatError that says `fault` unless what was read is sound."""
    _refuse(source, "" if sound else fault)


def read_grid(source: Path, file: Any, budget: Budget, with_state: bool) -> UnitGrid:
    """Read the grid that a file, or a group of one, holds."""
    config = GridConfig.of_file(json.loads(file.attrs["config"]))
    slots = [member(source, file, name).shape[-1] for name in ("parents", "readers")]
    classes = [member(source, file, name).shape[0] for name in ("past", "L") if config.narrow]
    shapes = layout(config, *slots, *classes)
    stored = {name: array_in(source, file, name, *expected) for name, expected in shapes.items()}
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
    arrays["most_read"] = config.most_read
    field = NarrowField(**arrays) if config.narrow else Field(**arrays)
    implied = None
    if not own:
        expected = UnitGrid(**config.plain())
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


def array_in(source: Path, group: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
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
                data = array_in(source, group, key, value.shape, value.dtype)
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
