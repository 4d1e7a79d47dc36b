"""What a unit does with one presentation, for each local rule. A unit reads d_u, d_P(u), h_R(u) and nothing else.

z_u = [1; h_R(u); d_P(u)] with the activation, z_u = d_P(u) without; p = len(z_u). A missing neighbour reads as zero.
d, h : (T, m, N);  W : (N, m, p), the unit's [a_u G_u B_u].
"""

import numpy as np
from numba import prange

from localnoise.kernels.flags import kernel, parallel_kernel


@kernel
def observe(z, d, h, t, parents, readers, signal):
    """Write one presentation's z_u into z. parents (K,), readers (R,): the unit's own rows."""
    m = d.shape[1]
    at = 0
    if signal:
        z[0] = 1
        at = 1
        for r in range(readers.shape[0]):
            for c in range(m):
                z[at + c] = h[t, c, readers[r]] if readers[r] >= 0 else 0
            at += m
    for k in range(parents.shape[0]):
        for c in range(m):
            z[at + c] = d[t, c, parents[k]] if parents[k] >= 0 else 0
        at += m


@kernel
def add_outer_products(M, Z):
    """M += Z' Z on the upper triangle, Z (T, q): two rows by four presentations at a time. Cost T q^2 / 2."""
    T, q = Z.shape
    t = 0
    while t + 4 <= T:
        z0, z1, z2, z3 = Z[t], Z[t + 1], Z[t + 2], Z[t + 3]
        for i in range(0, q - 1, 2):
            row0, row1 = M[i], M[i + 1]
            a0, a1, a2, a3 = z0[i], z1[i], z2[i], z3[i]
            b0, b1, b2, b3 = z0[i + 1], z1[i + 1], z2[i + 1], z3[i + 1]
            for j in range(i, q):
                row0[j] = row0[j] + a0 * z0[j] + a1 * z1[j] + a2 * z2[j] + a3 * z3[j]
                row1[j] = row1[j] + b0 * z0[j] + b1 * z1[j] + b2 * z2[j] + b3 * z3[j]
        if q % 2 == 1:
            M[q - 1, q - 1] += z0[q - 1] ** 2 + z1[q - 1] ** 2 + z2[q - 1] ** 2 + z3[q - 1] ** 2
        t += 4
    while t < T:
        for i in range(q):
            for j in range(i, q):
                M[i, j] += Z[t, i] * Z[t, j]
        t += 1


@parallel_kernel
def accumulate_moments(M, d, h, parents, readers, signal, tile):
    """M_u += sum_t [z_u; d_u][z_u; d_u]', upper triangle. M : (N, p + m, p + m) float64. Cost O(T N (p + m)^2 / 2)."""
    T, m, N = d.shape
    q = M.shape[1]
    for u in prange(N):
        Z = np.empty((tile, q), d.dtype)
        part = np.empty((q, q), d.dtype)
        for first in range(0, T, tile):
            count = min(tile, T - first)
            for t in range(count):
                observe(Z[t], d, h, first + t, parents[u], readers[u], signal)
                for c in range(m):
                    Z[t, q - m + c] = d[first + t, c, u]
            part[:] = 0
            add_outer_products(part, Z[:count])
            for i in range(q):
                for j in range(i, q):
                    M[u, i, j] += part[i, j]


@kernel
def predict(e, W, z, d, t, u):
    """e = d_u - W z, the innovation of unit u at presentation t."""
    for i in range(e.shape[0]):
        total, row = d[t, i, u], W[i]
        for j in range(z.shape[0]):
            total -= row[j] * z[j]
        e[i] = total


@kernel
def track(W_mean, R, power, e, W, z, d, t, u, weight):
    """Move the averaged weights, the residual second moment and the unit's own power by `weight` towards the present."""
    m, p = W.shape
    for i in range(m):
        mean, row = W_mean[i], W[i]
        for j in range(p):
            mean[j] += weight * (row[j] - mean[j])
    predict(e, W_mean, z, d, t, u)
    for i in range(m):
        power[i] += weight * (d[t, i, u] ** 2 - power[i])
        for j in range(m):
            R[i, j] += weight * (e[i] * e[j] - R[i, j])


@parallel_kernel
def lms(W, W_mean, R, power, d, h, parents, readers, signal, seen, rate, floor, memory):
    """Normalised least mean squares: W_u += rate e_u z_u' / (floor + |z_u|^2); W_mean is the Polyak average.

    `seen` presentations came before; the average weighs presentation s by (memory + 1) / (s + memory), so that the
    first ones fade as s^-memory. Cost O(T N m p), state: the weights, their average, the residual.
    """
    T, m, N = d.shape
    for u in prange(N):
        z = np.empty(W.shape[2], W.dtype)
        e = np.empty(m, W.dtype)
        for t in range(T):
            observe(z, d, h, t, parents[u], readers[u], signal)
            predict(e, W[u], z, d, t, u)
            norm = floor
            for j in range(z.shape[0]):
                norm += z[j] * z[j]
            for i in range(m):
                step, row = W.dtype.type(rate * e[i] / norm), W[u, i]
                for j in range(z.shape[0]):
                    row[j] += step * z[j]
            weight = W.dtype.type((memory + 1) / (seen + t + 1 + memory))
            track(W_mean[u], R[u], power[u], e, W[u], z, d, t, u, weight)


@parallel_kernel
def sign_lms(W, W_mean, R, power, d, h, parents, readers, signal, seen, rate, halving, limit, memory):
    """Sign-sign LMS: W_u += step sign(e_u) sign(z_u)', saturating at +-limit; no multiplier in the update.

    step = rate 2^-k, k = floor(log2(1 + s / halving)) after s presentations: it halves each time s doubles, a shift.
    """
    T, m, N = d.shape
    for u in prange(N):
        z = np.empty(W.shape[2], W.dtype)
        e = np.empty(m, W.dtype)
        for t in range(T):
            observe(z, d, h, t, parents[u], readers[u], signal)
            predict(e, W[u], z, d, t, u)
            step = W.dtype.type(rate * 2.0 ** -np.floor(np.log2(1 + (seen + t) / halving)))
            for i in range(m):
                signed, row = step * np.sign(e[i]), W[u, i]
                for j in range(z.shape[0]):
                    row[j] = min(max(row[j] + signed * np.sign(z[j]), -limit), limit)
            weight = W.dtype.type((memory + 1) / (seen + t + 1 + memory))
            track(W_mean[u], R[u], power[u], e, W[u], z, d, t, u, weight)
