"""Tiles: activity of some presentations as (N m, tile), samples innermost, rows on cache lines; and back."""

import numpy as np

from localnoise.kernels.flags import kernel

_LINE, SIDE = 64, 16  # bytes of a cache line; side of the squares in which activity is transposed
RING = 64  # units that leave a ring buffer together


@kernel
def aligned(rows, tile, like):
    """Uninitialised (rows, tile) of the dtype of `like`, on a cache line: vector loads that straddle lines cost double.

    tile : a multiple of a line's numbers, so that every row is aligned.
    """
    numbers = _LINE // like.itemsize
    raw = np.empty(rows * tile + numbers, like.dtype)
    skip = -(raw.ctypes.data // like.itemsize) % numbers
    return raw[skip : skip + rows * tile].reshape(rows, tile)


@kernel
def gather_tile(buffer, activity, first, count):
    """Transpose activity[first : first + count] of shape (C, N) each to buffer[u C + c, t]; the rest becomes zero."""
    channels, units, tile = activity.shape[1], activity.shape[2], buffer.shape[1]
    square = np.zeros((SIDE, SIDE), buffer.dtype)
    for t0 in range(0, tile, SIDE):
        some, high = max(0, min(SIDE, count - t0)), min(SIDE, tile - t0)
        for c in range(channels):
            for u0 in range(0, units, SIDE):
                wide = min(SIDE, units - u0)
                for t in range(some):
                    for u in range(wide):
                        square[t, u] = activity[first + t0 + t, c, u0 + u]
                for t in range(some, SIDE):
                    for u in range(wide):
                        square[t, u] = 0
                for u in range(wide):
                    for t in range(high):
                        buffer[(u0 + u) * channels + c, t0 + t] = square[t, u]


@kernel
def scatter_units(activity, first, count, buffer, ring, gain, low, high):
    """activity[first + t, c, u] = gain[u] buffer[(u & ring) C + c, t] for t < count and units low <= u < high."""
    channels = activity.shape[1]
    square = np.empty((SIDE, SIDE), activity.dtype)
    for t0 in range(0, count, SIDE):
        some = min(SIDE, count - t0)
        for c in range(channels):
            for u0 in range(low, high, SIDE):
                wide = min(SIDE, high - u0)
                for u in range(wide):
                    row, g = ((u0 + u) & ring) * channels + c, gain[u0 + u]
                    for t in range(some):
                        square[u, t] = g * buffer[row, t0 + t]
                for t in range(some):
                    for u in range(wide):
                        activity[first + t0 + t, c, u0 + u] = square[u, t]


@kernel
def scatter_tile(activity, first, count, buffer, gain):
    """activity[first + t, c, u] = gain[u] buffer[u C + c, t] for t < count, the inverse of `gather_tile`."""
    units = activity.shape[2]
    for low in range(0, units, RING):  # a few cache lines of every sample: long rows of a large grid would alias
        scatter_units(activity, first, count, buffer, -1, gain, low, min(low + RING, units))
