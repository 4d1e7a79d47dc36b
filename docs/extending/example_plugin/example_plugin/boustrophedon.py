"""An order: row by row, every other row backwards, as one ploughs a field. Each unit follows a neighbor of its own."""

import numpy as np

from localnoise.orders import register


@register("boustrophedon")
def boustrophedon(shape: tuple[int, int], boundary: str) -> np.ndarray:
    """Return the units row by row, every other row backwards."""
    height, width = shape
    order = np.arange(height * width).reshape(height, width)
    order[1::2] = order[1::2, ::-1]
    return order.ravel()
