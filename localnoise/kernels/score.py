"""Whitened innovations: what a unit's neighbourhood does not explain, in units of its own noise. No sweep."""

import numpy as np

from localnoise.kernels.blocks import add_products, multiply_lower
from localnoise.kernels.flags import ALL, NO, ZERO, kernel, shared_kernel
from localnoise.kernels.memory import aligned
from localnoise.kernels.tiles import STEP, gather_tile, gather_units, rows_of


@shared_kernel
def fold(offset, read, past, own, a, G, B, S, gain, parents, worker, workers):
    """Weights of e_u = own_u d_u + past_u d_P + [offset_u + read_u h_R], gains and private noise divided out.

    own : S^-1 / g_u, lower triangular, inverted in float64;  past : -S^-1 B_u / g_P;  read : -S^-1 G_u;
    offset : -S^-1 a. Shapes are those of S, B, G and a. Cost O(N m^2 (m + m K + m R)).
    """
    m = S.shape[1]
    for u in range(len(S) * worker // workers, len(S) * (worker + 1) // workers):
        inverse = np.zeros((m, m))
        for j in range(m):
            inverse[j, j] = -1 / S[u, j, j]
            for i in range(j + 1, m):
                total = 0.0
                for k in range(j, i):
                    total += S[u, i, k] * inverse[k, j]
                inverse[i, j] = -total / S[u, i, i]
        own[u] = inverse
        multiply_lower(past[u], ZERO, own[u], B[u], ZERO)
        multiply_lower(read[u], ZERO, own[u], G[u], ZERO)
        for i in range(m):
            offset[u, i] = 0
            for j in range(i + 1):
                offset[u, i] += own[u, i, j] * a[u, j]
            for k in range(parents.shape[1]):
                if parents[u, k] >= 0:
                    past[u, i, k * m : k * m + m] *= 1 / gain[parents[u, k]]
        own[u] *= -1 / gain[u]


@kernel
def whiten_unit(e, u, d, rows, h, places, parents, readers, offset, read, past, own, signal, affine):
    """e = S_u^-1 (d_u / g_u - B_u d_P / g_P - [a_u] - [G_u h_R]), by the weights of `fold`.

    e : (m, tile). Unit u of d lies in the m rows from rows[u] m on, of h from places[u] m on.
    """
    m = e.shape[0]
    multiply_lower(e, ZERO, own[u], d, rows[u] * m)
    add_products(e, ZERO, past[u], d, parents[u], rows)
    if affine:
        for i in range(m):
            for t in range(e.shape[1]):
                e[i, t] += offset[u, i]
    if signal:
        add_products(e, ZERO, read[u], h, readers[u], places)


@shared_kernel
def whiten(e, d, h, parents, readers, offset, read, past, own, signal, affine, tile, ring, worker, workers):
    """Whitened innovations of all units: delta' Sigma^-1 delta = sum_u |e_u|^2.

    e, d, h : (T, m, N). `signal` subtracts G h, `affine` subtracts a. Cost O(T N m (m K + m R)).
    ring : 2^k - 1 where no parent lies 2^k - 16 units back, or -1: how much of d lies in a buffer at once.
    """
    T, m, N = d.shape
    tiles = (T + tile - 1) // tile
    moved, one = aligned((N if ring == -1 else ring + 1) * m, tile, d.dtype), aligned(m, tile, d.dtype)
    activation = aligned(h.shape[2] * m if signal else 0, tile, d.dtype)
    rows, places = rows_of(N, ring), rows_of(h.shape[2] if signal else ZERO, ALL)
    for index in range(worker, tiles, workers):
        first = index * tile
        count = min(tile, T - first)
        if ring == -1:
            gather_tile(moved, d, first, count)
        if signal:
            gather_tile(activation, h, first, count)
        for u in range(N):
            if ring != -1 and u % STEP == 0:
                gather_units(moved, (u & ring) * m, d, first, count, u, min(u + STEP, N))
            whiten_unit(
                one, u, moved, rows, activation, places, parents, readers, offset, read, past, own, signal, affine
            )
            for i in range(m):
                for t in range(count):
                    e[first + t, i, u] = one[i, t]


@shared_kernel
def squared_norms(out, d, parents, readers, offset, read, past, own, tile, ring, worker, workers):
    """out[t] = sum_u |e_u|^2 of a displacement, in float64: nothing of the grid's size is written. out : (T,)."""
    T, m, N = d.shape
    tiles = (T + tile - 1) // tile
    moved, one = aligned((N if ring == -1 else ring + 1) * m, tile, d.dtype), aligned(m, tile, d.dtype)
    rows = rows_of(N, ring)
    unit, total = aligned(1, tile, d.dtype)[0], np.empty(tile)
    for index in range(worker, tiles, workers):
        first = index * tile
        count = min(tile, T - first)
        if ring == -1:
            gather_tile(moved, d, first, count)
        total[:] = 0
        for u in range(N):
            if ring != -1 and u % STEP == 0:
                gather_units(moved, (u & ring) * m, d, first, count, u, min(u + STEP, N))
            whiten_unit(one, u, moved, rows, moved, rows, parents, readers, offset, read, past, own, NO, NO)
            unit[:] = 0
            for i in range(m):
                for t in range(tile):
                    unit[t] += one[i, t] * one[i, t]
            for t in range(tile):
                total[t] += unit[t]
        for t in range(count):
            out[first + t] = total[t]
