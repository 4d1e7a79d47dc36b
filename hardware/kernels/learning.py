"""On-chip learning in integers: each unit predicts its own displacement word, and corrects its weights.

Units learn side by side: a unit reads the displacement words of itself and its parents and the activation words around
it, never another unit's weights. Arrays as in `IntegerField`; masters V (N, m, R m + K m + m) int32 hold the weights
[G B L] with `extra` more fraction bits.
"""

import numpy as np

from localnoise.hardware.flags import integer_kernel, shared_integer_kernel
from localnoise.hardware.kernels.random import random_word
from localnoise.kernels.flags import ZERO

LMS, SIGN_LMS = 0, 1


@integer_kernel
def bit_length(value):
    """Bits of a non-negative int64: floor(log2(value)) + 1, 0 for 0."""
    bits = np.int64(0)
    while value > np.int64(0):
        value >>= np.int64(1)
        bits += np.int64(1)
    return bits


@integer_kernel
def shifted(product, shift, random):
    """floor(product 2^-shift + r), r = random 2^-min(shift, 32) mod 1, or 1/2 where random < 0; shift < 0 shifts left.

    random has 32 bits: where more are lost, its own are the first of them, so that as many steps go up as down.
    """
    one, all_bits = np.int64(1), np.int64(32)
    if shift <= 0:
        return product << -shift
    shift = min(np.int64(shift), np.int64(62))  # what is smaller is nothing, or a step with a probability of 2^-32
    if random < 0:
        return (product + (one << (shift - one))) >> shift
    if shift > all_bits:
        return (product + (random << (shift - all_bits))) >> shift
    return (product + (random & ((one << shift) - one))) >> shift


@integer_kernel
def weight(master, extra, limit):
    """Return the weight that a master stands for: its top bits, rounded half up."""
    value = (np.int64(master) + (np.int64(1) << np.int64(extra - 1))) >> np.int64(extra)
    return min(max(value, -limit), limit)


@integer_kernel
def innovation(own, masters, bias, wires, lifts, F, extra, limit, top):
    """saturate(own - saturate(round half up((bias + W z) 2^-F))), W the weights that the masters (p,) stand for.

    wires : (z, how many of its entries use lifts[0], how many in all).
    """
    z, R, count = wires
    read, near = np.int64(0), np.int64(0)
    for j in range(R):
        read += weight(masters[j], extra, limit) * z[j]
    for j in range(R, count):
        near += weight(masters[j], extra, limit) * z[j]
    acc = bias + (read << np.int64(lifts[0])) + (near << np.int64(lifts[1]))
    guess = (acc + (np.int64(1) << (F - np.int64(1)))) >> F if F > 0 else acc
    guess = min(max(guess, -top - np.int64(1)), top)
    return min(max(np.int64(own) - guess, -top - np.int64(1)), top)


@integer_kernel
def correct(masters, mean, e, wires, fine, shift, step, random, kind, most, settled):
    """Move masters (p,) and their means by the innovation e; fine : fraction bits of the masters, per part of z."""
    z, R, count = wires
    sign, half = np.int64(e > 0) - np.int64(e < 0), (np.int64(1) << settled) >> np.int64(1)
    for j in range(count):
        if kind == LMS:
            move = shifted(e * z[j], shift - (fine[0] if j < R else fine[1]), random)
        else:
            move = sign * step * (np.int64(z[j] > 0) - np.int64(z[j] < 0))
        masters[j] = min(max(np.int64(masters[j]) + move, -most), most)
        mean[j] += ((np.int64(masters[j]) << np.int64(8)) - mean[j] + half) >> settled


@integer_kernel
def energy(z, count, floor):
    """Floor + |z|^2 of the first `count` entries: few or quiet regressors may not cause large steps."""
    total = floor
    for j in range(count):
        total += z[j] * z[j]
    return total


@integer_kernel
def sign_step(exponent, random):
    """2^exponent; below one, one with that probability (random >= 0), or one."""
    one = np.int64(1)
    if exponent >= 0:
        return one << exponent
    if random < 0:
        return one
    return one if random & ((one << min(-exponent, np.int64(31))) - one) == 0 else np.int64(0)


@integer_kernel
def gather(z, d, h, t, parents, readers):
    """z = [h_R(u), d_P(u)], zero where there is no neighbour."""
    m = d.shape[1]
    for r in range(readers.shape[0]):
        for c in range(m):
            z[r * m + c] = h[t, c, readers[r]] if readers[r] >= 0 else 0
    first = readers.shape[0] * m
    for k in range(parents.shape[0]):
        for c in range(m):
            z[first + k * m + c] = d[t, c, parents[k]] if parents[k] >= 0 else 0


@shared_integer_kernel
def learn(
    V,
    bias,
    mean,
    mean_bias,
    power,
    states,
    d,
    h,
    parents,
    readers,
    lift,
    fraction,
    seen,
    kind,
    numbers,
    options,
    worker,
    workers,
):
    """Learn from the presentations d (T, m, N), h (T, m, N) in order, in place. Cost O(T N m (m K + m R)).

    mean, mean_bias : running means of V and bias, with 8 more fraction bits, int64;  power : (N, m) int64, running mean
    of the averaged weights' squared innovation, with 8 fraction bits;  states : (N,) uint32;
    numbers : (limit of a weight, of a word, extra, kind of generator);
    options : (rate, halving, memory, stochastic), see `hardware.learning`.
    """
    T, m, N = d.shape
    limit, top, extra, generator = numbers
    rate, halving, memory, stochastic = options
    R, p, one = readers.shape[1] * m, (readers.shape[1] + parents.shape[1]) * m, np.int64(1)
    most, floor = limit << extra, max((top + one) * (top + one) >> np.int64(4), one)
    for u in range(N * worker // workers, N * (worker + 1) // workers):
        z, e, state, F = np.zeros(p, np.int64), np.zeros(m, np.int64), states[u], np.int64(fraction[u])
        lifts = (np.int64(lift[u, 0]), np.int64(lift[u, 1]))
        fine = (F - lifts[0] + extra, F - lifts[1] + extra)
        edge, wires, own = (top + one) << F, (z, R, p), (lifts[1], lifts[1])
        for t in range(T):
            now, rounds = seen + t, np.int64(0)
            while (now + halving) >> (rounds + one) >= halving:
                rounds += one
            settled = min(memory, max(bit_length(now + one) - np.int64(2), np.int64(0)))
            half = (one << settled) >> one
            gather(z, d, h, t, parents[u], readers[u])
            shift = bit_length(energy(z, p, floor)) + rate
            for i in range(m):
                random = np.int64(-1)
                if stochastic:
                    state, word = random_word(state, generator)
                    random = np.int64(word)
                step = sign_step(extra - rate - rounds, random)
                error = innovation(np.int64(d[t, i, u]), V[u, i], bias[u, i], wires, lifts, F, extra, limit, top)
                correct(V[u, i], mean[u, i], error, wires, fine, shift, step, random, kind, most, settled)
                if R > 0:
                    sign = np.int64(error > 0) - np.int64(error < 0)
                    move = shifted(error, shift - F, random) if kind == LMS else sign * ((step << F) >> extra)
                    bias[u, i] = min(max(bias[u, i] + move, -edge), edge)
                    mean_bias[u, i] += ((bias[u, i] << np.int64(8)) - mean_bias[u, i] + half) >> settled
                known = mean_bias[u, i] >> np.int64(8)
                e[i] = innovation(np.int64(d[t, i, u]), mean[u, i], known, wires, lifts, F, extra + 8, limit, top)
                earlier, shorter = (e, ZERO, i), bit_length(energy(e, i, floor)) + rate
                L, L_mean = V[u, i, p:], mean[u, i, p:]
                error = innovation(e[i], L, np.int64(0), earlier, own, F, extra, limit, top)
                correct(L, L_mean, error, earlier, (fine[1], fine[1]), shorter, step, random, kind, most, settled)
                rest = innovation(e[i], L_mean, np.int64(0), earlier, own, F, extra + 8, limit, top)
                power[u, i] += ((rest * rest << np.int64(8)) - power[u, i] + half) >> settled
        states[u] = state
