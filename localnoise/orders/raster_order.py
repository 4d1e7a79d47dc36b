"""Row by row: with radius 1 the parents lie W, NW, N and NE, nearest-neighbour wiring alone."""

import math

import numpy as np

from localnoise.orders.base import ORDERS, Ints


@ORDERS.register("raster")
def raster(shape: tuple[int, int], boundary: str = "clipped") -> Ints:
    """Return the units row by row, (N,) int32."""
    return np.arange(math.prod(shape), dtype=np.int32)
