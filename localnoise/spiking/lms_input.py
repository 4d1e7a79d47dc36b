"""Inputs of the network of `lms_network`: checked arguments, presentations as rows, weights by kind."""

from typing import Any

import numpy as np
import numpy.typing as npt
from brian2 import Quantity, ms

from localnoise.errors import ArgumentError
from localnoise.field import Floats
from localnoise.grid import UnitGrid
from localnoise.rules import LMS
from localnoise.spiking.quantities import as_quantity
from localnoise.validate import as_activity, as_presentations


def checked(grid: Any, rule: Any, dt: Any) -> Quantity:
    """Return dt, once grid, rule and dt are what is expected."""
    if not isinstance(grid, UnitGrid):
        raise ArgumentError(f"grid is {type(grid).__name__}: expected a UnitGrid, such as localnoise.load(file)")
    grid.config.refuse_second("grid")
    if not isinstance(rule, LMS):
        raise ArgumentError(f"rule={rule!r}: expected an LMS, the one rule in Brian2; use localnoise.LMS(rate=0.1)")
    return as_quantity("dt", dt, 1 * ms)


def presentations(grid: UnitGrid, d: Any, h: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    """d and h of the shapes that the grid expects, numbers unread."""
    d = as_presentations("d", d, grid.config.channels, grid.config.shape)
    if not len(d):
        raise ArgumentError("d has 0 samples: expected at least 1 displacement")
    return d, grid._activation(h, d)


def flat(argument: str, grid: UnitGrid, values: Any) -> npt.NDArray[np.float64]:
    """Presentations in the grid's precision, as (T, neurons), unit by unit."""
    rows = as_activity(argument, values, grid.config.channels, grid.config.shape, grid.config.dtype)
    return np.ascontiguousarray(rows.transpose(0, 2, 1), np.float64).reshape(len(rows), -1)


def split(grid: UnitGrid, W: Floats) -> tuple[Floats, Floats, Floats]:
    """a (N, m, 1 or 0), G and B of weights W (N, m, p)."""
    f = grid.field
    bias, past = int(f.signal), W.shape[2] - f.B.shape[2]
    return W[:, :, :bias], W[:, :, bias:past], W[:, :, past:]
