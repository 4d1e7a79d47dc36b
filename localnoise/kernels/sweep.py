"""Sweeps over the ordered units: draws, means and their adjoint. A unit is visited after all of its parents.

Arrays (N units, m channels, K parents, R readers; a missing parent or reader is -1):
order, visits, rows (N,), parents (N, K), readers (N, R) int32; a (N, m), G (N, m, R m), B (N, m, K m), S (N, m, m),
gain (N,).
Activity is (T, m, N), the reshaped (T, C, H, W). Inside a sweep it lies as (N m, tile), samples innermost.
"""

import numpy as np

from localnoise.kernels.blocks import add_products, add_scalars, copy_row, multiply_lower, scale_row
from localnoise.kernels.flags import ALL, NO, YES, ZERO, inlined, kernel, shared_kernel
from localnoise.kernels.memory import aligned
from localnoise.kernels.normals import fill_block, key
from localnoise.kernels.scatter import fetch_units, line_of, scatter_units, streams
from localnoise.kernels.squares import fence
from localnoise.kernels.tiles import STEP, gather_units, rows_of
from localnoise.kernels.visits import GROUP


@kernel
def begin(buffer, own, row, S, white):
    """eta_u = S_u xi_u, in place in the rows from `row` on, or 0 without the private noise."""
    m = S.shape[0]
    if white:
        for i in range(m):
            copy_row(own, i, buffer, row + i)
        multiply_lower(buffer, row, S, own, ZERO)
    else:
        for i in range(row, row + m):
            for t in range(buffer.shape[1]):
                buffer[i, t] = 0


@kernel
def add_neighbours(buffer, rows, u, h, places, parents, readers, a, G, B, signal):
    """eta_u += [a_u + G_u h_R(u)] + B_u eta_P(u). Unit u lies in the m rows of `buffer` from rows[u] m on.

    places : those of h, likewise, read only with `signal`.
    """
    m = a.shape[1]
    row = rows[u] * m
    if signal:
        for i in range(m):
            for t in range(buffer.shape[1]):
                buffer[row + i, t] += a[u, i]
    if m == 1:
        add_scalars(buffer, row, B[u, 0], buffer, parents[u], rows)
    else:
        add_products(buffer, row, B[u], buffer, parents[u], rows)
    if signal:
        add_products(buffer, row, G[u], h, readers[u], places)


@kernel
def draw_private(buffer, own, words, v, u, rows, fresh, S, k0, k1, positions):
    """eta_u = S_u xi_u of visit v, drawing the blocks of four normals that no visit before has drawn."""
    m = S.shape[1]
    for block in range(u * m // 4, (u * m + m - 1) // 4 + 1):
        if m % 4 == 0:
            fill_block(own, 4 * block - u * m, block, words, positions, k0, k1)
        elif fresh[block] == v:
            fill_block(own, ZERO, block, words, positions, k0, k1)
            for i in range(min(4, rows.shape[0] * m - 4 * block)):
                w, c = (4 * block + i) // m, (4 * block + i) % m
                copy_row(buffer, rows[w] * m + c, own, i)
    if m % 4 == 0:
        multiply_lower(buffer, rows[u] * m, S[u], own, ZERO)
    else:
        begin(buffer, own, rows[u] * m, S[u], YES)


@inlined
def begin_alone(buffer, own, words, v, u, rows, fresh, B, S, parents, k0, k1, positions):
    """Draw a unit of one channel: `draw_private` and its parents' share at once, as calls cost as much as the work."""
    if fresh[u // 4] == v:
        fill_block(own, ZERO, u // 4, words, positions, k0, k1)
        for i in range(min(4, rows.shape[0] - u // 4 * 4)):
            w = u // 4 * 4 + i
            scale_row(buffer, rows[w], own, i, S[w, 0, 0])
    add_scalars(buffer, rows[u] * B.shape[1], B[u, 0], buffer, parents[u], rows)


@kernel
def drawing_sweep(
    eta, h, first, count, buffer, own, words, visits, starts, rows, fresh, parents, readers, a, G, B, S, gain, reading,
    activation, white, k0, k1, positions
):  # fmt: skip
    """eta_u = [a_u + G_u h_R(u)] + B_u eta_P(u) + [S_u xi_u] of one tile, written to eta[first : first + count].

    The buffer holds only units that something still needs, and so does that of h: see `localnoise.visits`. A unit's
    noise of its own is drawn when its turn comes, so neither xi nor a large grid's field ever leaves the cache.
    own : scratch of 4 ceil(m / 4) rows;  reading : None: without the first bracket;  white : with the second.
    """
    m = S.shape[1]
    past = streams(line_of(buffer, eta), eta)
    for g in range(starts.shape[0] - 1):
        low, high, some = g * GROUP, min((g + 1) * GROUP, rows.shape[0]), starts[g + 1] - starts[g]
        if reading is not None:
            gather_parts(activation, h, first, count, reading, g)
        for v in range(starts[g], starts[g + 1]):
            u = visits[v]
            if not past:
                fetch_units(eta, first, count, low, high, v - starts[g], some)
            if white:
                draw_private(buffer, own, words, v, u, rows, fresh, S, k0, k1, positions)
            else:
                begin(buffer, own, rows[u] * m, S[u], NO)
            if reading is None:
                add_products(buffer, rows[u] * m, B[u], buffer, parents[u], rows)
            else:
                add_neighbours(buffer, rows, u, activation, reading[3], parents, readers, a, G, B, YES)
        scatter_units(eta, first, count, buffer, rows, gain, low, high, past)
    if past:
        fence()


@kernel
def gather_parts(activation, h, first, count, reading, g):
    """Transpose the parts of h that enter with group g."""
    parts, arrivals, slots, _ = reading
    m, units = h.shape[1], h.shape[2]
    for i in range(arrivals[g], arrivals[g + 1]):
        low = parts[i] * STEP
        gather_units(activation, slots[parts[i]] * STEP * m, h, first, count, low, min(low + STEP, units))


@shared_kernel
def draw(
    eta, h, visits, starts, rows, fresh, held, parents, readers, a, G, B, S, gain, seed, positions, reading, kept,
    white, tile, worker, workers
):  # fmt: skip
    """Write one draw (or mean) per presentation into eta (T, m, N); presentation t is sample positions[t] of `seed`.

    Cost O(T N m (m K + m R)), memory O(workers x held x m x tile).
    positions : (T rounded up to whole tiles,) uint64.
    visits, starts, rows, fresh, held : a schedule: see `localnoise.visits`.
    reading, kept : that of h (T, m, N); or None, with h, and 0, where nothing is read.
    """
    T, m = eta.shape[0], eta.shape[1]
    tiles = (T + tile - 1) // tile
    k0, k1 = key(seed)
    buffer = aligned(held * m, tile, eta.dtype)
    own = aligned(4 * ((m + 3) // 4), tile, eta.dtype)
    words = aligned(4, tile, np.uint32)
    activation = aligned(kept * STEP * m, tile, eta.dtype)
    for index in range(worker, tiles, workers):
        first = index * tile
        count = min(tile, T - first)
        drawing_sweep(
            eta, h, first, count, buffer, own, words, visits, starts, rows, fresh, parents, readers, a, G, B, S, gain,
            reading, activation, white, k0, k1, positions[first : first + tile],
        )  # fmt: skip


@shared_kernel
def draw_alone(
    eta, visits, starts, rows, fresh, held, parents, B, S, gain, seed, positions, tile, worker, workers
):  # fmt: skip
    """Draw, as `draw` does, units of one channel that read nothing."""
    T, N = eta.shape[0], eta.shape[2]
    k0, k1 = key(seed)
    buffer, own = aligned(held, tile, eta.dtype), aligned(4, tile, eta.dtype)
    words = aligned(4, tile, np.uint32)
    past = streams(line_of(buffer, eta), eta)
    for index in range(worker, (T + tile - 1) // tile, workers):
        first = index * tile
        count = min(tile, T - first)
        samples = positions[first : first + tile]
        for g in range(starts.shape[0] - 1):
            low, high, some = g * GROUP, min((g + 1) * GROUP, N), starts[g + 1] - starts[g]
            for v in range(starts[g], starts[g + 1]):
                if not past:
                    fetch_units(eta, first, count, low, high, v - starts[g], some)
                begin_alone(buffer, own, words, v, visits[v], rows, fresh, B, S, parents, k0, k1, samples)
            scatter_units(eta, first, count, buffer, rows, gain, low, high, past)
    if past:
        fence()


@shared_kernel
def factor_columns(L, order, parents, a, G, B, S, gain, tile, worker, workers):
    """Write the dense factor L = diag(gain) (I - B)^-1 S, so that Sigma = L L'. Rows and columns are unit-major.

    Cost O(n^2 m K); L : (n, n), n = N m, neuron u m + c.
    """
    n, m = L.shape[0], S.shape[1]
    rows = rows_of(order.shape[0], ALL)
    for index in range(worker, (n + tile - 1) // tile, workers):
        first = index * tile
        count = min(tile, n - first)
        buffer = aligned(n, tile, L.dtype)
        buffer[:] = 0
        own = aligned(m, tile, L.dtype)
        for t in range(count):
            buffer[first + t, t] = 1
        for v in range(order.shape[0]):
            u = order[v]
            begin(buffer, own, u * m, S[u], YES)
            add_neighbours(buffer, rows, u, buffer, rows, parents, parents, a, G, B, NO)
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
