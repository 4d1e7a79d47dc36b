"""Sweeps of a field whose weights are shared by places, or of a low rank, as they are stored: never expanded.

    o_u   = sum_k own_past[u, k] p_P(u, k) + sum_r own_read[u, r] q_R(u, r),     p = inward eta,  q = reading h
    eta_u = a_u + common_past[c] eta_P + common_read[c] h_R + outward o_u + scale_u L[c] xi_u,     c = kinds[u]

Arrays (N units, m channels, K parents, R readers, C classes, rank r; C or r may be 0 in the weights):
kinds (N,) int32; a, scale (N, m); L (classes, m, m); common_past (C, m, K m), common_read (C, m, R m);
inward, reading (r, m), outward (m, r); own_past (N, r, K r), own_read (N, r, R r); gain (N,). Tiles as in `sweep`.
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
def add_links(out, row, mixed, u, wires, common, c, x, local, projected):
    """out += common[c] x_wires, and mixed += local[u] projected_wires, of unit u's wires."""
    r = local.shape[1]
    for k in range(wires.shape[1]):
        v = wires[u, k]
        if v >= 0:
            if common.shape[0] > 0:
                m = common.shape[1]
                add_product(out, row, common[c], k * m, x, v * m, m)
            if r > 0:
                add_product(mixed, ZERO, local[u], k * r, projected, v * r, r)


@kernel
def add_mean(
    out,
    row,
    mixed,
    u,
    x,
    p,
    h,
    q,
    parents,
    readers,
    kinds,
    common_past,
    common_read,
    outward,
    own_past,
    own_read,
    signal,
):
    """out += what unit u's neighbors say of it, less its offset: x, p of its parents, and h, q of its readers."""
    r = outward.shape[1]
    for i in range(r):
        for t in range(mixed.shape[1]):
            mixed[i, t] = 0
    add_links(out, row, mixed, u, parents, common_past, kinds[u], x, own_past, p)
    if signal:
        add_links(out, row, mixed, u, readers, common_read, kinds[u], h, own_read, q)
    if r > 0:
        add_product(out, row, outward, ZERO, mixed, ZERO, r)


@shared_kernel
def draw_narrow(
    eta, h, order, parents, readers, kinds, a, scale, L, common_past, common_read, inward, reading, outward,
    own_past, own_read, gain, seed, positions, signal, white, tile, worker, workers
):  # fmt: skip
    """As `sweep.draw`: one draw (or mean) per presentation into eta (T, m, N).

    Cost O(T N m^2 (K + R)) with a shared map, O(T N r (m + (K + R) r)) for own weights, O(T N m^2) for the noise.
    """
    T, m, N = eta.shape
    r = inward.shape[0]
    k0, k1 = key(seed)
    tiles = (T + tile - 1) // tile
    blocks = (N * m + 3) // 4
    buffer, own = aligned(4 * blocks, tile, eta.dtype), aligned(m, tile, eta.dtype)
    words, mixed = aligned(4, tile, np.uint32), aligned(max(r, 1), tile, eta.dtype)
    p, q = aligned(N * r, tile, eta.dtype), aligned(N * r if signal else 0, tile, eta.dtype)
    activation = aligned(N * m if signal else 0, tile, eta.dtype)
    for index in range(worker, tiles, workers):
        first = index * tile
        count = min(tile, T - first)
        if signal:
            gather_tile(activation, h, first, count)
            project(q, reading, activation, N if r > 0 else 0)
        if white:
            places = positions[first : first + tile]
            for block in range(blocks):
                fill_block(buffer, 4 * block, block, words, places, k0, k1)
        for v in range(N):
            u = order[v]
            begin(buffer, own, u, L[kinds[u]], white)
            for i in range(m):
                s, offset = scale[u, i], a[u, i]
                for t in range(tile):
                    buffer[u * m + i, t] = s * buffer[u * m + i, t]
                    if signal:
                        buffer[u * m + i, t] += offset
            add_mean(
                buffer, u * m, mixed, u, buffer, p, activation, q, parents, readers, kinds, common_past, common_read,
                outward, own_past, own_read, signal
            )  # fmt: skip
            if r > 0:
                project_unit(p, u * r, inward, buffer, u * m)
        scatter_tile(eta, first, count, buffer, gain)


@shared_kernel
def whiten_narrow(
    e, d, h, parents, readers, kinds, a, scale, inverse, common_past, common_read, inward, reading, outward,
    own_past, own_read, gain, signal, affine, tile, worker, workers
):  # fmt: skip
    """As `score.whiten`: e_u = L^-1 (d_u / g_u - [a_u] - what its neighbors say) / scale_u; inverse is L^-1."""
    T, m, N = d.shape
    r = inward.shape[0]
    tiles = (T + tile - 1) // tile
    moved, said = aligned(N * m, tile, d.dtype), aligned(m, tile, d.dtype)
    one, mixed = aligned(m, tile, d.dtype), aligned(max(r, 1), tile, d.dtype)
    p, q = aligned(N * r, tile, d.dtype), aligned(N * r if signal else 0, tile, d.dtype)
    activation = aligned(N * m if signal else 0, tile, d.dtype)
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
            project(q, reading, activation, N if r > 0 else 0)
        for u in range(N):
            for i in range(m):
                offset = a[u, i]
                for t in range(tile):
                    said[i, t] = offset if affine else 0
            add_mean(
                said, ZERO, mixed, u, moved, p, activation, q, parents, readers, kinds, common_past, common_read,
                outward, own_past, own_read, signal
            )  # fmt: skip
            for i in range(m):
                s = 1 / scale[u, i]
                for t in range(tile):
                    said[i, t] = s * (moved[u * m + i, t] - said[i, t])
            multiply_lower(one, ZERO, inverse[kinds[u]], said, ZERO)
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
    grad_h, grad_eta, order, parents, readers, kinds, common_past, common_read, inward, reading, outward,
    own_past, own_read, gain, worker, workers
):  # fmt: skip
    """As `sweep.pull_back`: the adjoint of the mean, children before parents."""
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
            for k in range(parents.shape[1]):
                if parents[u, k] >= 0:
                    if common_past.shape[0] > 0:
                        add_transposed(v, parents[u, k], common_past, kinds[u], k * m, v, u)
                    add_transposed(p, parents[u, k], own_past, u, k * r, o, ZERO)
            for k in range(readers.shape[1]):
                if readers[u, k] >= 0:
                    if common_read.shape[0] > 0:
                        add_transposed(out, readers[u, k], common_read, kinds[u], k * m, v, u)
                    add_transposed(q, readers[u, k], own_read, u, k * r, o, ZERO)
        for u in range(N):
            for i in range(r):
                for j in range(m):
                    out[u, j] += reading[i, j] * q[u, i]
            for j in range(m):
                grad_h[t, j, u] = out[u, j]
