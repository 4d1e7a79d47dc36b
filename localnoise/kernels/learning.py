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


@parallel_kernel
def present(Z, d, h, parents, readers, signal, unit):
    """Z[v, t] = [z_u; d_u] for unit u = unit + v and presentation t: what its second moments are made of.

    Z : (V, T, p + m). Cost O(V T (p + m)).
    """
    T, m = d.shape[0], d.shape[1]
    for v in prange(Z.shape[0]):
        u = unit + v
        for t in range(T):
            observe(Z[v, t], d, h, t, parents[u], readers[u], signal)
            for c in range(m):
                Z[v, t, Z.shape[2] - m + c] = d[t, c, u]


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
    """Move the averaged weights, the residual second moment and the unit's own power by `weight` to the present."""
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
