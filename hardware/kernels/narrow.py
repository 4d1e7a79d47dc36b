"""The integer sweep of a narrow field: shared weights and links of a low rank, as `hardware.narrow` states it.

Arrays as in `NarrowWords`; `outward` is `inward` transposed. Weights and accumulators share one dtype, int32 or int64.
Inside a sweep activity lies as (N m, tile), samples innermost.
"""

import numpy as np

from localnoise.hardware.flags import integer_kernel, shared_integer_kernel
from localnoise.hardware.generators.gaussian import normals
from localnoise.hardware.kernels.random import random_words
from localnoise.hardware.kernels.sweep import HALF_UP, NEAR, READ, STOCHASTIC, round_row
from localnoise.kernels.blocks import add_product, add_row
from localnoise.kernels.flags import ZERO
from localnoise.kernels.memory import aligned
from localnoise.kernels.scatter import scatter_tile
from localnoise.kernels.tiles import gather_tile


@integer_kernel
def clear(rows, count):
    """rows[:count] = 0."""
    for i in range(count):
        for t in range(rows.shape[1]):
            rows[i, t] = 0


@integer_kernel
def carry(out, row, basis, x, first, acc, total, bits, nothing, top, saturate):
    """out[row + j, :] = word((sum_i basis[j, i] x[first + i, :]) >> bits[j]), half up."""
    r, m = basis.shape
    clear(acc, r)
    add_product(acc, ZERO, basis, ZERO, x, first, m)
    for j in range(r):
        for t in range(total.shape[0]):
            total[t] = np.int64(acc[j, t])
        round_row(out, row + j, total, bits[j], HALF_UP, nothing, top, saturate)


@integer_kernel
def draw_private(out, eta, first, factor, deep):
    """out[i, :] = (sum_{j <= i} factor[i, j] eta[first + j, :]) >> deep[i], half up."""
    m = factor.shape[0]
    clear(out, m)
    for i in range(m):
        add_row(out, ZERO, factor, i, ZERO, eta, first, i + 1)
        bits = np.int64(deep[i])
        half = (np.int64(1) << bits) >> np.int64(1)
        for t in range(out.shape[1]):
            out[i, t] = (np.int64(out[i, t]) + half) >> bits


@integer_kernel
def sweep_narrow(eta, carried, read_words, scratch, total, random, field, rules):
    """Words in place: `eta` (N m, tile) holds the Gaussian words xi and becomes the field.

    carried : (N r, tile), becomes the words p;  read_words : (N r, tile) words q, or (N m, tile) activations;
    scratch : four arrays (max(m, r), tile);  field, rules : see `draw_narrow`.
    """
    (order, parents, readers, kinds, levels, bias, s, own, factor, deep, inward, outward, _, down, _, up,
     past, read, lift, fraction, shifts) = field  # fmt: skip
    private, near, far, back = scratch
    rounding, top, saturate, noisy = rules
    m, r = s.shape[1], inward.shape[0]
    q = past.shape[1]
    point, offset = np.int64(shifts[0]), np.int64(shifts[1])
    for v in range(order.shape[0]):
        u = order[v]
        c = kinds[u]
        draw_private(private, eta, u * m, factor[levels[u]], deep[levels[u]])
        clear(near, q)
        clear(far, q)
        for k in range(readers.shape[1]):
            if readers[u, k] >= 0:
                add_product(far, ZERO, read[c], k * q, read_words, readers[u, k] * q, q)
        for k in range(parents.shape[1]):
            if parents[u, k] >= 0:
                if r > 0:
                    add_product(near, ZERO, past[c], k * q, carried, parents[u, k] * q, q)
                else:
                    add_product(near, ZERO, past[c], k * q, eta, parents[u, k] * q, q)
        if r > 0:
            for j in range(r):
                l0, l1 = np.int64(lift[c, j, READ]), np.int64(lift[c, j, NEAR])
                for t in range(total.shape[0]):
                    total[t] = (np.int64(near[j, t]) << l1) + (np.int64(far[j, t]) << l0)
                round_row(near, j, total, fraction[c, j], HALF_UP, random[0], top, saturate)
                for t in range(total.shape[0]):
                    near[j, t] = np.int64(near[j, t]) << np.int64(up[j])
            clear(back, m)
            add_product(back, ZERO, outward, ZERO, near, ZERO, r)
        shift = np.int64(own[u])
        for i in range(m):
            weight = np.int64(s[u, i]) if noisy else np.int64(0)
            start = np.int64(bias[u, i]) << offset
            for t in range(total.shape[0]):
                total[t] = start + ((weight * np.int64(private[i, t])) << shift)
                if r > 0:
                    total[t] += np.int64(back[i, t])
            if r == 0:
                l0, l1 = np.int64(lift[c, i, READ]), np.int64(lift[c, i, NEAR])
                for t in range(total.shape[0]):
                    total[t] += (np.int64(near[i, t]) << l1) + (np.int64(far[i, t]) << l0)
            row = u * m + i
            words = random[row] if rounding == STOCHASTIC else random[0]
            round_row(eta, row, total, point, rounding, words, top, saturate)
        if r > 0:
            carry(carried, u * r, inward, eta, u * m, back, total, down, random[0], top, saturate)


@shared_integer_kernel
def draw_narrow(out, h, states, field, rules, gain, source, tile, worker, workers):
    """Write one draw (or mean) per presentation into out (T, m, N), as `sweep.draw`.

    Cost O(T N (r m + (K + R) r^2 + m^2)), or O(T N m^2 (K + R + 1)) without a rank.

    field : (order, parents, readers, kinds, levels, bias, s, own, factor, deep, inward, outward, reading, down, sunk,
    up, past, read, lift, fraction, shifts).
    """
    T, m, N = out.shape
    signal, noisy, stochastic = field[2].shape[1] > 0, rules[3], rules[0] == STOCHASTIC
    reading, sunk, dtype = field[12], field[14], field[10].dtype
    r = field[10].shape[0]
    tiles = (T + tile - 1) // tile
    eta, carried = aligned(N * m, tile, dtype), aligned(N * r, tile, dtype)
    widest = max(m, r)
    scratch = (
        aligned(widest, tile, dtype), aligned(widest, tile, dtype), aligned(widest, tile, dtype),
        aligned(widest, tile, dtype),
    )  # fmt: skip
    total = aligned(1, tile, np.int64)[0]
    random = aligned(N * m if stochastic else 1, tile, np.uint32)
    activation = aligned(N * m if signal else 0, tile, dtype)
    read_words = aligned(N * r if signal else 0, tile, dtype)
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
            if r > 0:
                for u in range(N):
                    carry(
                        read_words, u * r, reading, activation, u * m, scratch[3], total, sunk, random[0], rules[1],
                        rules[2],
                    )  # fmt: skip
        sweep_narrow(eta, carried, read_words if r > 0 else activation, scratch, total, random, field, rules)
        scatter_tile(out, first, count, eta, gain)
