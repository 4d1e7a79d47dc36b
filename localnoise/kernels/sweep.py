"""Sweeps over the ordered units: draws, means and their adjoint. A unit is visited after all of its parents.

Arrays (N units, m channels, K parents, R readers; a missing parent or reader is -1):
order (N,), parents (N, K), readers (N, R) int32; a (N, m), G (N, m, R m), B (N, m, K m), S (N, m, m), gain (N,).
Activity is (T, m, N), the reshaped (T, C, H, W). Inside a sweep it lies as (N m, tile), samples innermost.
"""

import numpy as np
from numba import prange

from localnoise.kernels.blocks import add_product, gather_tile, multiply_lower, scatter_tile
from localnoise.kernels.flags import kernel, parallel_kernel
from localnoise.kernels.normals import fill_normals


@kernel
def sweep(buffer, scratch, h, order, parents, readers, a, G, B, S, signal, white):
    """eta_u = [a_u + G_u h_R(u)] + B_u eta_P(u) + [S_u xi_u], in place: `buffer` holds xi and becomes eta.

    signal : include the bracket that reads the activation;  white : include the private noise.
    """
    m, tile = S.shape[1], buffer.shape[1]
    for v in range(order.shape[0]):
        u = order[v]
        if white:
            multiply_lower(scratch, S[u], buffer, u * m)
        for i in range(m):
            out, mixed, mean = buffer[u * m + i], scratch[i], a[u, i]
            for t in range(tile):
                out[t] = mixed[t] if white else 0
            if signal:
                for t in range(tile):
                    out[t] += mean
        for k in range(parents.shape[1]):
            if parents[u, k] >= 0:
                add_product(buffer, u * m, B[u], k * m, buffer, parents[u, k] * m, m)
        if signal:
            for r in range(readers.shape[1]):
                if readers[u, r] >= 0:
                    add_product(buffer, u * m, G[u], r * m, h, readers[u, r] * m, m)


@parallel_kernel
def draw(eta, h, order, parents, readers, a, G, B, S, gain, seed, positions, signal, white, tile, workers):
    """Write one draw (or mean) per presentation into eta (T, m, N); presentation t is sample positions[t] of `seed`.

    Cost O(T N m (m K + m R)), memory O(workers x N m x tile). h (T, m, N) is read only with `signal`.
    positions : (T rounded up to whole tiles,) uint64.
    """
    T, m, N = eta.shape
    rows = 4 * ((N * m + 3) // 4)
    tiles = (T + tile - 1) // tile
    for worker in prange(workers):
        buffer = np.empty((rows, tile), eta.dtype)
        scratch = np.empty((m, tile), eta.dtype)
        activation = np.empty((rows if signal else 0, tile), eta.dtype)
        for index in range(worker, tiles, workers):
            first = index * tile
            count = min(tile, T - first)
            if white:
                fill_normals(buffer, seed, positions[first : first + tile])
            if signal:
                gather_tile(activation, h, first, count)
            sweep(buffer, scratch, activation, order, parents, readers, a, G, B, S, signal, white)
            scatter_tile(eta, first, count, buffer, gain)


@parallel_kernel
def factor_columns(L, order, parents, a, G, B, S, gain, tile):
    """Write the dense factor L = diag(gain) (I - B)^-1 S, so that Sigma = L L'. Rows and columns are unit-major.

    Cost O(n^2 m K); L : (n, n), n = N m, neuron u m + c.
    """
    n, m = L.shape[0], S.shape[1]
    for index in prange((n + tile - 1) // tile):
        first = index * tile
        count = min(tile, n - first)
        buffer = np.zeros((n, tile), L.dtype)
        scratch = np.empty((m, tile), L.dtype)
        for t in range(count):
            buffer[first + t, t] = 1
        sweep(buffer, scratch, buffer, order, parents, parents, a, G, B, S, False, True)
        for i in range(n):
            for t in range(count):
                L[i, first + t] = gain[i // m] * buffer[i, t]


@parallel_kernel
def pull_back(grad_h, grad_eta, order, parents, readers, G, B, gain):
    """grad_h = G' (I - B)^-T diag(gain) grad_eta, the adjoint of the mean: children before parents.

    grad_h, grad_eta : (T, m, N). Cost as `draw`; parallel over presentations.
    """
    T, m, N = grad_eta.shape
    for t in prange(T):
        v = np.empty((N, m), grad_eta.dtype)
        out = np.zeros((N, m), grad_eta.dtype)
        for u in range(N):
            for i in range(m):
                v[u, i] = gain[u] * grad_eta[t, i, u]
        for step in range(N - 1, -1, -1):
            u = order[step]
            for i in range(m):
                value = v[u, i]
                for k in range(parents.shape[1]):
                    if parents[u, k] >= 0:
                        target, weights = v[parents[u, k]], B[u, i, k * m : (k + 1) * m]
                        for j in range(m):
                            target[j] += weights[j] * value
                for r in range(readers.shape[1]):
                    if readers[u, r] >= 0:
                        target, weights = out[readers[u, r]], G[u, i, r * m : (r + 1) * m]
                        for j in range(m):
                            target[j] += weights[j] * value
        for i in range(m):
            for u in range(N):
                grad_h[t, i, u] = out[u, i]
