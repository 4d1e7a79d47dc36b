"""Quantities with units at the boundary: a plain number, or another dimension, becomes one clear sentence."""

from typing import Any

import numpy as np
from brian2 import Quantity, get_dimensions, get_unit, have_same_dimensions

from localnoise.errors import ArgumentError


def as_quantity(argument: str, value: Any, example: Quantity, *, zero: bool = False, signed: bool = False) -> Quantity:
    """Return one finite quantity > 0 (>= 0 with `zero`, any with `signed`) of the dimension of `example`.

    Raises
    ------
    ArgumentError
        A plain number, another dimension, an array, or a value out of range; the message shows `example`.
    """
    expected = f"expected {_kind(example)}, such as {example}"
    if not isinstance(value, Quantity):
        fix = f"; write {value!r} * {_symbol(example)}" if isinstance(value, (int, float)) else ""
        raise ArgumentError(f"{argument}={value!r} has no unit: {expected}{fix}")
    if not have_same_dimensions(value, example):
        raise ArgumentError(f"{argument}={value} is in {get_unit(get_dimensions(value))}: {expected}")
    low = -np.inf if signed else 0
    good = np.ndim(value) == 0 and np.isfinite(float(value))
    if not good or float(value) < low or (float(value) == 0 and not (zero or signed)):
        bound = "" if signed else f" and {'>= 0' if zero else '> 0'}"
        raise ArgumentError(f"{argument}={value}: {expected}, one finite value{bound}")
    return value


_KINDS = {"s": "a time", "A": "a current", "V": "a voltage", "Hz": "a rate", "F": "a capacitance", "S": "a conductance"}


def _kind(example: Quantity) -> str:
    return _KINDS.get(str(get_unit(get_dimensions(example))), f"a quantity in {get_unit(get_dimensions(example))}")


def _symbol(example: Quantity) -> str:
    return str(example).split(maxsplit=1)[-1]
