"""Votes of units under several laws: squared norms of whitened innovations of an activation, gathered once for all."""

import numpy as np

from localnoise.kernels.blocks import add_products
from localnoise.kernels.flags import ALL, ZERO, shared_kernel
from localnoise.kernels.memory import aligned
from localnoise.kernels.tiles import gather_tile, rows_of

SUMMED = 16  # units whose squares are summed in the activation's own precision; beyond, in float64


@shared_kernel
def squares(out, x, seen, law, offset, tile, worker, workers):
    """out[t, j] = sum_v |offset[v, j] + law[v, j] x[seen[v]]|^2.

    x : (T, m, N);  seen : (V, 1 + K), int32;  law : (V, J, m, (1 + K) m), 0 where a unit is missing;
    offset : (V, J, m);  out : (T, J), float64. Cost O(T V J m^2 (1 + K)).
    """
    T, m, N = x.shape
    V, J = offset.shape[0], offset.shape[1]
    moved, e = aligned(N * m, tile, x.dtype), aligned(m, tile, x.dtype)
    rows, few, total = rows_of(N, ALL), aligned(J, tile, x.dtype), np.empty((J, tile))
    for index in range(worker, (T + tile - 1) // tile, workers):
        first = index * tile
        count = min(tile, T - first)
        gather_tile(moved, x, first, count)
        few[:], total[:] = 0, 0
        for v in range(V):
            for j in range(J):
                for i in range(m):
                    for t in range(tile):
                        e[i, t] = offset[v, j, i]
                add_products(e, ZERO, law[v, j], moved, seen[v], rows)
                for i in range(m):
                    for t in range(tile):
                        few[j, t] += e[i, t] * e[i, t]
            if v % SUMMED == SUMMED - 1 or v == V - 1:
                for j in range(J):
                    for t in range(tile):
                        total[j, t] += few[j, t]
                        few[j, t] = 0
        for t in range(count):
            for j in range(J):
                out[first + t, j] = total[j, t]
