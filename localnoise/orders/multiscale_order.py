"""Coarse to fine: the maximin order of a square lattice, whose parents are the nearest units already placed.

Source: Schafer, Katzfuss, Owhadi 2021, SIAM J. Sci. Comput. 43, section 2: maximin ordering for KL minimisation.
"""

import numpy as np

from localnoise.orders.base import ORDERS, Ints


@ORDERS.register("multiscale")
def multiscale(shape: tuple[int, int], boundary: str = "clipped") -> Ints:
    """Return the units from the coarsest sublattice to the finest: parents are the nearest that came before.

    Cost O(N log N). A level is a stride s, then its cell centres, then its edge midpoints. Every prefix that ends with
    a level is a regular sublattice, which maximises the smallest distance between placed units: the maximin order in
    closed form.

    Parameters
    ----------
    shape : tuple of int
        (H, W): rows and columns of units.
    boundary : str
        Changes nothing: the order is the same for both.

    Returns
    -------
    ndarray of int32, (N,)
        Units u = y W + x.
    """
    height, width = shape
    y, x = np.divmod(np.arange(height * width), width)
    y, x = y - height // 2, x - width // 2  # the first unit is the central one
    level = np.zeros(height * width, dtype=np.int64)
    rank = 0
    stride = 1 << max(height, width).bit_length()
    level[(y % stride == 0) & (x % stride == 0)] = rank
    while stride > 1:
        half = stride // 2
        odd_y, odd_x = y % stride == half, x % stride == half
        level[odd_y & odd_x] = rank + 1
        level[(odd_y & (x % stride == 0)) | ((y % stride == 0) & odd_x)] = rank + 2
        rank, stride = rank + 2, half
    return np.argsort(level, kind="stable").astype(np.int32)
