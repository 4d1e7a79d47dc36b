"""Sweeps over the ordered units: draws, means and their adjoint. A unit is visited after all of its parents.

Arrays (N units, m channels, K parents, R readers; a missing parent or reader is -1):
order (N,), parents (N, K), readers (N, R) int32; a (N, m), G (N, m, R m), B (N, m, K m), S (N, m, m), gain (N,).
Activity is (T, m, N), the reshaped (T, C, H, W). Inside a sweep it lies as (N m, tile), samples innermost.
"""

import numpy as np

from localnoise.kernels.blocks import add_product, add_scalars, copy_row, multiply_lower
from localnoise.kernels.flags import ALL, NO, YES, ZERO, kernel, shared_kernel
from localnoise.kernels.memory import aligned
from localnoise.kernels.normals import fill_block, key
from localnoise.kernels.scatter import fetch_units, leaving, line_of, mirror, scatter_tile, scatter_units, streams
from localnoise.kernels.squares import fence
from localnoise.kernels.tiles import gather_tile


@kernel
def sweep(buffer, own, h, order, parents, readers, a, G, B, S, signal, white):
    """eta_u = [a_u + G_u h_R(u)] + B_u eta_P(u) + [S_u xi_u], in place: `buffer` holds xi and becomes eta.

    own : (m, tile) scratch or larger;  signal : include the bracket that reads the activation;  white : include the
    private noise.
    """
    for v in range(order.shape[0]):
        u = order[v]
        begin(buffer, own, u, S[u], white)
        add_neighbours(buffer, ALL, u, h, parents, readers, a, G, B, signal)


@kernel
def begin(buffer, own, u, S, white):
    """eta_u = S_u xi_u, in place, or 0 without the private noise."""
    m = S.shape[0]
    if white:
        for i in range(m):
            copy_row(own, i, buffer, u * m + i)
        multiply_lower(buffer, u * m, S, own, ZERO)
    else:
        for i in range(u * m, u * m + m):
            for t in range(buffer.shape[1]):
                buffer[i, t] = 0


@kernel
def add_neighbours(buffer, ring, u, h, parents, readers, a, G, B, signal):
    """eta_u += [a_u + G_u h_R(u)] + B_u eta_P(u). Unit u lies in the rows (u & ring) m of `buffer`."""
    m = a.shape[1]
    row = (u & ring) * m
    if signal:
        for i in range(m):
            for t in range(buffer.shape[1]):
                buffer[row + i, t] += a[u, i]
    if m == 1:
        add_scalars(buffer, row, B[u, 0], buffer, parents[u], ring)
    else:
        for k in range(parents.shape[1]):
            if parents[u, k] >= 0:
                add_product(buffer, row, B[u], k * m, buffer, (parents[u, k] & ring) * m, m)
    if signal:
        for r in range(readers.shape[1]):
            if readers[u, r] >= 0:
                add_product(buffer, row, G[u], r * m, h, readers[u, r] * m, m)


@kernel
def drawing_sweep(
    eta, first, count, buffer, ring, own, words, h, order, parents, readers, a, G, B, S, gain, signal, seed, positions
):
    """As `sweep` with the private noise drawn when a unit's turn comes, and written to eta[first : first + count].

    A ring buffer holds the last units only, as many as any parent lies back: neither xi nor a large grid's field ever
    leaves the cache. It needs units in row order; else ring = -1, and the buffer holds all units. Where units out of
    row order share blocks of four normals, all normals are drawn first: each block once.
    own : (4 ceil(m / 4) + 4, tile) scratch, whole blocks of four neurons; those of the unit before are used again.
    """
    m = S.shape[1]
    k0, k1 = key(seed)
    held, last, side = -1, -1, line_of(buffer, eta)
    past = streams(side, eta)
    many = leaving(ring, past)
    if ring == -1 and m % 4 != 0:
        for block in range((buffer.shape[0] + 3) // 4):
            fill_block(own, ZERO, block, words, positions, k0, k1)
            for i in range(min(4, buffer.shape[0] - 4 * block)):
                copy_row(buffer, 4 * block + i, own, i)
        sweep(buffer, own, h, order, parents, readers, a, G, B, S, signal, YES)
        scatter_tile(eta, first, count, buffer, gain)
        return
    for v in range(order.shape[0]):
        u = order[v]
        if held != u * m // 4 or last != (u * m + m - 1) // 4:
            held, last = u * m // 4, (u * m + m - 1) // 4
            for block in range(held, last + 1):
                fill_block(own, 4 * (block - held), block, words, positions, k0, k1)
        if ring != -1 and not past:
            fetch_units(eta, first, count, u, many)
        multiply_lower(buffer, (u & ring) * m, S[u], own, u * m - 4 * held)
        add_neighbours(buffer, ring, u, h, parents, readers, a, G, B, signal)
        mirror(buffer, ring, u, side, m)
        if ring != -1 and (u % many == many - 1 or v == order.shape[0] - 1):
            scatter_units(eta, first, count, buffer, ring, gain, u - u % many, u + 1, past)
    if ring == -1:
        scatter_tile(eta, first, count, buffer, gain)
    elif past:
        fence()


@shared_kernel
def draw(
    eta, h, order, parents, readers, a, G, B, S, gain, seed, positions, signal, white, tile, ring, worker, workers
):
    """Write one draw (or mean) per presentation into eta (T, m, N); presentation t is sample positions[t] of `seed`.

    Cost O(T N m (m K + m R)), memory O(workers x N m x tile). h (T, m, N) is read only with `signal`.
    positions : (T rounded up to whole tiles,) uint64.
    ring : -1, or 2^k - 1 where the units are in row order and no parent lies 2^k units back: O(workers x 2^k m x tile).
    """
    T, m, N = eta.shape
    tiles = (T + tile - 1) // tile
    buffer = aligned((N if ring == -1 or not white else ring + line_of(eta, eta)) * m, tile, eta.dtype)
    own = aligned(4 * ((m + 3) // 4) + 4, tile, eta.dtype)
    words = aligned(4, tile, np.uint32)
    activation = aligned(N * m if signal else 0, tile, eta.dtype)
    for index in range(worker, tiles, workers):
        first = index * tile
        count = min(tile, T - first)
        places = positions[first : first + tile]
        if signal:
            gather_tile(activation, h, first, count)
        if white:
            noise = (order, parents, readers, a, G, B, S, gain, signal, seed, places)
            drawing_sweep(eta, first, count, buffer, ring, own, words, activation, *noise)
        else:
            sweep(buffer, own, activation, order, parents, readers, a, G, B, S, signal, white)
            scatter_tile(eta, first, count, buffer, gain)


@shared_kernel
def factor_columns(L, order, parents, a, G, B, S, gain, tile, worker, workers):
    """Write the dense factor L = diag(gain) (I - B)^-1 S, so that Sigma = L L'. Rows and columns are unit-major.

    Cost O(n^2 m K); L : (n, n), n = N m, neuron u m + c.
    """
    n, m = L.shape[0], S.shape[1]
    for index in range(worker, (n + tile - 1) // tile, workers):
        first = index * tile
        count = min(tile, n - first)
        buffer = aligned(n, tile, L.dtype)
        buffer[:] = 0
        own = aligned(m, tile, L.dtype)
        for t in range(count):
            buffer[first + t, t] = 1
        sweep(buffer, own, buffer, order, parents, parents, a, G, B, S, NO, YES)
        for i in range(n):
            for t in range(count):
                L[i, first + t] = gain[i // m] * buffer[i, t]


@kernel
def add_adjoint(out, row, W, u, column, v):
    """out[row, :] += sum_i v[u, i] W[u, i, column : column + m], the adjoint of a unit's product; row is not u."""
    m = W.shape[1]
    for i in range(m):
        value = v[u, i]
        for j in range(m):
            out[row, j] += W[u, i, column + j] * value


@shared_kernel
def pull_back(grad_h, grad_eta, order, parents, readers, G, B, gain, worker, workers):
    """grad_h = G' (I - B)^-T diag(gain) grad_eta, the adjoint of the mean: children before parents.

    grad_h, grad_eta : (T, m, N). Cost as `draw`; parallel over presentations.
    """
    T, m, N = grad_eta.shape
    for t in range(T * worker // workers, T * (worker + 1) // workers):
        v = np.empty((N, m), grad_eta.dtype)
        out = np.zeros((N, m), grad_eta.dtype)
        for u in range(N):
            for i in range(m):
                v[u, i] = gain[u] * grad_eta[t, i, u]
        for step in range(N - 1, -1, -1):
            u = order[step]
            for k in range(parents.shape[1]):
                if parents[u, k] >= 0:
                    add_adjoint(v, parents[u, k], B, u, k * m, v)
            for r in range(readers.shape[1]):
                if readers[u, r] >= 0:
                    add_adjoint(out, readers[u, r], G, u, r * m, v)
        for i in range(m):
            for u in range(N):
                grad_h[t, i, u] = out[u, i]
