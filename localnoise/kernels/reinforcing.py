"""Three factors: a unit's own innovation, its own regressors, and one number that is broadcast to all units."""

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
def three_factor(out, W, eta, h, gain, parents, readers, signal, told, rate, floor, worker, workers):
    """out_u = W_u + rate sum_t told_t e_t z_t' / sum_t (floor + |z_t|^2), e_t = eta_u / g_u - W_u z_t. O(T N m p).

    eta : (T, m, N), what this very field has drawn;  told : (T,), broadcast.
    """
    (N, m, p), dtype = W.shape, W.dtype
    z, e, total = np.empty(p, dtype), np.empty(m, dtype), np.empty((m, p), np.float64)
    for u in range(worker, N, workers):
        total[:] = 0
        power = 0.0
        for t in range(len(eta)):
            regressors(z, eta, h, gain, t, u, parents, readers, signal)
            for i in range(m):
                e[i] = eta[t, i, u] / gain[u]
            for i in range(m):
                for j in range(p):
                    e[i] -= W[u, i, j] * z[j]
            power += floor
            for j in range(p):
                power += z[j] * z[j]
            for i in range(m):
                for j in range(p):
                    total[i, j] += told[t] * e[i] * z[j]
        for i in range(m):
            for j in range(p):
                out[u, i, j] = W[u, i, j] + rate * total[i, j] / power
