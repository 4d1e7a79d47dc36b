"""Row by row: with radius 1 the parents lie W, NW, N and NE, nearest-neighbor wiring alone."""

import math

import numpy as np

from localnoise.orders.base import ORDERS, Ints


@ORDERS.register("raster")
def raster(shape: tuple[int, int], boundary: str = "clipped") -> Ints:
    """Return the units row by row: parents are next neighbors at radius 1.

    Parameters
    ----------
    shape : tuple of int
        (H, W): rows and columns of units.
    boundary : str
        Changes nothing: the order is the same for both.

    Returns
    -------
    ndarray of int32, (N,)
        0, 1, ... N - 1, N = H W.
    """
    return np.arange(math.prod(shape), dtype=np.int32)
