"""Exact moments of the integer Gaussian words when their bytes are independent and uniform.

A byte, uniform on n = 256 values, has the variance (n^2 - 1) / 12 and the excess kurtosis -6 (n^2 + 1) / 5 (n^2 - 1); a
bit as -1 or 1 has 1 and -2. A sum of k independent ones has k times the variance and 1/k times the excess kurtosis.
Odd moments vanish by symmetry.

The bits of a linear generator are uncorrelated over its cycle, but four of them may XOR to zero, which adds to the
kurtosis, and a short cycle misses the state zero: `cycle_excess_kurtosis` takes both into account.
"""

from collections import defaultdict
from fractions import Fraction
from itertools import combinations

from localnoise.errors import choose
from localnoise.hardware.generators.gaussian import METHODS, as_bytes
from localnoise.hardware.generators.linear import apply, power
from localnoise.hardware.generators.protocol import Generator

_VALUES = 256


def variance(k: int, method: str = "sum") -> int:
    """Variance of a word of k bytes: 21,845 k for "sum", 8 k for "popcount"."""
    if choose("method", method, METHODS) == "sum":
        return as_bytes(k) * 4 * (_VALUES**2 - 1) // 12
    return 8 * as_bytes(k)


def excess_kurtosis(k: int, method: str = "sum") -> Fraction:
    """Excess kurtosis of a word of k bytes, about -1.2 / k for "sum", -1 / (4 k) for "popcount"; a Gaussian has 0."""
    if choose("method", method, METHODS) == "sum":
        return Fraction(-6 * (_VALUES**2 + 1), 5 * (_VALUES**2 - 1) * as_bytes(k))
    return Fraction(-2, 8 * as_bytes(k))


def bound(k: int, method: str = "sum") -> int:
    """Largest |word| of k bytes: 255 k for "sum", 8 k for "popcount"."""
    return (255 if choose("method", method, METHODS) == "sum" else 8) * as_bytes(k)


def cycle_excess_kurtosis(generator: Generator, k: int, method: str = "sum") -> Fraction:
    """Excess kurtosis about zero of a generator's words of k bytes over its whole cycle, exactly.

    A word is the sum of c_i s_i over its 8 k bits s_i = -1 or 1 (c_i is 1 for "popcount", 2^j for bit j of a byte for
    "sum"). Each bit is a linear function of the state, and over all 2^w states the mean of a product of four is 1 where
    these functions add up to zero, else 0. So four-term relations add 24 sum c_i c_j c_k c_l / variance^2. The cycle
    lacks the state zero, whose word would be -bound. Bits are taken to be different functions. Cost O((8 k)^2).
    """
    bits = list(zip(_functions(generator, as_bytes(k)), _weights(k, method), strict=True))
    pairs: dict[int, list[int]] = defaultdict(list)
    for (f, c), (g, d) in combinations(bits, 2):
        pairs[f ^ g].append(c * d)
    twice = sum(sum(each) ** 2 - sum(c * c for c in each) for each in pairs.values())  # two pairs, in either order
    every, second, zero = generator.period + 1, variance(k, method), bound(k, method)
    fourth = (excess_kurtosis(k, method) + 3) * second**2 + Fraction(24 * twice, 2 * 3)  # 3 ways to pair four
    return (every * fourth - zero**4) * generator.period / (every * second - zero**2) ** 2 - 3


def _weights(k: int, method: str) -> list[int]:
    return [2**j if choose("method", method, METHODS) == "sum" else 1 for _ in range(k) for j in range(8)]


def _functions(generator: Generator, k: int) -> list[int]:
    """Return the rows of the matrices that lead from a state to each bit of the next word, as integers."""
    bytes_at_once = 1 if generator.kind else 4
    step = power(generator.matrix(), generator.steps(bytes_at_once))
    now = step
    found: list[int] = []
    while len(found) < 8 * k:
        for i in range(8 * bytes_at_once):
            found.append(sum((int(column) >> i & 1) << j for j, column in enumerate(now)))
        now = apply(step, now)
    return found[: 8 * k]
