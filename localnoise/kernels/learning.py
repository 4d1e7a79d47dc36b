"""The work of units on one presentation, for each local rule. A unit reads d_u, d_P(u), h_R(u) and nothing else.

z_u = [1; h_R(u); d_P(u)] with the activation, z_u = d_P(u) without; p = len(z_u). A missing neighbour reads as zero.
d, h : (T, m, N);  W : (N, m, p), the unit's [a_u G_u B_u].

Units learn in groups side by side, as lanes of the same loops: no number passes from lane to lane. A group holds its
weights as V (m, p, g), V[i, j, l] that of unit l, so that every inner loop is one of vectors whatever m and p are.
"""

import numpy as np

from localnoise.kernels.blocks import copy_row
from localnoise.kernels.flags import kernel, shared_kernel
from localnoise.kernels.memory import aligned

_CACHE = 2**20  # bytes of weights and averages that a group may hold: a second-level cache


@kernel
def observe(z, d, h, t, first, parents, readers, signal):
    """Write one presentation's z_u into z[:, l] for units u = first + l. z : (p, g); lanes beyond the last unit: 0."""
    m, units = d.shape[1], parents.shape[0]
    z[:] = 0
    for lane in range(min(z.shape[1], units - first)):
        u, at = first + lane, 0
        if signal:
            z[0, lane] = 1
            at = 1
            for r in range(readers.shape[1]):
                if readers[u, r] >= 0:
                    for c in range(m):
                        z[at + c, lane] = h[t, c, readers[u, r]]
                at += m
        for k in range(parents.shape[1]):
            if parents[u, k] >= 0:
                for c in range(m):
                    z[at + c, lane] = d[t, c, parents[u, k]]
            at += m


@kernel
def own(y, d, t, first):
    """y[i, l] = d_u of channel i, unit first + l; 0 beyond the last unit."""
    y[:] = 0
    for i in range(y.shape[0]):
        for lane in range(min(y.shape[1], d.shape[2] - first)):
            y[i, lane] = d[t, i, first + lane]


@kernel
def predict(e, y, V, z):
    """e[i] = y[i] - sum_j V[i, j] z[j], the innovations of a group, lane by lane; four regressors at a time."""
    p = z.shape[0]
    for i in range(e.shape[0]):
        out, rows = e[i], V[i]
        copy_row(e, i, y, i)
        for j in range(0, p - 3, 4):
            a, b, c, d = rows[j], rows[j + 1], rows[j + 2], rows[j + 3]
            za, zb, zc, zd = z[j], z[j + 1], z[j + 2], z[j + 3]
            for k in range(out.shape[0]):
                out[k] = out[k] - a[k] * za[k] - b[k] * zb[k] - c[k] * zc[k] - d[k] * zd[k]
        for j in range(p - p % 4, p):
            a, za = rows[j], z[j]
            for k in range(out.shape[0]):
                out[k] -= a[k] * za[k]


@kernel
def track(R, power, e, y, weight):
    """Move the residual second moment R (m, m, g) and the units' own power (m, 1, g) by `weight` to the present."""
    for i in range(e.shape[0]):
        mine, square, at = e[i], power[i, 0], y[i]
        for k in range(mine.shape[0]):
            square[k] += weight * (at[k] * at[k] - square[k])
        for j in range(i + 1):
            moment, other = R[i, j], e[j]
            for k in range(mine.shape[0]):
                moment[k] += weight * (mine[k] * other[k] - moment[k])
            opposite = R[j, i]
            for k in range(mine.shape[0]):
                opposite[k] = moment[k]


@kernel
def group_size(units, m, p, itemsize, workers):
    """Lanes of a group, a multiple of 16: as many as the cache holds, but so that all workers have work."""
    most = min(max(_CACHE // (2 * itemsize * m * p), 16), 256)
    rounds = (units + most * workers - 1) // (most * workers)
    return (units + rounds * workers * 16 - 1) // (rounds * workers * 16) * 16


@kernel
def lanes(wide, rows, first):
    """Spread units' rows (N, I, J) over the lanes of their group: wide[i, j, l] = rows[first + l, i, j]."""
    wide[:] = 0
    for lane in range(min(wide.shape[2], rows.shape[0] - first)):
        for i in range(rows.shape[1]):
            for j in range(rows.shape[2]):
                wide[i, j, lane] = rows[first + lane, i, j]


@kernel
def unlanes(rows, wide, first):
    """Give each unit its rows back, the inverse of `lanes`."""
    for lane in range(min(wide.shape[2], rows.shape[0] - first)):
        for i in range(rows.shape[1]):
            for j in range(rows.shape[2]):
                rows[first + lane, i, j] = wide[i, j, lane]


@shared_kernel
def lms(W, W_mean, R, power, d, h, parents, readers, signal, seen, rate, floor, memory, worker, workers):
    """Normalised least mean squares: W_u += rate e_u z_u' / (floor + |z_u|^2); W_mean is the Polyak average.

    `seen` presentations came before; the average weighs presentation s by (memory + 1) / (s + memory), so that the
    first ones fade as s^-memory. Cost O(T N m p), state: the weights, their average, the residual.
    """
    (T, m, N), p, dtype = d.shape, W.shape[2], W.dtype
    g = group_size(N, m, p, W.itemsize, workers)
    for group in range(worker, (N + g - 1) // g, workers):
        first = group * g
        V, V_mean = np.empty((m, p, g), dtype), np.empty((m, p, g), dtype)
        residual, squares = np.empty((m, m, g), dtype), np.empty((m, 1, g), dtype)
        z, y, e, norm = aligned(p, g, W.dtype), aligned(m, g, W.dtype), aligned(m, g, W.dtype), np.empty(g, dtype)
        lanes(V, W, first)
        lanes(V_mean, W_mean, first)
        lanes(residual, R, first)
        lanes(squares, power.reshape(N, m, 1), first)
        for t in range(T):
            observe(z, d, h, t, first, parents, readers, signal)
            own(y, d, t, first)
            predict(e, y, V, z)
            norm[:] = floor
            for j in range(p):
                row = z[j]
                for lane in range(g):
                    norm[lane] += row[lane] * row[lane]
            weight = dtype.type((memory + 1) / (seen + t + 1 + memory))
            for i in range(m):
                step = e[i].copy()
                for lane in range(g):
                    step[lane] *= dtype.type(rate) / norm[lane]
                copy_row(e, i, y, i)  # from here on e is the innovation of the averaged weights
                for j in range(p):
                    for lane in range(g):
                        new = V[i, j, lane] + step[lane] * z[j, lane]
                        mean = V_mean[i, j, lane] + weight * (new - V_mean[i, j, lane])
                        V[i, j, lane], V_mean[i, j, lane] = new, mean
                        e[i, lane] -= mean * z[j, lane]
            track(residual, squares, e, y, weight)
        unlanes(W, V, first)
        unlanes(W_mean, V_mean, first)
        unlanes(R, residual, first)
        unlanes(power.reshape(N, m, 1), squares, first)


@shared_kernel
def sign_lms(W, W_mean, R, power, d, h, parents, readers, signal, seen, rate, halving, limit, memory, worker, workers):
    """Sign-sign LMS: W_u += step sign(e_u) sign(z_u)', saturating at +-limit; no multiplier in the update.

    step = rate 2^-k, k = floor(log2(1 + s / halving)) after s presentations: it halves each time s doubles, a shift.
    """
    (T, m, N), p, dtype = d.shape, W.shape[2], W.dtype
    g = group_size(N, m, p, W.itemsize, workers)
    for group in range(worker, (N + g - 1) // g, workers):
        first = group * g
        V, V_mean = np.empty((m, p, g), dtype), np.empty((m, p, g), dtype)
        residual, squares = np.empty((m, m, g), dtype), np.empty((m, 1, g), dtype)
        z, y, e, signs = aligned(p, g, W.dtype), aligned(m, g, W.dtype), aligned(m, g, W.dtype), aligned(p, g, W.dtype)
        lanes(V, W, first)
        lanes(V_mean, W_mean, first)
        lanes(residual, R, first)
        lanes(squares, power.reshape(N, m, 1), first)
        for t in range(T):
            observe(z, d, h, t, first, parents, readers, signal)
            own(y, d, t, first)
            predict(e, y, V, z)
            signs[:] = np.sign(z)
            size = dtype.type(rate * 2.0 ** -np.floor(np.log2(1 + (seen + t) / halving)))
            weight = dtype.type((memory + 1) / (seen + t + 1 + memory))
            for i in range(m):
                step = size * np.sign(e[i])
                copy_row(e, i, y, i)  # from here on e is the innovation of the averaged weights
                for j in range(p):
                    for lane in range(g):
                        new = min(max(V[i, j, lane] + step[lane] * signs[j, lane], -limit), limit)
                        mean = V_mean[i, j, lane] + weight * (new - V_mean[i, j, lane])
                        V[i, j, lane], V_mean[i, j, lane] = new, mean
                        e[i, lane] -= mean * z[j, lane]
            track(residual, squares, e, y, weight)
        unlanes(W, V, first)
        unlanes(W_mean, V_mean, first)
        unlanes(R, residual, first)
        unlanes(power.reshape(N, m, 1), squares, first)
