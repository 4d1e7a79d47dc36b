"""A few samples of a large grid on all cores: units whose parents are done are swept side by side, front by front."""

import numpy as np
from numba import prange

from localnoise.kernels.flags import ALL, ZERO, entry, parallel_kernel
from localnoise.kernels.normals import fill_block, key
from localnoise.kernels.scatter import scatter_tile
from localnoise.kernels.sweep import add_neighbours, begin
from localnoise.kernels.tiles import gather_tile, rows_of


@entry
def depths(out, order, parents):
    """out[u] = 0 for a unit without parents, else 1 + the largest depth among them: the front that it belongs to."""
    for v in range(order.shape[0]):
        u = order[v]
        deepest = -1
        for k in range(parents.shape[1]):
            if parents[u, k] >= 0:
                deepest = max(deepest, out[parents[u, k]])
        out[u] = deepest + 1


@parallel_kernel
def draw_fronts(eta, h, units, starts, parents, readers, a, G, B, S, gain, seed, positions, signal, white, workers):
    """As `sweep.draw`, parallel over the units of a front instead of over samples; the same numbers to the last bit.

    units (N,) sorted by front, front f is units[starts[f] : starts[f + 1]]. positions : (T,) uint64.
    """
    T, m, N = eta.shape
    k0, k1 = key(seed)
    rows = rows_of(N, ALL)
    buffer = np.empty(((N * m + 3) // 4 * 4, T), eta.dtype)
    activation = np.empty((h.shape[2] * m if signal else 0, T), eta.dtype)
    places = rows_of(h.shape[2], ALL)
    if signal:
        gather_tile(activation, h, ZERO, T)
    blocks = buffer.shape[0] // 4 if white else 0
    for worker in prange(workers):
        words = np.empty((4, T), np.uint32)
        for block in range(blocks * worker // workers, blocks * (worker + 1) // workers):
            fill_block(buffer, 4 * block, block, words, positions, k0, k1)
    for front in range(starts.shape[0] - 1):
        low, many = starts[front], starts[front + 1] - starts[front]
        for worker in prange(workers):
            own = np.empty((m, T), eta.dtype)
            for v in range(low + many * worker // workers, low + many * (worker + 1) // workers):
                u = units[v]
                begin(buffer, own, u * m, S[u], white)
                add_neighbours(buffer, rows, u, activation, places, parents, readers, a, G, B, signal)
    scatter_tile(eta, ZERO, T, buffer, gain)
