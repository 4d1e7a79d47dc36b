"""Checks that a grid can be drawn from and written: before it is saved, and again of what a file holds."""

from dataclasses import fields
from typing import Any

import numpy as np

from localnoise import narrow, wiring
from localnoise.config import GridConfig
from localnoise.errors import ArgumentError
from localnoise.field import Field
from localnoise.narrow import NarrowField, narrow_shapes
from localnoise.parts import GridParts
from localnoise.rules import RULES, Rule
from localnoise.validate import whole

ARRAYS = tuple(field.name for field in fields(Field) if field.name != "most_read")
WIRES = ("order", "parents", "readers")


def check_grid(grid: GridParts, *, state: bool) -> None:
    """Refuse what `load` would refuse, so that no file is written that cannot be read; `state`: statistics, too.

    Raises
    ------
    ArgumentError
        Arrays that do not fit the configuration or each other, or numbers that no noise can have.
    """
    fault = fault_of(grid.config, grid.field)
    if fault:
        raise ArgumentError(f"field.{fault}: such a grid could not be loaded again; mend grid.field first")
    if state and grid.rule is not None and grid.state is not None:
        check_statistics(grid)
        _check_state(grid.rule, grid.field, grid.state)


def check_learned(config: GridConfig, field: Field, rule: Rule) -> None:
    """Raise an ArgumentError where a user's own rule has left a field that no noise can be drawn from."""
    fault = "" if type(rule).__module__.startswith("localnoise.") else fault_of(config, field)
    if fault:
        raise ArgumentError(
            f"rule {rule.name!r} left field.{fault}: expected settle to write sound weights, as field.assign(W, S) does"
        )


def fault_of(config: GridConfig, field: Field) -> str:
    """Return what is wrong with a field's arrays, or ""."""
    slots = (np.shape(field.parents)[-1], np.shape(field.readers)[-1])
    classes = (len(field.past), len(field.L)) if isinstance(field, NarrowField) else ()
    expected = layout(config, *slots, *classes).items()
    misfits = (misfit(name, getattr(field, name), shape, dtype) for name, (shape, dtype) in expected)
    return next(filter(None, misfits), "") or unsound(config, field)


def check_statistics(grid: GridParts) -> None:
    """Raise an ArgumentError where the wires were edited after the grid had learned: its statistics are of others."""
    if grid.state is not None and grid.learned is not None and grid.field.wires != grid.learned:
        raise ArgumentError(
            "state: the wires were edited after the grid had learned, and its statistics are of the old ones: set "
            "grid.state = None to begin anew from the weights that it has"
        )


def layout(
    config: GridConfig, parents: int, readers: int, kinds: int = 1, levels: int = 1
) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Shape and dtype of each array of a field with so many slots for parents and readers; S, which needs none, first.

    They are numbers alone: nothing of this size is made. kinds, levels : of a field that is narrow.
    """
    N, m = config.units, config.channels
    if config.narrow:
        shapes = narrow_shapes(config, parents, readers, kinds, levels)
        wired = {"order": (N,), "parents": (N, parents), "readers": (N, readers), "kinds": (N,), "levels": (N,)}
        of = {name: np.dtype(config.dtype) for name in shapes} | {name: np.dtype(np.int32) for name in wired}
        return {name: (shape, of[name]) for name, shape in (shapes | wired).items()}
    weights = {"S": (N, m, m), "a": (N, m), "G": (N, m, readers * m), "B": (N, m, parents * m), "gain": (N,)}
    wires = {"order": (N,), "parents": (N, parents), "readers": (N, readers)}
    dtype = np.dtype(config.dtype)
    return {name: (shape, np.dtype(np.int32) if name in wires else dtype) for name, shape in (weights | wires).items()}


def misfit(name: str, array: Any, shape: tuple[int, ...], dtype: Any) -> str:
    """Return how an array, or a data set, differs from what is expected, or ""."""
    if array.shape == shape and array.dtype == dtype:
        return ""
    return f"{name} is {array.dtype} {array.shape}, expected {dtype} {shape} for its configuration"


def not_finite(name: str, array: Any) -> str:
    """Return that it holds NaN or infinity, or ""."""
    return "" if np.isfinite(array).all() else f"{name} holds NaN or infinity"


def unsound(config: GridConfig, field: Field) -> str:
    """Return what is wrong with arrays of the right shapes, or ""."""
    for name in arrays_of(config):
        fault = not_finite(name, getattr(field, name))
        if fault:
            return fault
    fault = _unsound_narrow(field) if isinstance(field, NarrowField) else _unsound_dense(field)
    if fault:
        return fault
    if field.signal != (config.signal == "local"):
        return f"readers has {field.readers.shape[1]} columns, which signal={config.signal!r} cannot have"
    return wiring.unsound(field.order, field.parents, field.readers, config.most_read)


def arrays_of(config: GridConfig) -> tuple[str, ...]:
    """Return the names of the arrays that a field of this configuration stores."""
    return narrow.ARRAYS if config.narrow else ARRAYS


def _unsound_dense(field: Field) -> str:
    if (np.diagonal(field.S, axis1=1, axis2=2) <= 0).any() or (field.gain <= 0).any():
        return "S or gain is not positive, so the covariance would not be"
    if np.triu(field.S, 1).any():
        return "S is not lower triangular, and draws read no more than that of it"
    return ""


def _unsound_narrow(field: NarrowField) -> str:
    for name, index, of in (("kinds", field.kinds, field.past), ("levels", field.levels, field.L)):
        if index.min(initial=0) < 0 or index.max(initial=0) >= len(of):
            return f"{name} names weights that do not exist: expected 0 to {len(of) - 1}"
    if (np.diagonal(field.L, axis1=1, axis2=2) <= 0).any() or (field.scale <= 0).any() or (field.gain <= 0).any():
        return "L, scale or gain is not positive, so the covariance would not be"
    if np.triu(field.L, 1).any():
        return "L is not lower triangular, and draws read no more than that of it"
    return ""


def is_registered(rule: Rule) -> bool:
    """Return whether the rule's name leads back to its class, so that a file of it can be loaded."""
    return type(rule) is RULES.get(rule.name)


def _check_state(rule: Rule, field: Field, state: dict[str, Any]) -> None:
    fresh = rule.start(field)
    if state.keys() != fresh.keys():
        raise ArgumentError(f"state holds {sorted(state)}: expected {sorted(fresh)}, as {rule.name} keeps")
    for name, expected in fresh.items():
        if name == "seen":
            if whole(state[name]) is None or state[name] < 0:
                raise ArgumentError(f"state['seen']={state[name]!r}: expected a whole number >= 0")
            continue
        fault = misfit(name, state[name], expected.shape, expected.dtype) or not_finite(name, state[name])
        if fault:
            raise ArgumentError(
                f"state: {fault}, as its rule and wires have it; learn again, or save the weights alone: state=False"
            )
