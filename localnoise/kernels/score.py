"""Whitened innovations: what a unit's neighbourhood does not explain, in units of its own noise. No sweep."""

import numpy as np
from numba import prange

from localnoise.kernels.blocks import add_product, gather_tile
from localnoise.kernels.flags import parallel_kernel


@parallel_kernel
def whiten(e, d, h, parents, readers, a, G, B, S, gain, signal, affine, tile):
    """e_u = S_u^-1 (d_u / g_u - B_u d_P / g_P - [a_u] - [G_u h_R]), so that delta' Sigma^-1 delta = sum_u |e_u|^2.

    e, d, h : (T, m, N). `signal` subtracts G h, `affine` subtracts a. Cost O(T N m (m K + m R)).
    """
    T, m, N = d.shape
    for index in prange((T + tile - 1) // tile):
        first = index * tile
        count = min(tile, T - first)
        scaled = np.empty((N * m, tile), d.dtype)
        activation = np.empty((N * m if signal else 0, tile), d.dtype)
        mean = np.empty((m, tile), d.dtype)
        gather_tile(scaled, d, first, count)
        for u in range(N):
            for i in range(u * m, u * m + m):
                for t in range(tile):
                    scaled[i, t] /= gain[u]
        if signal:
            gather_tile(activation, h, first, count)
        for u in range(N):
            for i in range(m):
                for t in range(tile):
                    mean[i, t] = a[u, i] if affine else 0
            for k in range(parents.shape[1]):
                if parents[u, k] >= 0:
                    add_product(mean, 0, B[u], k * m, scaled, parents[u, k] * m, m)
            if signal:
                for r in range(readers.shape[1]):
                    if readers[u, r] >= 0:
                        add_product(mean, 0, G[u], r * m, activation, readers[u, r] * m, m)
            for i in range(m):  # forward substitution: `mean` becomes the whitened innovation row by row
                for t in range(tile):
                    mean[i, t] = scaled[u * m + i, t] - mean[i, t]
                for j in range(i):
                    for t in range(tile):
                        mean[i, t] -= S[u, i, j] * mean[j, t]
                for t in range(tile):
                    mean[i, t] /= S[u, i, i]
                for t in range(count):
                    e[first + t, i, u] = mean[i, t]
