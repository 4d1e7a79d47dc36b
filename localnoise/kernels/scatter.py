"""Tiles back to activity: whole cache lines of every sample, past the caches where a draw is larger than they are.

A ring buffer holds the last units only: unit u in the rows (u & ring) C on, and its first units once more behind its
end, so that any side of consecutive units lies in consecutive rows.
"""

from localnoise.kernels.blocks import copy_row
from localnoise.kernels.flags import ALL, inlined, kernel
from localnoise.kernels.memory import address
from localnoise.kernels.registers import LINE
from localnoise.kernels.squares import fence, prefetch, stream_square, transpose_square

_LARGE = 1 << 23  # bytes: a smaller draw may stay in the caches, where its reader finds it


@inlined
def leaving(ring, past):
    """How many units leave a buffer together: few cache lines of every sample, as long rows of a large grid alias.

    Past the caches, those that do not fill a line are left behind, and must still be in the ring.
    """
    return 32 if past and ring == 63 else 64


@inlined
def line_of(buffer, activity):
    """How many numbers are transposed together."""
    return LINE // max(buffer.itemsize, activity.itemsize)


@inlined
def streams(side, activity):
    """Return whether lines may be written unread: every sample's begin at the same place, and they are whole."""
    aligned = address(activity) % activity.itemsize == 0 and activity.shape[1] * activity.shape[2] % side == 0
    return aligned and side * activity.itemsize == LINE and activity.size * activity.itemsize >= _LARGE


@kernel
def mirror(buffer, ring, u, side, m):
    """Write unit u once more behind the end of a ring buffer, where it is one of the first side - 1."""
    row = u & ring
    if ring != -1 and row < side - 1:
        for i in range(row * m, row * m + m):
            copy_row(buffer, (ring + 1) * m + i, buffer, i)


@kernel
def scatter_units(activity, first, count, buffer, ring, gain, low, high, past):
    """activity[first + t, c, u] = gain[u] buffer[(u & ring) C + c, t] for t < count and units low <= u < high.

    low : a multiple of `leaving`;  past : `streams` of activity. Past the caches, what does not fill a line is left to
    the next call.
    """
    channels, units, tile = activity.shape[1], activity.shape[2], buffer.shape[1]
    side = line_of(buffer, activity)
    place = address(activity) // activity.itemsize
    for t0 in range(0, count, side):
        some = min(side, count - t0)
        for c in range(channels):
            shift = (place + c * units) % side if past else 0  # numbers of this row before u = 0 in the same line
            begin = 0 if low == 0 else low - (low + shift) % side
            end = units if high == units else high - (high + shift) % side
            if some < side or units < side:
                for u in range(begin, end):
                    row, g = (u & ring) * channels + c, gain[u]
                    for t in range(some):
                        activity[first + t0 + t, c, u] = g * buffer[row, t0 + t]
                continue
            step, at = channels * units, ((first + t0) * channels + c) * units
            u = begin
            while u < end:
                whole = u + side <= end and (u + shift) % side == 0
                v = min(u, units - side)  # at its ends a row is written by a square that overlaps the next
                of = ((v & ring) * channels + c) * tile + t0
                if past and whole:
                    stream_square(activity, at + v, step, buffer, of, channels * tile, gain, v)
                else:
                    transpose_square(activity, at + v, step, buffer, of, channels * tile, gain, v)
                u += side - (u + shift) % side


@kernel
def fetch_units(activity, first, count, u, many):
    """Bring a share of the lines that `scatter_units` will write after unit u's group of `many` into the cache."""
    channels, units = activity.shape[1], activity.shape[2]
    side, low, share = LINE // activity.itemsize, u - u % many, count * channels
    for pair in range(share * (u % many) // many, share * (u % many + 1) // many):
        at = (first * channels + pair) * units
        for v in range(low, min(units, low + many), side):
            prefetch(activity, at + v)


@kernel
def scatter_tile(activity, first, count, buffer, gain):
    """activity[first + t, c, u] = gain[u] buffer[u C + c, t] for t < count, the inverse of `gather_tile`."""
    units, past = activity.shape[2], streams(line_of(buffer, activity), activity)
    many = leaving(ALL, past)
    for low in range(0, units, many):
        scatter_units(activity, first, count, buffer, ALL, gain, low, min(low + many, units), past)
    if past:
        fence()
