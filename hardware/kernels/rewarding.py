"""Learning from rewards in integers: own private noise, own regressors, and one word that all units are told."""

import numpy as np

from localnoise.hardware.flags import shared_integer_kernel
from localnoise.hardware.kernels.learning import bit_length, energy, gather, shifted
from localnoise.hardware.kernels.random import random_word


@shared_integer_kernel
def reward(V, d, h, told, field, states, seen, numbers, worker, workers):
    """Move masters V (N, m, R m + K m) int64 by what draws d (T, m, N) of activations h (T, m, N) were worth.

    Cost O(T N m (m R + m K + m)).

    told : (T,) int64, reward words;  field : (parents, readers, bias, G, B, L, lift, fraction), which drew d;
    states : (N,) uint32 of the generators;  numbers : (limit of a weight, of a word, extra, rate, fraction bits of a
    reward word, kind of generator, stochastic);  seen : (N,) int64, counted up.
    """
    parents, readers, bias, G, B, L, lift, fraction = field
    limit, top, extra, rate, finer, generator, stochastic = numbers
    (T, m, N), one = d.shape, np.int64(1)
    R, p, most = G.shape[2], G.shape[2] + B.shape[2], limit << extra
    floor = max((top + one) * (top + one) >> np.int64(4), one)
    for u in range(N * worker // workers, N * (worker + 1) // workers):
        z, state, F = np.zeros(p, np.int64), states[u], np.int64(fraction[u])
        read, near = np.int64(lift[u, 0]), np.int64(lift[u, 1])
        for t in range(T):
            gather(z, d, h, t, parents[u], readers[u])
            shift = bit_length(energy(z, p, floor)) + rate + finer
            for i in range(m):
                activity, past = np.int64(0), np.int64(0)
                for j in range(R):
                    activity += np.int64(G[u, i, j]) * z[j]
                for j in range(R, p):
                    past += np.int64(B[u, i, j - R]) * z[j]
                for j in range(i):
                    past += np.int64(L[u, i, j]) * np.int64(d[t, j, u])
                acc = bias[u, i] + (activity << read) + (past << near)
                guess = (acc + (one << (F - one))) >> F if F > 0 else acc
                guess = min(max(guess, -top - one), top)
                e = min(max(np.int64(d[t, i, u]) - guess, -top - one), top)
                random = np.int64(-1)
                if stochastic:
                    state, word = random_word(state, generator)
                    random = np.int64(word)
                for j in range(p):
                    fine = F - (read if j < R else near) + extra
                    move = shifted(told[t] * e * z[j], shift - fine, random)
                    V[u, i, j] = min(max(V[u, i, j] + move, -most), most)
        states[u], seen[u] = state, seen[u] + T
