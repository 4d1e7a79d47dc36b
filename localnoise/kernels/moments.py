"""Second moments of pairs of neighbours, summed over presentations."""

from numba import prange

from localnoise.kernels.flags import kernel, parallel_kernel
from localnoise.kernels.tiles import aligned

_STEP = 64  # presentations packed at a time: with their partners they fit into the first-level cache


@parallel_kernel
def channels_innermost(x, activity, item):
    """x[t, item + u, c] = activity[t, c, u]. x : (T, I, m);  activity : (T, m, N)."""
    T, m, N = activity.shape
    for t in prange(T):
        for first in range(0, N, 16):
            for c in range(m):
                row = activity[t, c]
                for u in range(first, min(first + 16, N)):
                    x[t, item + u, c] = row[u]


@kernel
def add_outer(total, i, Z, column, steps):
    """total[i + r, :] += sum_k Z[k, column + i + r] Z[k, :], r < 4: four rows by four presentations at a time."""
    for k in range(0, steps, 4):
        c = column + i
        a0, a1, a2, a3 = Z[k, c], Z[k + 1, c], Z[k + 2, c], Z[k + 3, c]
        b0, b1, b2, b3 = Z[k, c + 1], Z[k + 1, c + 1], Z[k + 2, c + 1], Z[k + 3, c + 1]
        c0, c1, c2, c3 = Z[k, c + 2], Z[k + 1, c + 2], Z[k + 2, c + 2], Z[k + 3, c + 2]
        d0, d1, d2, d3 = Z[k, c + 3], Z[k + 1, c + 3], Z[k + 2, c + 3], Z[k + 3, c + 3]
        for j in range(total.shape[1]):
            z0, z1, z2, z3 = Z[k, j], Z[k + 1, j], Z[k + 2, j], Z[k + 3, j]
            total[i, j] = total[i, j] + a0 * z0 + a1 * z1 + a2 * z2 + a3 * z3
            total[i + 1, j] = total[i + 1, j] + b0 * z0 + b1 * z1 + b2 * z2 + b3 * z3
            total[i + 2, j] = total[i + 2, j] + c0 * z0 + c1 * z1 + c2 * z2 + c3 * z3
            total[i + 3, j] = total[i + 3, j] + d0 * z0 + d1 * z1 + d2 * z2 + d3 * z3


@parallel_kernel
def add_pairs(blocks, x, first, other):
    """blocks[p] += sum_t x[t, item] x[t, other[p]]' for every pair p of every item; the sum over t in x's precision.

    blocks : (P, m, m) float64;  x : (T, I, m);  first, other : as in `Pairs`, an item is among its own others.
    Cost O(T P m^2), no array of the grid's size but the arguments.
    """
    T, items, m = x.shape
    for item in prange(items):
        start, many = first[item], first[item + 1] - first[item]
        if many == 0:
            continue
        wide = (many * m + m + 3 + 15) // 16 * 16  # its own channels last, and columns to spare for fours of them
        Z = aligned(_STEP, wide, x)
        total = aligned(m + 3, wide, x)
        Z[:] = 0
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
                    z[many * m + c] = row[c]
            Z[steps:] = 0
            for i in range(0, m, 4):
                add_outer(total, i, Z, many * m, (steps + 3) // 4 * 4)
        for p in range(many):
            for i in range(m):
                for j in range(m):
                    blocks[start + p, i, j] += total[i, p * m + j]
