"""Sweeps of a field whose weights are shared by places, or of a low rank, as they are stored: never expanded.

    o_u   = sum_k past[c, k] p_P(u, k) + sum_j read[c, j] q_R(u, j),   p = inward eta,  q = reading h,  c = kinds[u]
    eta_u = a_u + inward' o_u + scale_u L[levels[u]] xi_u

Arrays (N units, m channels, K parents, R readers, C maps, r directions): kinds, levels (N,) int32; a, scale (N, m);
L (levels, m, m); inward, reading (r, m); past (C, r, K r), read (C, r, R r); gain (N,). Where inward has no rows, all
channels are carried as they are: past (C, m, K m), read (C, m, R m), o_u joins eta_u, p is eta and q is h. Tiles as in
`sweep`.
"""

import numpy as np

from localnoise.kernels.blocks import add_product, multiply_lower
from localnoise.kernels.flags import ZERO, kernel, shared_kernel
from localnoise.kernels.memory import aligned
from localnoise.kernels.normals import fill_block, key
from localnoise.kernels.scatter import scatter_tile
from localnoise.kernels.sweep import begin
from localnoise.kernels.tiles import gather_tile


@kernel
def project(out, basis, x, units):
    """out[u r + i, :] = sum_j basis[i, j] x[u m + j, :] for all units."""
    r, m = basis.shape
    for u in range(units):
        project_unit(out, u * r, basis, x, u * m)


@kernel
def project_unit(out, row, basis, x, first):
    """out[row + i, :] = sum_j basis[i, j] x[first + j, :]."""
    for i in range(row, row + basis.shape[0]):
        for t in range(out.shape[1]):
            out[i, t] = 0
    add_product(out, row, basis, ZERO, x, first, basis.shape[1])


@kernel
def add_mean(out, row, mixed, u, x, p, h, q, parents, readers, kinds, past, read, outward, signal):
    """out += what unit u's neighbors say of it, less its offset: x, p of its parents, and h, q of its readers."""
    r = outward.shape[1]
    c = kinds[u]
    if r == 0:
        add_links(out, row, past[c], x, parents[u])
        if signal:
            add_links(out, row, read[c], h, readers[u])
        return
    for i in range(r):
        for t in range(mixed.shape[1]):
            mixed[i, t] = 0
    add_links(mixed, ZERO, past[c], p, parents[u])
    if signal:
        add_links(mixed, ZERO, read[c], q, readers[u])
    add_product(out, row, outward, ZERO, mixed, ZERO, r)


@kernel
def add_links(out, row, W, x, units):
    """out[row + i, :] += sum_k sum_j W[i, k r + j] x[units[k] r + j, :], W of r rows; -1: missing."""
    r = W.shape[0]
    for k in range(units.shape[0]):
        if units[k] >= 0:
            add_product(out, row, W, k * r, x, units[k] * r, r)


@shared_kernel
def draw_narrow(
    eta, h, order, parents, readers, kinds, levels, a, scale, L, inward, reading, outward, past, read, gain,
    seed, positions, signal, white, tile, worker, workers
):  # fmt: skip
    """Write one draw (or mean) per presentation into eta (T, m, N), as `sweep.draw` does.

    Cost O(T N m^2 (K + R + 1)) where all channels are carried, else O(T N (r m + (K + R) r^2 + m^2)).
    """
    T, m, N = eta.shape
    r = inward.shape[0]
    k0, k1 = key(seed)
    tiles = (T + tile - 1) // tile
    blocks = (N * m + 3) // 4
    buffer, own = aligned(4 * blocks, tile, eta.dtype), aligned(m, tile, eta.dtype)
    words, mixed = aligned(4, tile, np.uint32), aligned(max(r, 1), tile, eta.dtype)
    p, q = aligned(N * r, tile, eta.dtype), aligned(h.shape[2] * r if signal else 0, tile, eta.dtype)
    activation = aligned(h.shape[2] * m if signal else 0, tile, eta.dtype)
    for index in range(worker, tiles, workers):
        first = index * tile
        count = min(tile, T - first)
        if signal:
            gather_tile(activation, h, first, count)
            project(q, reading, activation, h.shape[2] if r > 0 else 0)
        if white:
            places = positions[first : first + tile]
            for block in range(blocks):
                fill_block(buffer, 4 * block, block, words, places, k0, k1)
        for v in range(N):
            u = order[v]
            begin(buffer, own, u * m, L[levels[u]], white)
            for i in range(m):
                s, offset = scale[u, i], a[u, i]
                for t in range(tile):
                    buffer[u * m + i, t] = s * buffer[u * m + i, t]
                    if signal:
                        buffer[u * m + i, t] += offset
            add_mean(
                buffer, u * m, mixed, u, buffer, p, activation, q, parents, readers, kinds, past, read, outward, signal
            )  # fmt: skip
            if r > 0:
                project_unit(p, u * r, inward, buffer, u * m)
        scatter_tile(eta, first, count, buffer, gain)


@shared_kernel
def whiten_narrow(
    e, d, h, parents, readers, kinds, levels, a, scale, inverse, inward, reading, outward, past, read, gain,
    signal, affine, tile, worker, workers
):  # fmt: skip
    """Whiten as `score.whiten`: e_u = L^-1 (d_u / g_u - [a_u] - what its neighbors say) / scale_u; inverse: L^-1."""
    T, m, N = d.shape
    r = inward.shape[0]
    tiles = (T + tile - 1) // tile
    moved, said = aligned(N * m, tile, d.dtype), aligned(m, tile, d.dtype)
    one, mixed = aligned(m, tile, d.dtype), aligned(max(r, 1), tile, d.dtype)
    p, q = aligned(N * r, tile, d.dtype), aligned(h.shape[2] * r if signal else 0, tile, d.dtype)
    activation = aligned(h.shape[2] * m if signal else 0, tile, d.dtype)
    for index in range(worker, tiles, workers):
        first = index * tile
        count = min(tile, T - first)
        gather_tile(moved, d, first, count)
        for i in range(N * m):
            g = 1 / gain[i // m]
            for t in range(tile):
                moved[i, t] *= g
        project(p, inward, moved, N if r > 0 else 0)
        if signal:
            gather_tile(activation, h, first, count)
            project(q, reading, activation, h.shape[2] if r > 0 else 0)
        for u in range(N):
            for i in range(m):
                offset = a[u, i]
                for t in range(tile):
                    said[i, t] = offset if affine else 0
            add_mean(
                said, ZERO, mixed, u, moved, p, activation, q, parents, readers, kinds, past, read, outward, signal
            )  # fmt: skip
            for i in range(m):
                s = 1 / scale[u, i]
                for t in range(tile):
                    said[i, t] = s * (moved[u * m + i, t] - said[i, t])
            multiply_lower(one, ZERO, inverse[levels[u]], said, ZERO)
            for i in range(m):
                for t in range(count):
                    e[first + t, i, u] = one[i, t]


@kernel
def add_transposed(out, row, W, n, column, v, of):
    """out[row, j] += sum_i W[n, i, column + j] v[of, i]."""
    for i in range(W.shape[1]):
        value = v[of, i]
        for j in range(out.shape[1]):
            out[row, j] += W[n, i, column + j] * value


@shared_kernel
def pull_back_narrow(
    grad_h, grad_eta, order, parents, readers, kinds, inward, reading, outward, past, read, gain, worker, workers
):  # fmt: skip
    """Write what `sweep.pull_back` does: the adjoint of the mean, children before parents."""
    T, m, N = grad_eta.shape
    r = inward.shape[0]
    for t in range(T * worker // workers, T * (worker + 1) // workers):
        v, out = np.empty((N, m), grad_eta.dtype), np.zeros((N, m), grad_eta.dtype)
        p, q, o = np.zeros((N, r), v.dtype), np.zeros((N, r), v.dtype), np.empty((1, r), v.dtype)
        for u in range(N):
            for i in range(m):
                v[u, i] = gain[u] * grad_eta[t, i, u]
        for step in range(N - 1, -1, -1):
            u = order[step]
            for i in range(r):
                for j in range(m):
                    v[u, j] += inward[i, j] * p[u, i]
            for i in range(r):
                o[0, i] = 0
                for j in range(m):
                    o[0, i] += outward[j, i] * v[u, j]
            c = kinds[u]
            for k in range(parents.shape[1]):
                if parents[u, k] >= 0:
                    if r == 0:
                        add_transposed(v, parents[u, k], past, c, k * m, v, u)
                    else:
                        add_transposed(p, parents[u, k], past, c, k * r, o, ZERO)
            for k in range(readers.shape[1]):
                if readers[u, k] >= 0:
                    if r == 0:
                        add_transposed(out, readers[u, k], read, c, k * m, v, u)
                    else:
                        add_transposed(q, readers[u, k], read, c, k * r, o, ZERO)
        for u in range(N):
            for i in range(r):
                for j in range(m):
                    out[u, j] += reading[i, j] * q[u, i]
            for j in range(m):
                grad_h[t, j, u] = out[u, j]
