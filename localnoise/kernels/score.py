"""Whitened innovations: what a unit's neighbourhood does not explain, in units of its own noise. No sweep."""

import numpy as np
from numba import prange

from localnoise.kernels.blocks import add_product, multiply_lower
from localnoise.kernels.flags import kernel, parallel_kernel
from localnoise.kernels.tiles import aligned, gather_tile


@kernel
def whiten_unit(e, rest, u, scaled, activation, parents, readers, a, G, B, inverse, signal, affine):
    """e = S_u^-1 (d_u / g_u - B_u d_P / g_P - [a_u] - [G_u h_R]).

    e, rest : (m, tile), rest is scratch;  scaled : d / g, activation : h;  inverse : (N, m, m), S^-1.
    """
    m = e.shape[0]
    for i in range(m):
        for t in range(e.shape[1]):
            e[i, t] = a[u, i] if affine else 0
    for k in range(parents.shape[1]):
        if parents[u, k] >= 0:
            add_product(e, 0, B[u], k * m, scaled, parents[u, k] * m, m)
    if signal:
        for r in range(readers.shape[1]):
            if readers[u, r] >= 0:
                add_product(e, 0, G[u], r * m, activation, readers[u, r] * m, m)
    for i in range(m):
        for t in range(e.shape[1]):
            rest[i, t] = scaled[u * m + i, t] - e[i, t]
    multiply_lower(e, 0, inverse[u], rest, 0)


@parallel_kernel
def invert_lower(out, S):
    """out[u] = S[u]^-1 of lower triangular S (N, m, m), in float64, column by column. Cost O(N m^3 / 6)."""
    m = S.shape[1]
    for u in prange(S.shape[0]):
        inverse = np.zeros((m, m))
        for j in range(m):
            inverse[j, j] = 1 / S[u, j, j]
            for i in range(j + 1, m):
                total = 0.0
                for k in range(j, i):
                    total += S[u, i, k] * inverse[k, j]
                inverse[i, j] = -total / S[u, i, i]
        out[u] = inverse


@kernel
def divide_by_gain(scaled, gain, m):
    """scaled[u m + c] /= gain[u]."""
    for u in range(gain.shape[0]):
        g = 1 / gain[u]
        for i in range(u * m, u * m + m):
            for t in range(scaled.shape[1]):
                scaled[i, t] *= g


@parallel_kernel
def whiten(e, d, h, parents, readers, a, G, B, inverse, gain, signal, affine, tile, workers):
    """Whitened innovations of all units: delta' Sigma^-1 delta = sum_u |e_u|^2.

    e, d, h : (T, m, N). `signal` subtracts G h, `affine` subtracts a. Cost O(T N m (m K + m R)).
    """
    T, m, N = d.shape
    tiles = (T + tile - 1) // tile
    for worker in prange(workers):
        scaled, own, rest = aligned(N * m, tile, d), aligned(m, tile, d), aligned(m, tile, d)
        activation = aligned(N * m if signal else 0, tile, d)
        for index in range(worker, tiles, workers):
            first = index * tile
            count = min(tile, T - first)
            gather_tile(scaled, d, first, count)
            divide_by_gain(scaled, gain, m)
            if signal:
                gather_tile(activation, h, first, count)
            for u in range(N):
                whiten_unit(own, rest, u, scaled, activation, parents, readers, a, G, B, inverse, signal, affine)
                for i in range(m):
                    for t in range(count):
                        e[first + t, i, u] = own[i, t]


@parallel_kernel
def squared_norms(out, d, parents, readers, a, G, B, inverse, gain, tile, workers):
    """out[t] = sum_u |e_u|^2 of a displacement, in float64: nothing of the grid's size is written. out : (T,)."""
    T, m, N = d.shape
    tiles = (T + tile - 1) // tile
    for worker in prange(workers):
        scaled, own, rest = aligned(N * m, tile, d), aligned(m, tile, d), aligned(m, tile, d)
        unit, total = aligned(1, tile, d)[0], np.empty(tile)
        for index in range(worker, tiles, workers):
            first = index * tile
            count = min(tile, T - first)
            gather_tile(scaled, d, first, count)
            divide_by_gain(scaled, gain, m)
            total[:] = 0
            for u in range(N):
                whiten_unit(own, rest, u, scaled, scaled, parents, readers, a, G, B, inverse, False, False)
                unit[:] = 0
                for i in range(m):
                    for t in range(tile):
                        unit[t] += own[i, t] * own[i, t]
                for t in range(tile):
                    total[t] += unit[t]
            for t in range(count):
                out[first + t] = total[t]
