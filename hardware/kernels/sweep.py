"""The integer sweep: words of all units, a unit after all of its parents. Arithmetic as `hardware.fixedpoint` states.

Arrays as in `IntegerField`; weights and accumulators share one dtype, int32 or int64 (more than 32 accumulator bits).
Inside a sweep activity lies as (N m, tile), samples innermost.
"""

import numpy as np

from localnoise.hardware.flags import integer_kernel, shared_integer_kernel
from localnoise.hardware.generators.gaussian import normals
from localnoise.hardware.kernels.random import random_words
from localnoise.kernels.blocks import add_products, add_row
from localnoise.kernels.flags import ALL, ZERO
from localnoise.kernels.memory import aligned
from localnoise.kernels.scatter import scatter_tile
from localnoise.kernels.tiles import gather_tile, rows_of

HALF_UP, HALF_EVEN, STOCHASTIC = 0, 1, 2
READ, NEAR, OWN = 0, 1, 2  # columns of `lift`: what the partial sum multiplies


@integer_kernel
def round_row(out, row, total, bits, rounding, random, top, saturate):
    """out[row, :] = word(round(total 2^-bits)); random : (tile,) uint32, read with stochastic rounding."""
    one = np.int64(1)
    half = one << np.int64(bits - 1) if bits > 0 else np.int64(0)
    mask = (one << np.int64(bits)) - one
    for t in range(total.shape[0]):
        value = total[t]
        if rounding == STOCHASTIC:
            value = (value + (np.int64(random[t]) & mask)) >> np.int64(bits)
        else:
            tie = (value & mask) == half and bits > 0
            value = (value + half) >> np.int64(bits)
            if rounding == HALF_EVEN and tie:
                value &= ~one
        wrapped = ((value + top) & (top + top - one)) - top
        out[row, t] = min(max(value, -top), top - one) if saturate else wrapped


@integer_kernel
def sweep(eta, acc, total, random, h, field, rules):
    """Words in place: `eta` (N m, tile) holds the Gaussian words xi and becomes the field.

    acc : (2 m, tile) scratch;  total : (tile,) int64 scratch;  random : (N m, tile) uint32, or of no rows;
    h : (N m, tile) activation words;  field, rules : see `draw`.
    """
    order, parents, readers, bias, G, B, L, s, lift, fraction = field
    rounding, top, saturate, noisy = rules
    m = s.shape[1]
    rows = rows_of(order.shape[0], ALL)
    for v in range(order.shape[0]):
        u = order[v]
        acc[:] = 0
        add_products(acc, m, G[u], h, readers[u], rows)
        add_products(acc, ZERO, B[u], eta, parents[u], rows)
        l0, l1, l2 = np.int64(lift[u, 0]), np.int64(lift[u, 1]), np.int64(lift[u, 2])
        for i in range(m):
            row = u * m + i
            add_row(acc, ZERO, L[u], i, ZERO, eta, u * m, i)
            weight = np.int64(s[u, i]) if noisy else np.int64(0)
            for t in range(total.shape[0]):
                near, read = np.int64(acc[i, t]) << l1, np.int64(acc[m + i, t]) << l0
                total[t] = bias[u, i] + read + near + ((weight * np.int64(eta[row, t])) << l2)
            words = random[row] if rounding == STOCHASTIC else random[0]
            round_row(eta, row, total, fraction[u], rounding, words, top, saturate)


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
    total = aligned(1, tile, np.int64)[0]
    random = aligned(N * m if stochastic else 1, tile, np.uint32)
    activation = aligned(N * m if signal else 0, tile, dtype)
    white = np.zeros((tile, m, N), np.int32)
    more = np.zeros((tile if stochastic else 0, m, N), np.uint32)
    for index in range(worker, tiles, workers):
        first = index * tile
        count = min(tile, T - first)
        state = states[index].copy()
        if noisy or stochastic:
            for t in range(count):
                normals(white[t], state, source[0], source[1], source[2])
                if stochastic:
                    random_words(more[t], state, source[0])
        gather_tile(eta, white, ZERO, count)
        if stochastic:
            gather_tile(random, more, ZERO, count)
        if signal:
            gather_tile(activation, h, first, count)
        sweep(eta, acc, total, random, activation, field, rules)
        scatter_tile(out, first, count, eta, gain)
