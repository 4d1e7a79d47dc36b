"""Obviously right and slow: every generator and word on Python's integers, one bit or byte at a time.

A generator is a pair (name, details); nothing here calls the code that it checks.
"""

import math

TAPS = {"lfsr8": (8, 6, 5, 4), "lfsr16": (16, 14, 13, 11), "lfsr24": (24, 23, 22, 17), "lfsr32": (32, 30, 26, 25)}


def lfsr_tick(state, taps):
    """Shift right a list of bits, lowest first; a one that falls out flips the bits numbered tap - 1."""
    bits = [state >> i & 1 for i in range(max(taps))]
    fallen, bits = bits[0], [*bits[1:], 0]
    if fallen:
        for tap in taps:
            bits[tap - 1] ^= 1
    return sum(bit << i for i, bit in enumerate(bits))


def xorshift32(x):
    """Marsaglia 2003, page 4, on unbounded integers cut to 32 bits after each shift."""
    x ^= (x << 13) % 2**32
    x ^= x // 2**17
    x ^= (x << 5) % 2**32
    return x


def step(name, state):
    return xorshift32(state) if name == "xorshift32" else lfsr_tick(state, TAPS[name])


def take(name, state, k):
    """Return k bytes and the state after them."""
    taken = []
    while len(taken) < k:
        if name == "xorshift32":
            state = step(name, state)
            taken += state.to_bytes(4, "little")
        else:
            for _ in range(8):
                state = step(name, state)
            taken.append(state % 256)
    return taken[:k], state  # what is left of the last step is lost


def word(name, state, k, method):
    taken, state = take(name, state, k)
    if method == "sum":
        return 2 * sum(taken) - 255 * k, state
    return 2 * sum(bin(byte).count("1") for byte in taken) - 8 * k, state


def words(name, states, draws, channels, k, method):
    """Nested lists [draw][channel][unit] and the states after them."""
    states, out = list(states), []
    for _ in range(draws):
        drawn = [[0] * len(states) for _ in range(channels)]
        for u in range(len(states)):
            for c in range(channels):
                drawn[c][u], states[u] = word(name, states[u], k, method)
        out.append(drawn)
    return out, states


def cycle(name, state=1):
    """All states from one until it returns."""
    found, now = [state], step(name, state)
    while now != state:
        found.append(now)
        now = step(name, now)
    return found


def moments(values):
    """Mean, variance and excess kurtosis of equally likely values, by correctly rounded sums."""
    n, mean = len(values), sum(values) / len(values)
    second = math.fsum((v - mean) ** 2 for v in values) / n
    return mean, second, math.fsum((v - mean) ** 4 for v in values) / n / second**2 - 3
