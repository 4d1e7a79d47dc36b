"""Second moments of pairs of neighbours, summed over presentations."""

from localnoise.kernels.blocks import add_rows
from localnoise.kernels.flags import ZERO, shared_kernel
from localnoise.kernels.memory import aligned

_STEP = 64  # presentations packed at a time: with their partners they fit into the first-level cache


@shared_kernel
def channels_innermost(x, activity, item, worker, workers):
    """x[t, item + u, c] = activity[t, c, u]. x : (T, I, m);  activity : (T, m, N)."""
    T, m, N = activity.shape
    for t in range(T * worker // workers, T * (worker + 1) // workers):
        for first in range(0, N, 16):
            for c in range(m):
                row = activity[t, c]
                for u in range(first, min(first + 16, N)):
                    x[t, item + u, c] = row[u]


@shared_kernel
def add_pairs(blocks, x, first, other, worker, workers):
    """blocks[p] += sum_t x[t, item] x[t, other[p]]' for every pair p of every item; the sum over t in x's precision.

    blocks : (P, m, m) float64;  x : (T, I, m);  first, other : as in `Pairs`, an item is among its own others.
    Cost O(T P m^2), no array of the grid's size but the arguments.
    """
    T, items, m = x.shape
    for item in range(items * worker // workers, items * (worker + 1) // workers):
        start, many = first[item], first[item + 1] - first[item]
        if many == 0:
            continue
        rows, wide = (m + 3) // 4 * 4, (many * m + 15) // 16 * 16
        Z, own, total = aligned(_STEP, wide, x.dtype), aligned(rows, _STEP, x.dtype), aligned(rows, wide, x.dtype)
        Z[:] = 0
        own[:] = 0
        total[:] = 0
        for t0 in range(0, T, _STEP):
            steps = min(_STEP, T - t0)
            for t in range(steps):
                z = Z[t]
                for p in range(many):
                    row = x[t0 + t, other[start + p]]
                    for c in range(m):
                        z[p * m + c] = row[c]
                row = x[t0 + t, item]
                for c in range(m):
                    own[c, t] = row[c]
            for i in range(0, m, 4):
                add_rows(total, ZERO, own, i, ZERO, Z, ZERO, steps)
        for p in range(many):
            for i in range(m):
                for j in range(m):
                    blocks[start + p, i, j] += total[i, p * m + j]
