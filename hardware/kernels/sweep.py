"""The integer sweep: words of all units, a unit after all of its parents. Arithmetic as `hardware.fixedpoint` states.

Arrays as in `IntegerField`; weights and accumulators share one dtype, int32 or int64 (more than 32 accumulator bits).
Inside a sweep activity lies as (N m, tile), samples innermost.
"""

import numpy as np

from localnoise.hardware.flags import inlined, integer_kernel, shared_integer_kernel
from localnoise.hardware.generators.gaussian import normals
from localnoise.hardware.kernels.random import random_words
from localnoise.kernels.blocks import add_products, add_row, add_rows
from localnoise.kernels.flags import ALL, ZERO
from localnoise.kernels.memory import aligned
from localnoise.kernels.registers import LINE
from localnoise.kernels.scatter import scatter_tile
from localnoise.kernels.tiles import gather_columns, gather_tile, rows_of

HALF_UP, HALF_EVEN, STOCHASTIC = 0, 1, 2
READ, NEAR, OWN = 0, 1, 2  # columns of `lift`: what the partial sum multiplies
_FEW = 16  # draws whose random words are made together: they stay in the second-level cache until they are turned


@inlined
def within(bits, whole):
    """Return a shift as one that no number of this width exceeds, which LLVM must see to shift within the width."""
    return bits & (63 if whole(1 << 40) != whole(0) else 31)


@integer_kernel
def round_row(out, row, total, bits, rounding, random, top, saturate):
    """out[row, :] = word(round(total 2^-bits)); random : (tile,) uint32, read with stochastic rounding.

    total : int64, or int32 where accumulators are: what rounding adds still fits, as the quantiser's bound counts it.
    Every step is brought back to that width, so that a register holds as many numbers as it can.
    """
    whole = total.dtype.type
    one, shift, edge = whole(1), within(bits, whole), whole(top)
    half = whole(one << whole(bits - 1)) if bits > 0 else whole(0)
    mask, last = whole(whole(one << shift) - one), whole(edge - one)
    span = whole(edge + last)
    for t in range(total.shape[0]):
        value = total[t]
        if rounding == STOCHASTIC:
            value = whole(whole(value + whole(whole(random[t]) & mask)) >> shift)
        else:
            tie = whole(value & mask) == half and bits > 0
            value = whole(whole(value + half) >> shift)
            if rounding == HALF_EVEN and tie:
                value = whole(value & ~one)
        wrapped = whole(whole(whole(value + edge) & span) - edge)
        out[row, t] = min(max(value, whole(-edge)), last) if saturate else wrapped


@integer_kernel
def add_left(acc, L, i, eta, first):
    """acc[i : i + 4, :] += sum_{j < i} L[., j] eta[first + j, :], what lies left of four rows, or of the last few."""
    m = L.shape[0]
    if i + 4 <= m:
        add_rows(acc, ZERO, L, i, ZERO, eta, first, i)
        return
    for row in range(i, m):
        add_row(acc, ZERO, L, row, ZERO, eta, first, i)


@integer_kernel
def collect(total, acc, i, L, left, eta, first, start, weight, scales):
    """total = start + scales . [G h, B eta + L eta, weight xi] of channel i, of whose four rows `left` is the first."""
    m, whole = L.shape[0], total.dtype.type
    r, row, second, third = first + left, first + i, first + min(left + 1, m - 1), first + min(left + 2, m - 1)
    a = L[i, left] if left < i else whole(0)
    b = L[i, left + 1] if left + 1 < i else whole(0)
    c = L[i, left + 2] if left + 2 < i else whole(0)
    read, near, own = scales
    for t in range(total.shape[0]):
        earlier = whole(whole(a * eta[r, t]) + whole(whole(b * eta[second, t]) + whole(c * eta[third, t])))
        linked = whole(whole(near * whole(acc[i, t] + earlier)) + whole(read * acc[m + i, t]))
        total[t] = whole(linked + whole(whole(own * whole(weight * eta[row, t])) + start))


@integer_kernel
def sweep(eta, acc, total, random, h, field, rules):
    """Words in place: `eta` (N m, tile) holds the Gaussian words xi and becomes the field.

    acc : (2 m, tile) scratch;  total : (tile,) scratch, of the accumulators' dtype;  random : (N m, tile) uint32, or of
    no rows;  h : (N m, tile) activation words;  field, rules : see `draw`.
    """
    order, parents, readers, bias, G, B, L, s, lift, fraction = field
    rounding, top, saturate, noisy = rules
    m = s.shape[1]
    rows, whole, one = rows_of(order.shape[0], ALL), total.dtype.type, np.int64(1)
    for v in range(order.shape[0]):
        u = order[v]
        for i in range(m if readers.shape[1] == 0 and v > 0 else 2 * m):
            for t in range(acc.shape[1]):
                acc[i, t] = 0
        add_products(acc, m, G[u], h, readers[u], rows)
        add_products(acc, ZERO, B[u], eta, parents[u], rows)
        scales = whole(one << lift[u, READ]), whole(one << lift[u, NEAR]), whole(one << lift[u, OWN])
        for i in range(m):
            row, left = u * m + i, i // 4 * 4
            if i == left and i > 0:
                add_left(acc, L[u], i, eta, u * m)
            weight = s[u, i] if noisy else s.dtype.type(0)
            collect(total, acc, i, L[u], left, eta, u * m, whole(bias[u, i]), whole(weight), scales)
            words = random[row] if rounding == STOCHASTIC else random[0]
            round_row(eta, row, total, fraction[u], rounding, words, top, saturate)


@integer_kernel
def turn(buffer, begin, words, some):
    """buffer[u m + c, begin + t] = words[t, c, u] for t < some, and zeros for what of `_FEW` is left."""
    side = LINE // max(buffer.itemsize, words.itemsize)
    for t in range(0, _FEW, side):
        gather_columns(buffer, ZERO, begin + t, words, t, max(0, min(side, some - t)), ZERO, words.shape[2])


@shared_integer_kernel
def draw(out, h, states, field, rules, gain, source, tile, worker, workers):
    """Write one draw (or mean) per presentation into out (T, m, N): word times gain[u], gain int64 ones or float.

    Cost O(T N m (m K + m R)), memory O(workers x N m x tile).

    h : (T, m, N) activation words, read only if units have readers;  states : (tiles, N) uint32, of each tile's first
    draw;  field : (order, parents, readers, bias, G, B, L, s, lift, fraction);  rules : (rounding, 2^(bits - 1) of a
    word, saturate, noisy);  source : (kind, k, method) of the Gaussian words.
    """
    T, m, N = out.shape
    signal, noisy, stochastic = field[2].shape[1] > 0, rules[3], rules[0] == STOCHASTIC
    dtype = field[5].dtype
    tiles = (T + tile - 1) // tile
    eta, acc = aligned(N * m, tile, dtype), aligned(2 * m, tile, dtype)
    total = aligned(1, tile, dtype)[0]
    random = aligned(N * m if stochastic else 1, tile, np.uint32)
    activation = aligned(N * m if signal else 0, tile, dtype)
    white = np.zeros((_FEW, m, N), np.int32)
    more = np.zeros((_FEW if stochastic else 0, m, N), np.uint32)
    for index in range(worker, tiles, workers):
        first = index * tile
        count = min(tile, T - first)
        state = states[index].copy()
        for begin in range(0, tile, _FEW):
            some = max(0, min(_FEW, count - begin))
            if noisy or stochastic:
                for t in range(some):
                    normals(white[t], state, source[0], source[1], source[2])
                    if stochastic:
                        random_words(more[t], state, source[0])
            turn(eta, begin, white, some)
            if stochastic:
                turn(random, begin, more, some)
        if signal:
            gather_tile(activation, h, first, count)
        sweep(eta, acc, total, random, activation, field, rules)
        scatter_tile(out, first, count, eta, gain)
