"""Innovations of one law, in integers: those of which `kernels.repair.squares` sums the squares."""

import numpy as np

from localnoise.hardware.flags import shared_integer_kernel
from localnoise.hardware.kernels.repair import centre_on, innovation


@shared_integer_kernel
def innovations(out, h, parents, centre, law, bits, lift, top, worker, workers):
    """out[t, u, i] = e_ui as `hardware.repair` states it, (T, N, m) int32; centre (N, m), law (N, m, (K + 1) m).

    top = 2^(word bits - 1). Cost O(T N m^2 K).
    """
    T, N, m = h.shape
    d = np.empty((N, m), np.int64)
    for t in range(worker, T, workers):
        centre_on(d, h[t], centre, lift)
        for u in range(N):
            for i in range(m):
                out[t, u, i] = innovation(d, u, i, parents[u], law[u, i], bits[u, i], top)
