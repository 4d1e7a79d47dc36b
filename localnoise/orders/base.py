"""The protocol that every order follows, and the registry of orders."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from localnoise.registry import Registry

Ints = npt.NDArray[np.int32]
OWN = "own"  # what a configuration calls wires that were given as arrays or by a callable


class Order(Protocol):
    """An order: a function of the grid that says which unit is drawn first, which second, and so on.

    A unit's parents are units earlier in the order. Units are numbered row by row: u = y W + x.
    """

    def __call__(self, shape: tuple[int, int], boundary: str) -> npt.ArrayLike:
        """Return all units in the order of the sweep. It must depend on these two alone.

        Parameters
        ----------
        shape : tuple of int
            (H, W): rows and columns of units.
        boundary : str
            "clipped" or "periodic".

        Returns
        -------
        (N,) whole numbers
            Each of 0 ... N - 1 once, N = H W.
        """


def _fault(name: str, order: Any) -> str:
    return f"has a name that stands for arrays: expected another than {OWN!r}" if name == OWN else ""


ORDERS = Registry(
    "order",
    Order,
    group="localnoise.orders",
    home="localnoise.orders",
    first=("raster", "multiscale"),
    check=_fault,
)
"""Orders by name: functions that follow `Order`."""
