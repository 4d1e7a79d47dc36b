"""Tiles: activity of some presentations as (N m, tile), samples innermost, rows on cache lines; and back."""

import numpy as np

from localnoise.kernels.flags import kernel
from localnoise.kernels.registers import LINE
from localnoise.kernels.squares import prefetch, transpose_square

RING = 64  # units that leave a ring buffer together
STEP = 16  # units that enter one together


@kernel
def aligned(rows, tile, like):
    """Uninitialised (rows, tile) of the dtype of `like`, on a cache line: vector loads that straddle lines cost double.

    tile : a multiple of a line's numbers, so that every row is aligned.
    """
    numbers = LINE // like.itemsize
    raw = np.empty(rows * tile + numbers, like.dtype)
    skip = -(raw.ctypes.data // like.itemsize) % numbers
    return raw[skip : skip + rows * tile].reshape(rows, tile)


@kernel
def gather_units(buffer, ring, activity, first, count, low, high):
    """Transpose units low <= u < high of activity[first : first + count], (C, N) each, to buffer[(u & ring) C + c, t].

    The rest of the tile becomes zero. low : a multiple of STEP.
    """
    channels, units, tile = activity.shape[1], activity.shape[2], buffer.shape[1]
    side = LINE // max(buffer.itemsize, activity.itemsize)
    for t0 in range(0, tile, side):
        some, most = max(0, min(side, count - t0)), min(side, tile - t0)
        for c in range(channels):
            for u0 in range(low, high, side):
                wide, row = min(side, high - u0), (u0 & ring) * channels + c
                if some == side and wide == side:
                    of = ((first + t0) * channels + c) * units + u0
                    transpose_square(buffer, row * tile + t0, channels * tile, activity, of, channels * units, None, 0)
                    continue
                for u in range(wide):
                    for t in range(some):
                        buffer[row + u * channels, t0 + t] = activity[first + t0 + t, c, u0 + u]
                    for t in range(some, most):
                        buffer[row + u * channels, t0 + t] = 0


@kernel
def gather_tile(buffer, activity, first, count):
    """Transpose activity[first : first + count] of shape (C, N) each to buffer[u C + c, t]; the rest becomes zero."""
    gather_units(buffer, -1, activity, first, count, 0, activity.shape[2])


@kernel
def scatter_units(activity, first, count, buffer, ring, gain, low, high):
    """activity[first + t, c, u] = gain[u] buffer[(u & ring) C + c, t] for t < count and units low <= u < high.

    low : a multiple of RING, where there is a ring.
    """
    channels, units, tile = activity.shape[1], activity.shape[2], buffer.shape[1]
    side = LINE // max(buffer.itemsize, activity.itemsize)
    for t0 in range(0, count, side):
        some = min(side, count - t0)
        for c in range(channels):
            for u0 in range(low, high, side):
                wide = min(side, high - u0)
                if some == side and wide == side:
                    to, of = ((first + t0) * channels + c) * units + u0, ((u0 & ring) * channels + c) * tile + t0
                    transpose_square(activity, to, channels * units, buffer, of, channels * tile, gain, u0)
                    continue
                for u in range(u0, u0 + wide):
                    row, g = (u & ring) * channels + c, gain[u]
                    for t in range(some):
                        activity[first + t0 + t, c, u] = g * buffer[row, t0 + t]


@kernel
def fetch_units(activity, first, count, u):
    """Bring a share of the lines that `scatter_units` will write at the end of unit u's RING into the cache."""
    channels, units = activity.shape[1], activity.shape[2]
    low, share = u - u % RING, count * channels
    line, last = LINE // activity.itemsize, min(units, low + RING)
    for pair in range(share * (u % RING) // RING, share * (u % RING + 1) // RING):
        at = (first * channels + pair) * units
        for v in range(low, last, line):
            prefetch(activity, at + v)


@kernel
def scatter_tile(activity, first, count, buffer, gain):
    """activity[first + t, c, u] = gain[u] buffer[u C + c, t] for t < count, the inverse of `gather_tile`."""
    units = activity.shape[2]
    for low in range(0, units, RING):  # a few cache lines of every sample: long rows of a large grid would alias
        scatter_units(activity, first, count, buffer, -1, gain, low, min(low + RING, units))
