"""How far apart units start on the cycle: as far as the period allows, less what keeps a linear generator honest.

floor(P / N) for N units is the farthest. Two kinds of it leave units *jointly* dependent although every pair is
uncorrelated, because M^stride, which leads from unit to unit, then solves a polynomial of few terms:

- strides that share a factor with P = 2^w - 1. M^(P / 3) lies in the subfield GF(4), where 1 + x + x^2 = 0: the state
  of the third of three units is at every tick the XOR of those of the other two. So too N = 5, 15, 17, 255, 257 ...
- strides near a power of two, as for every N = 2^j. Squaring is linear over GF(2) (Frobenius): if p(M) = 0 then
  p(M^(2^a)) = 0, so the few taps of an LFSR reappear as an XOR of as few units; for 2^a - 1 some ticks apart.

A few steps beside such a number help little: the same few units are tied, a few ticks apart. So the stride is the
largest one below that keeps 1/64 away from powers of two and from all P / d, d a divisor of P, and is coprime to P
(then M^stride has full period itself, and its polynomial the full degree w). It costs a few per cent of the distance.

Source: Lidl and Niederreiter, Introduction to Finite Fields, 1994, theorems 2.14 (conjugates) and 3.33 (degrees).
"""

from functools import cache
from math import gcd

from localnoise.errors import ArgumentError
from localnoise.hardware.generators.linear import prime_factors
from localnoise.hardware.generators.protocol import Generator
from localnoise.validate import as_count

_MARGIN = 64


def stride(generator: Generator, units: int) -> int:
    """Return the steps between the starts of neighboring units: at most floor(period / units).

    Where too many units leave no such number (strides of a few steps), it is floor(period / units) itself.

    Raises
    ------
    ArgumentError
        There are more units than states.
    """
    period, farthest = generator.period, 0
    if as_count("units", units, least=1) <= period:
        farthest = period // units
    if not farthest:
        raise ArgumentError(
            f"units={units}: expected at most {period}, the states of a {generator.width}-bit generator; "
            "take a wider one"
        )
    tied = sorted((*(2**a for a in range(generator.width)), *_quotients(period)), reverse=True)
    steps = farthest
    for number in tied:  # descending, as the steps do
        if abs(steps - number) * _MARGIN < number:
            steps = number - -(-number // _MARGIN)
    while steps > 1 and gcd(steps, period) > 1:
        steps -= 1
    return steps if steps > 1 else farthest


@cache
def _quotients(period: int) -> tuple[int, ...]:
    """Return P / d for every divisor d > 1 of P, but 1 itself."""
    found = {period}
    for p in prime_factors(period):
        for number in tuple(found):
            while number % p == 0:
                number //= p
                found.add(number)
    return tuple(found - {1, period})
