"""Tiles back to activity: whole cache lines of every sample, past the caches where a draw is larger than they are."""

from localnoise.kernels.flags import inlined, kernel
from localnoise.kernels.memory import address
from localnoise.kernels.registers import LINE
from localnoise.kernels.squares import fence, prefetch, stream_square, transpose_square

_LARGE = 1 << 23  # bytes: a smaller draw may stay in the caches, where its reader finds it
_MANY = 64  # units of a whole tile that leave together: few lines of every sample, as long rows of a large grid alias


@inlined
def line_of(buffer, activity):
    """How many numbers are transposed together."""
    return LINE // max(buffer.itemsize, activity.itemsize)


@inlined
def streams(side, activity):
    """Return whether lines may be written unread: every sample's begin at the same place, and they are whole."""
    aligned = address(activity) % activity.itemsize == 0 and activity.shape[1] * activity.shape[2] % side == 0
    return aligned and side * activity.itemsize == LINE and activity.size * activity.itemsize >= _LARGE


@inlined
def row_of(rows, u):
    """Return where unit u lies in a buffer: at rows[u], or at u where rows is None."""
    if rows is None:
        return u
    return rows[u]


@kernel
def scatter_units(activity, first, count, buffer, rows, gain, low, high, past):
    """activity[first + t, c, u] = gain[u] buffer[rows[u] C + c, t] for t < count and units low <= u < high.

    rows : int32, or None for rows[u] = u;  low : a multiple of a line's numbers;  past : `streams` of activity. Past
    the caches, what does not fill a line is left to the next call: units up to a line before `low` must still be there.
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
                    row, g = row_of(rows, u) * channels + c, gain[u]
                    for t in range(some):
                        activity[first + t0 + t, c, u] = g * buffer[row, t0 + t]
                continue
            step, at = channels * units, ((first + t0) * channels + c) * units
            u = begin
            while u < end:
                whole = u + side <= end and (u + shift) % side == 0
                v = min(u, units - side)  # at its ends a row is written by a square that overlaps the next
                of = c * tile + t0 + (v * channels * tile if rows is None else 0)
                if past and whole:
                    stream_square(activity, at + v, step, buffer, of, channels * tile, gain, rows, v)
                else:
                    transpose_square(activity, at + v, step, buffer, of, channels * tile, gain, rows, v)
                u += side - (u + shift) % side


@kernel
def fetch_units(activity, first, count, low, high, part, parts):
    """Bring one of several parts of the lines that `scatter_units` will write of units low to high into the cache."""
    channels, units = activity.shape[1], activity.shape[2]
    side, share = LINE // activity.itemsize, count * channels
    for pair in range(share * part // parts, share * (part + 1) // parts):
        at = (first * channels + pair) * units
        for v in range(low, high, side):
            prefetch(activity, at + v)


@kernel
def scatter_tile(activity, first, count, buffer, gain):
    """activity[first + t, c, u] = gain[u] buffer[u C + c, t] for t < count, the inverse of `gather_tile`."""
    units, past = activity.shape[2], streams(line_of(buffer, activity), activity)
    for low in range(0, units, _MANY):
        scatter_units(activity, first, count, buffer, None, gain, low, min(low + _MANY, units), past)
    if past:
        fence()
