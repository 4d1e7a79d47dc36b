"""Second moments of pairs of neighbours, summed over presentations."""

from localnoise.kernels.blocks import add_rows
from localnoise.kernels.flags import ZERO, shared_kernel
from localnoise.kernels.memory import aligned
from localnoise.kernels.registers import BLOCK, LINE
from localnoise.kernels.squares import transpose_square

_FEW = 16  # presentations turned at a time: what is read of them stays in the second-level cache
_STEP = 128  # presentations packed at a time: with their partners they fit into the first-level cache


@shared_kernel
def channels_innermost(x, activity, item, worker, workers):
    """x[item + u, t, c] = activity[t, c, u]. x : (I, T or more, m);  activity : (T, m, N), of the same dtype."""
    T, m, N = activity.shape
    side = LINE // x.itemsize
    begin, end = T * worker // workers, T * (worker + 1) // workers
    for t0 in range(begin, end, _FEW):
        for u0 in range(0, N, side):
            v = min(u0, N - side)  # the last square overlaps the one before
            for t in range(t0, min(t0 + _FEW, end)):
                c = 0
                while v >= 0 and c + side <= m:
                    at, of = ((item + v) * x.shape[1] + t) * m + c, (t * m + c) * N + v
                    transpose_square(x, at, x.shape[1] * m, activity, of, N, None, None, ZERO)
                    c += side
                for row in range(c, m):
                    for u in range(u0, min(u0 + side, N)):
                        x[item + u, t, row] = activity[t, row, u]


@shared_kernel
def add_pairs(blocks, x, T, first, other, worker, workers):
    """blocks[p] += sum_t<T x[item, t] x[other[p], t]' for every pair p of every item; the sum over t in x's precision.

    blocks : (P, m, m) float64;  x : (I, T or more, m), an item's presentations in a row, as they are streamed;
    first, other : as in `Pairs`, an item is among its own others.
    Cost O(T P m^2), no array of the grid's size but the arguments.
    """
    items, _, m = x.shape
    numbers, line = BLOCK // x.itemsize, LINE // x.itemsize
    group = max(1, numbers // m)  # partners side by side, so that registers are full
    rows, wide = (m + 3) // 4 * 4, (group * m + line - 1) // line * line
    Z, own = aligned(_STEP, wide, x.dtype), aligned(rows, _STEP, x.dtype)
    Z[:] = 0
    own[:] = 0
    for item in range(items * worker // workers, items * (worker + 1) // workers):
        begin, end = first[item], first[item + 1]
        if end == begin:
            continue
        total = aligned((end - begin + group - 1) // group * rows, wide, x.dtype)
        total[:] = 0
        for t0 in range(0, T, _STEP):
            steps = min(_STEP, T - t0)
            for t in range(steps):
                row = x[item, t0 + t]
                for c in range(m):
                    own[c, t] = row[c]
            for start in range(begin, end, group):
                for p in range(min(group, end - start)):
                    partner = x[other[start + p]]
                    for t in range(steps):
                        for c in range(m):
                            Z[t, p * m + c] = partner[t0 + t, c]
                for i in range(0, m, 4):
                    add_rows(total, (start - begin) // group * rows, own, i, ZERO, Z, ZERO, steps)
        for p in range(end - begin):
            row, column = p // group * rows, p % group * m
            for i in range(m):
                for j in range(m):
                    blocks[begin + p, i, j] += total[row + i, column + j]


@shared_kernel
def assemble(out, blocks, items, where, skip, worker, workers):
    """out[u, skip + i m + a, skip + j m + b] = E[x_a of item i, x_b of item j], 0 where a unit lacks one of the two.

    out : (U, skip + q m, skip + q m) float64, its first `skip` rows and columns left alone;  blocks : (P, m, m);
    items, where : (U, q), (U, q, q), rows of those of `Pairs`. A pair's block is E[item other'] with other <= item, and
    is read turned where the unit has the two in the other order.
    """
    units, q = items.shape
    m = blocks.shape[1]
    for u in range(units * worker // workers, units * (worker + 1) // workers):
        for i in range(q):
            for a in range(m):
                row = out[u, skip + i * m + a]
                for j in range(q):
                    at, p = skip + j * m, where[u, i, j]
                    if p < 0:
                        for b in range(m):
                            row[at + b] = 0
                    elif items[u, i] < items[u, j]:
                        for b in range(m):
                            row[at + b] = blocks[p, b, a]
                    else:
                        for b in range(m):
                            row[at + b] = blocks[p, a, b]
