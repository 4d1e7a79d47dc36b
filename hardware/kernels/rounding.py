"""Rounding one row of weights to integers, each error passed on to the weights that are still to be rounded."""

import numpy as np

from localnoise.hardware.flags import integer_entry


@integer_entry
def nearest_plane(q, w, R, limit):
    """Round w (p,) into q (p,) int64 in [-limit, limit], from the last weight to the first; R (p, p) upper triangular.

    q_j = round(w_j + sum_{k>j} R_jk (w_k - q_k) / R_jj). Cost O(p^2).
    """
    for j in range(w.shape[0] - 1, -1, -1):
        passed = 0.0
        for k in range(j + 1, w.shape[0]):
            passed += R[j, k] * (w[k] - q[k])
        wanted = np.floor(w[j] + passed / R[j, j] + 0.5)
        q[j] = np.int64(min(max(wanted, -limit), limit))
