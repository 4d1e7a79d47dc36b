"""A grid's order and parents, from a name and numbers, from arrays, or from callables of the user's own.

What comes from outside is checked here, one sentence for each fault: a permutation, parents that come earlier, whole
numbers, the right length. Names of orders are found in `localnoise.orders`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from localnoise.config import GridConfig
from localnoise.dense import refuse_beyond_memory
from localnoise.errors import ArgumentError, first_line, short
from localnoise.field import Field
from localnoise.narrow import initial as empty_field
from localnoise.orders import ORDERS, neighbours, parents, with_hubs
from localnoise.orders.base import OWN, Ints
from localnoise.validate import as_array
from localnoise.wiring import Wires


class Parents(Protocol):
    """A function that gives each unit its parents."""

    def __call__(self, positions: npt.NDArray[np.int64], order: Ints, boundary: str) -> npt.ArrayLike:
        """Return each unit's parents, (N, K) whole numbers, units earlier in the order, -1 where there is none.

        positions : (N, 2), the (y, x) of each unit, row by row;  order : (N,), units in the order of the sweep;
        boundary : "clipped" or "periodic".
        """


class Topology(NamedTuple):
    """The wires of a new grid: its configuration, three arrays, and whether the configuration alone implies them."""

    config: GridConfig
    order: Ints
    parents: Ints
    readers: Ints
    implied: bool


def wired(options: dict[str, Any]) -> Topology:
    """Return the wires of a grid with these options, those of `GridConfig`; `order` and `parents` may be the user's.

    Raises
    ------
    ArgumentError
        An option that a configuration cannot have; an order or parents that no sweep can follow.
    """
    order, above = options["order"], options["parents"]
    own_parents = callable(above) or _is_array(above)
    if isinstance(order, str) and order == OWN:
        raise ArgumentError(
            f"order={OWN!r} stands for wires that were given as arrays: expected those arrays, order=... and "
            "parents=...; use grid.blank() for another grid with the wires of this one"
        )
    name = order
    if callable(order) or _is_array(order):
        name = (ORDERS.name_of(order) if callable(order) else None) or OWN
    if own_parents:
        _refuse_limits(options)
        if name != OWN:
            ORDERS.find(name)
        options = options | {"parents": 1}  # until they are counted
    config = GridConfig(**options | {"order": OWN if own_parents else name})
    refuse_beyond_memory(f"shape={config.shape}", config.bytes, "fewer units, parents, or a smaller radius")
    made = order if name == OWN else ORDERS.find(name)
    described = f"order={_described(made)}" if name == OWN else f"order={name!r}"
    if callable(made):
        made = _called(described, made, config.shape, config.boundary)
    sequence = _as_order(described, made, config)
    if own_parents:
        links = _own_parents(above, sequence, config)
        config = replace(config, parents=links.shape[1])
    else:
        links = _nearest(sequence, config)
    readers = np.empty((config.units, 0), np.int32)
    if config.signal == "local":
        readers = neighbours(*config.shape, config.signal_radius, config.boundary == "periodic")
        if config.second_radius is not None:
            second = neighbours(*config.shape, config.second_radius, config.boundary == "periodic")
            readers = np.concatenate([readers, np.where(second >= 0, second + config.units, -1)], axis=1)
    return Topology(config, sequence, links, readers, config.order != OWN and ORDERS.is_ours(config.order))


def initial(options: dict[str, Any]) -> tuple[GridConfig, Field, Wires | None]:
    """Return configuration, a field that has learned nothing, and the wires that the configuration implies, if it does.

    The implied wires are the field's own: an edit of the field's is seen by comparing the two.
    """
    made = wired(options)
    field = empty_field(made.config, made.order, made.parents, made.readers)
    return made.config, field, field.wires if made.implied else None


def _is_array(value: Any) -> bool:
    return not isinstance(value, (str, bytes)) and (isinstance(value, (list, tuple)) or np.ndim(value) > 0)


def _refuse_limits(options: dict[str, Any]) -> None:
    for argument in ("far", "radius"):
        if options[argument]:
            raise ArgumentError(
                f"{argument}={options[argument]!r}: expected none with parents of your own, which name each link; "
                f"leave {argument} out"
            )


def _nearest(order: Ints, config: GridConfig) -> Ints:
    """Return the nearest units earlier in the order, with hubs where the configuration asks for them."""
    height, width = config.shape
    periodic = config.boundary == "periodic"
    count = None if config.parents is None else config.parents - config.far
    links = parents(order, height, width, count=count, radius=config.radius, periodic=periodic)
    return with_hubs(links, order, height, width, far=config.far, periodic=periodic) if config.far else links


def _as_order(described: str, value: Any, config: GridConfig) -> Ints:
    """Return an order as (N,) int32."""
    units = config.units
    expected = f"a permutation of {units} units, ({units},) whole numbers"
    order = _whole_numbers(described, value, expected)
    if order.shape != (units,):
        raise ArgumentError(f"{described} has shape {order.shape}: expected {expected}")
    wrong = order[(order < 0) | (order >= units)]
    if wrong.size:
        raise ArgumentError(f"{described} names unit {wrong[0]}: expected 0 to {units - 1}, each once")
    twice = np.flatnonzero(np.bincount(order, minlength=units) > 1)
    if twice.size:
        raise ArgumentError(f"{described} is no permutation, it names unit {twice[0]} twice: expected {expected}")
    return order.astype(np.int32)


def _own_parents(given: Any, order: Ints, config: GridConfig) -> Ints:
    """Return parents as (N, K) int32, those that are missing last, K as small as it can be."""
    units, width = config.units, config.shape[1]
    described = f"parents={_described(given)}"
    if callable(given):
        positions = np.stack(np.divmod(np.arange(units), width), axis=1)
        given = _called(described, given, positions, order.copy(), config.boundary)
    expected = f"({units}, K) units, a row for each of the {units} units, -1 where there is none"
    links = _whole_numbers(described, given, expected)
    if links.ndim != 2 or len(links) != units:
        raise ArgumentError(f"{described} has shape {links.shape}: expected {expected}")
    wrong = np.argwhere((links < -1) | (links >= units))
    if len(wrong):
        unit = int(wrong[0][0])
        raise ArgumentError(
            f"{described}: unit {divmod(unit, width)} has parent {links[tuple(wrong[0])]}: expected units from 0 to "
            f"{units - 1}, or -1 where there is none"
        )
    place = np.empty(units, np.int64)
    place[order] = np.arange(units)
    late = np.argwhere(np.where(links >= 0, place[links], -1) >= place[:, None])
    if len(late):
        unit, parent = int(late[0][0]), int(links[tuple(late[0])])
        raise ArgumentError(
            f"{described}: unit {divmod(unit, width)} has parent {divmod(parent, width)}, which does not come before "
            "it: expected units earlier in the order"
        )
    ordered = np.sort(links, axis=1)
    double = np.argwhere((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0))
    if len(double):
        unit = int(double[0][0])
        raise ArgumentError(f"{described}: unit {divmod(unit, width)} has a parent twice: expected each once")
    last = np.argsort(links < 0, axis=1, kind="stable")
    most = max(1, int((links >= 0).sum(axis=1).max(initial=0)))
    packed = np.full((units, most), -1, np.int32)
    packed[:, : links.shape[1]] = np.take_along_axis(links, last, 1)[:, :most]
    return packed


def _whole_numbers(described: str, value: Any, expected: str) -> npt.NDArray[np.int64]:
    if value is None:
        raise ArgumentError(f"{described} returned None: expected {expected}")
    array = as_array(described, value, expected)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ArgumentError(
            f"{described} has dtype {array.dtype}: expected {expected}; use .astype('int32') if they are"
        )
    return array.astype(np.int64)


def _called(described: str, function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except Exception as error:  # whatever a user's own function raises
        raise ArgumentError(
            f"{described} raised {type(error).__name__} ({first_line(error)}): expected an array; it is called as "
            f"described in localnoise.{'orders.Order' if described.startswith('order') else 'topology.Parents'}"
        ) from error


def _described(value: Any) -> str:
    """Return what a message calls an order or parents: a function's name, or that it is an array."""
    if callable(value):
        return short(getattr(value, "__qualname__", type(value).__name__), 60)
    return "array"
