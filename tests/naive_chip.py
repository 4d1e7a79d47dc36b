"""The chip's arithmetic in Python's integers, a word at a time: the oracle of the integer kernels."""

import numpy as np

import localnoise as ln
from localnoise.hardware.generators import GENERATORS, states


def learned(shape=(3, 4), channels=3, seed=0, signal="none", **wiring):
    rng = np.random.default_rng(seed)
    h = np.tanh(rng.normal(size=(400, channels, *shape))).astype(np.float32)
    d = 0.3 * rng.normal(size=h.shape) + 0.4 * np.roll(h, 1, 3) * (signal == "local")
    d = (d + np.roll(d, 1, 2) + np.roll(d, 1, 1)).astype(np.float32)
    grid = ln.UnitGrid(shape=shape, channels=channels, signal=signal, **wiring)
    return (grid.learn(d, h), h) if signal == "local" else (grid.learn(d), None)


def round_shift(acc, bits, rounding, random=0):
    quotient, rest = divmod(acc, 2**bits)
    if bits == 0:
        return acc
    if rounding == "stochastic":
        return quotient + (rest + random % 2**bits >= 2**bits)
    up = 2 * rest > 2**bits or (2 * rest == 2**bits and (rounding == "half-up" or quotient % 2 == 1))
    return quotient + up


def fit_word(value, bits, overflow):
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if overflow == "saturate":
        return max(low, min(high, value))
    while value > high:
        value -= 2**bits
    while value < low:
        value += 2**bits
    return value


def bytes_of(name, state, count):
    """(next state, `count` random bytes) of one unit's generator, through the product's own words of one byte."""
    out = []
    generator = GENERATORS[name]
    if name == "xorshift32":
        for _ in range(-(-count // 4)):
            state = generator.step(state)
            out += [(state >> (8 * place)) & 255 for place in range(4)]
        return state, out[:count]
    for _ in range(count):
        for _ in range(8):
            state = generator.step(state)
        out.append(state & 255)
    return state, out


def randoms(form, state, m):
    """Gaussian words and words for rounding of one draw, a list of m a unit; `state` moves on."""
    xi, more = [], []
    for u in range(len(state)):
        xi.append([])
        for _ in range(m):
            state[u], drawn = bytes_of(form.generator, state[u], form.normal_bytes)
            if form.normal == "sum":
                xi[u].append(2 * sum(drawn) - 255 * len(drawn))
            else:
                xi[u].append(2 * sum(bin(byte).count("1") for byte in drawn) - 8 * len(drawn))
        more.append([0] * m)
        for i in range(m if form.rounding == "stochastic" else 0):
            state[u], drawn = bytes_of(form.generator, state[u], 4)
            more[u][i] = int.from_bytes(bytes(drawn), "little")
    return xi, more


def words(chip, count, seed, h=None):
    """Draw `count` fields, (count, m, N); h (count, m, N) activation words."""
    f, form = chip.field, chip.formats
    units, m = f.units, f.channels
    state = [int(x) for x in states(GENERATORS[form.generator], units, seed)]
    out = np.empty((count, m, units), np.int64)
    for t in range(count):
        eta = [[0] * m for _ in range(units)]
        xi, more = randoms(form, state, m)
        for u in map(int, f.order):
            for i in range(m):
                acc = int(f.bias[u, i]) if h is not None else 0
                for r, other in enumerate(f.readers[u] if h is not None else ()):
                    for c in range(m if other >= 0 else 0):
                        acc += (int(f.G[u, i, r * m + c]) * int(h[t, c, other])) << int(f.lift[u, 0])
                for k, other in enumerate(f.parents[u]):
                    for c in range(m if other >= 0 else 0):
                        acc += (int(f.B[u, i, k * m + c]) * eta[other][c]) << int(f.lift[u, 1])
                for j in range(i):
                    acc += (int(f.L[u, i, j]) * eta[u][j]) << int(f.lift[u, 1])
                acc += (int(f.s[u, i]) * xi[u][i]) << int(f.lift[u, 2])
                assert abs(acc) < 2 ** (form.accumulator_bits - 1)
                rounded = round_shift(acc, int(f.fraction[u]), form.rounding, more[u][i])
                eta[u][i] = fit_word(rounded, form.word_bits, form.overflow)
        out[t] = np.array(eta).T
    return out
