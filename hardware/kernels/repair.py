"""The repair of a chip: sums of squared innovations of each law, and the way back of the member that won.

Arithmetic as `hardware.repair` states it, arrays as in `RepairWords`; words h (T, N, m), a unit's channels together.
"""

import numpy as np

from localnoise.hardware.flags import inlined, shared_integer_kernel


@inlined
def rounded(acc, bits):
    """Round half up by `bits` bits; negative: shift left."""
    if bits > 0:
        return (acc + (np.int64(1) << np.int64(bits - 1))) >> np.int64(bits)
    return acc << np.int64(-bits)


@inlined
def centre_on(d, h, centre, lift):
    """d = h 2^lift - centre, (N, m) int64."""
    for u in range(d.shape[0]):
        for c in range(d.shape[1]):
            d[u, c] = (np.int64(h[u, c]) << lift) - np.int64(centre[u, c])


@inlined
def innovation(d, u, i, near, row, bits, top):
    """Return e_ui as `hardware.repair` states it: `row`, of parents `near` and of own channels up to i, times d."""
    m, acc = d.shape[1], np.int64(0)
    for k in range(near.shape[0]):
        p = near[k]
        if p >= 0:
            for c in range(m):
                acc += np.int64(row[k * m + c]) * d[p, c]
    for c in range(i + 1):
        acc += np.int64(row[near.shape[0] * m + c]) * d[u, c]
    return min(max(rounded(acc, bits), -top), top - np.int64(1))


@shared_integer_kernel
def squares(out, h, parents, centre, law, bits, lift, top, worker, workers):
    """out[t, j] = sum of e^2 over all neurons under member j's law; top = 2^(word bits - 1). Cost O(T J N m^2 K)."""
    T, N, m = h.shape
    d = np.empty((N, m), np.int64)
    for t in range(worker, T, workers):
        for j in range(centre.shape[0]):
            centre_on(d, h[t], centre[j], lift)
            total = np.int64(0)
            for u in range(N):
                for i in range(m):
                    e = innovation(d, u, i, parents[u], law[j, u, i], bits[j, u, i], top)
                    total += e * e
            out[t, j] = total


@inlined
def read_on(near, h, centre, lift):
    """near = h, (N, m), and after it, where it has 2N rows, the bends |h - round(centre 2^-lift)|."""
    N = h.shape[0]
    near[:N] = h
    for u in range(near.shape[0] - N):
        for c in range(h.shape[1]):
            near[N + u, c] = abs(np.int64(h[u, c]) - rounded(np.int64(centre[u, c]), lift))


@shared_integer_kernel
def undo(out, h, member, backs, readers, kinds, way, bits, bias, top, centre, lift, read, worker, workers):
    """out[t] = h[t] and the way back of member[t], if it has one; -1 has none. Cost O(T N m^2 R).

    top = 2^(activation bits - 1);  read : 1, or 2 where bends are read, too.
    """
    T, N, m = h.shape
    near = np.empty((read * N, m), np.int64)
    for t in range(worker, T, workers):
        j = backs[member[t]] if member[t] >= 0 else np.int64(-1)
        if j < 0:
            out[t] = h[t]
            continue
        read_on(near, h[t], centre[member[t]], lift)
        for u in range(N):
            for i in range(m):
                row = way[j, kinds[u], i]
                acc = np.int64(0)
                for r in range(readers.shape[1]):
                    p = readers[u, r]
                    if p >= 0:
                        for c in range(m):
                            acc += np.int64(row[r * m + c]) * near[p, c]
                fine = np.int64(bits[j, kinds[u], i])
                acc = bias[j, u, i] + (acc << max(-fine, np.int64(0)))
                value = np.int64(h[t, u, i]) + rounded(acc, max(fine, np.int64(0)))
                out[t, u, i] = min(max(value, -top), top - np.int64(1))
