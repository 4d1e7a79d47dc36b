"""Tiles: activity of some presentations as (N m, tile), samples innermost, rows on cache lines. Back: `scatter`."""

import numpy as np

from localnoise.kernels.flags import ZERO, kernel
from localnoise.kernels.registers import LINE
from localnoise.kernels.squares import transpose_square

STEP = 16  # units that enter a ring buffer together


@kernel
def rows_of(units, ring):
    """Return u & ring for every unit u: where it lies in a ring buffer of 2^k units, or, with -1, in one of all."""
    rows = np.empty(units, np.int32)
    for u in range(units):
        rows[u] = u & ring
    return rows


@kernel
def gather_columns(buffer, row, t0, activity, first, some, low, high):
    """Transpose units low <= u < high of activity[first : first + some], (C, N) each, to rows from `row` on.

    A line's numbers of columns are written, from t0 on; where presentations are fewer, zeros.
    """
    channels, units, tile = activity.shape[1], activity.shape[2], buffer.shape[1]
    side = LINE // max(buffer.itemsize, activity.itemsize)
    for c in range(channels):
        for u0 in range(low, high, side):
            wide, at = min(side, high - u0), row + (u0 - low) * channels + c
            if some == side and wide == side:
                of = (first * channels + c) * units + u0
                transpose_square(buffer, at * tile + t0, channels * tile, activity, of, channels * units, None, None, 0)
                continue
            for u in range(wide):
                for t in range(some):
                    buffer[at + u * channels, t0 + t] = activity[first + t, c, u0 + u]
                for t in range(some, min(side, tile - t0)):
                    buffer[at + u * channels, t0 + t] = 0


@kernel
def gather_units(buffer, row, activity, first, count, low, high):
    """Transpose units low <= u < high of activity[first : first + count], (C, N) each, to rows from `row` on.

    The rest of the tile becomes zero.
    """
    side = LINE // max(buffer.itemsize, activity.itemsize)
    for t0 in range(0, buffer.shape[1], side):
        gather_columns(buffer, row, t0, activity, first + t0, max(0, min(side, count - t0)), low, high)


@kernel
def gather_tile(buffer, activity, first, count):
    """Transpose activity[first : first + count] of shape (C, N) each to buffer[u C + c, t]; the rest becomes zero."""
    gather_units(buffer, ZERO, activity, first, count, ZERO, activity.shape[2])
