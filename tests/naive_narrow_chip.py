"""A narrow grid's arithmetic on a chip in Python's integers, a word at a time: the oracle of its kernel."""

import numpy as np
from naive_chip import fit_word, randoms, round_shift

from localnoise.hardware.generators import GENERATORS, states


def exact(form, acc):
    """An accumulator's value, if it is in range."""
    assert abs(acc) < 2 ** (form.accumulator_bits - 1)
    return acc


def word(form, acc, bits, rounding="half-up", random=0):
    return fit_word(round_shift(exact(form, acc), bits, rounding, random), form.word_bits, form.overflow)


def carried(form, basis, drop, x):
    """The words of a unit in the directions that links carry."""
    return [
        word(form, sum(int(v) * a for v, a in zip(row, x, strict=True)), int(bits))
        for row, bits in zip(basis, drop, strict=True)
    ]


def over(weights, slots, held):
    """Products of a row's weights with what the units of its slots hold."""
    q, total = len(held[0]), 0
    for k, other in enumerate(slots):
        for c in range(q if other >= 0 else 0):
            total += int(weights[k * q + c]) * held[other][c]
    return total


def said(chip, u, of_parents, of_readers):
    """The sum of bias and neighbors in the last accumulator, channel by channel."""
    f, form, c = chip.field, chip.formats, int(chip.field.kinds[u])
    out = [0] * f.channels
    if of_readers is not None:
        out = [int(b) << int(f.shifts[1]) for b in f.bias[u]]
    for j in range(f.past.shape[1]):
        acc = over(f.past[c, j], f.parents[u], of_parents) << int(f.lift[c, j, 1])
        if of_readers is not None:
            acc += over(f.read[c, j], f.readers[u], of_readers) << int(f.lift[c, j, 0])
        if f.rank:
            mixed = word(form, acc, int(f.fraction[c, j]))
            out = [a + ((int(v) * mixed) << int(f.up[j])) for a, v in zip(out, f.inward[j], strict=True)]
        else:
            out[j] += acc
    return out


def words(chip, count, seed, h=None):
    """Draw `count` fields, (count, m, N); h (count, m, N) activation words."""
    f, form = chip.field, chip.formats
    units, m = f.units, f.channels
    state = [int(x) for x in states(GENERATORS[form.generator], units, seed)]
    out = np.empty((count, m, units), np.int64)
    for t in range(count):
        xi, more = randoms(form, state, m)
        eta = [[0] * m for _ in range(units)]
        held = [[0] * (f.rank or m) for _ in range(units)]
        read = None
        if h is not None:
            read = [[int(x) for x in h[t, :, u]] for u in range(units)]
            if f.rank:
                read = [carried(form, f.reading, f.sunk, x) for x in read]
        for u in map(int, f.order):
            level = int(f.levels[u])
            total = said(chip, u, held, read)
            for i in range(m):
                own = exact(form, sum(int(f.factor[level, i, j]) * xi[u][j] for j in range(i + 1)))
                own = round_shift(own, int(f.deep[level, i]), "half-up")
                acc = total[i] + ((int(f.s[u, i]) * own) << int(f.own[u]))
                eta[u][i] = word(form, acc, f.point, form.rounding, more[u][i])
            held[u] = carried(form, f.inward, f.down, eta[u]) if f.rank else eta[u]
        out[t] = np.array(eta).T
    return out


def innovations(chip, d, h=None):
    """Innovations of displacement words d (T, m, N)."""
    f, form = chip.field, chip.formats
    out = np.empty(d.shape, np.int64)
    for t in range(len(d)):
        held, read = (None if x is None else [[int(a) for a in x[t, :, u]] for u in range(f.units)] for x in (d, h))
        own = held
        if f.rank:
            held = [carried(form, f.inward, f.down, x) for x in held]
            read = None if read is None else [carried(form, f.reading, f.sunk, x) for x in read]
        for u in range(f.units):
            for i, acc in enumerate(said(chip, u, held, read)):
                guess = fit_word(round_shift(acc, f.point, "half-up"), form.word_bits, "saturate")
                out[t, i, u] = fit_word(own[u][i] - guess, form.word_bits, "saturate")
    return out
