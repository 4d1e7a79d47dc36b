"""Innovations of one law, in integers: what `kernels.repair.squares` sums, word by word."""

import numpy as np

from localnoise.hardware.flags import shared_integer_kernel
from localnoise.hardware.kernels.repair import rounded


@shared_integer_kernel
def innovations(out, h, parents, centre, law, bits, lift, top, worker, workers):
    """out[t, u, i] = e_ui as `hardware.repair` states it, (T, N, m) int32; centre (N, m), law (N, m, (K + 1) m).

    top = 2^(word bits - 1). Cost O(T N m^2 K).
    """
    T, N, m = h.shape
    slots = parents.shape[1]
    d = np.empty((N, m), np.int64)
    for t in range(worker, T, workers):
        for u in range(N):
            for c in range(m):
                d[u, c] = (np.int64(h[t, u, c]) << lift) - np.int64(centre[u, c])
        for u in range(N):
            for i in range(m):
                row = law[u, i]
                acc = np.int64(0)
                for k in range(slots):
                    p = parents[u, k]
                    if p >= 0:
                        for c in range(m):
                            acc += np.int64(row[k * m + c]) * d[p, c]
                for c in range(i + 1):
                    acc += np.int64(row[slots * m + c]) * d[u, c]
                out[t, u, i] = min(max(rounded(acc, bits[u, i]), -top), top - np.int64(1))
