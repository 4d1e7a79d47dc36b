"""Sums of three-factor learning: of each unit's own innovation, its own regressors, and one number for all units."""

import numpy as np

from localnoise.kernels.flags import kernel, shared_kernel


@kernel
def regressors(z, eta, h, gain, t, u, parents, readers, signal):
    """Write z_u = [1; h_R(u); eta_P(u)] of one presentation, the parents' draws before their gain."""
    m, at = eta.shape[1], 0
    z[:] = 0
    if signal:
        z[0], at = 1, 1
        for r in range(readers.shape[1]):
            if readers[u, r] >= 0:
                for c in range(m):
                    z[at + c] = h[t, c, readers[u, r]]
            at += m
    for k in range(parents.shape[1]):
        if parents[u, k] >= 0:
            for c in range(m):
                z[at + c] = eta[t, c, parents[u, k]] / gain[parents[u, k]]
        at += m


@shared_kernel
def three_factor(
    total, square, power, moment, W, S, eta, h, gain, parents, readers, signal, told, floor, worker, workers
):
    """Add sum_t told_t e_t z_t' to total_u, told_t (xi_t xi_t' - I) to square_u, floor + |z_t|^2 to power_u.

    And z_t z_t' to the lower triangle of moment_u, where there is one: (N, p, p), else (N, 0, 0).
    e_t = eta_u / g_u - W_u z_t, xi_t = S_u^-1 e_t. Cost O(T N m (p + m)), with moments O(T N p^2) more.
    eta : (T, m, N), what this very field has drawn;  told : (T,), broadcast.
    """
    N, m, p = W.shape
    z, e, w = np.empty(p, np.float64), np.empty(m, np.float64), np.empty((p, m), np.float64)
    for u in range(worker, N, workers):
        w[:] = W[u].T
        for t in range(len(eta)):
            regressors(z, eta, h, gain, t, u, parents, readers, signal)
            for i in range(m):
                e[i] = eta[t, i, u] / gain[u]
            for j in range(p):
                for i in range(m):
                    e[i] -= w[j, i] * z[j]
            power[u] += floor
            for j in range(p):
                power[u] += z[j] * z[j]
            for j in range(moment.shape[1]):
                for i in range(j + 1):
                    moment[u, j, i] += z[j] * z[i]
            for i in range(m):
                share = told[t] * e[i]
                for j in range(p):
                    total[u, i, j] += share * z[j]
            for i in range(m):
                for j in range(i):
                    e[i] -= S[u, i, j] * e[j]
                e[i] /= S[u, i, i]
            for i in range(m):
                square[u, i, i] -= told[t]
                for j in range(i + 1):
                    square[u, i, j] += told[t] * e[i] * e[j]
