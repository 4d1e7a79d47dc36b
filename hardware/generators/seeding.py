"""Seeds for many units that share one full-period sequence and never meet: unit u starts u stride steps on.

All N units step the same generator of period P from places stride steps apart, stride <= floor(P / N), so for stride
steps no unit draws what another draws. Jumps are powers of the step matrix over GF(2): M^(u stride) M^start s0.

Source of the method: L'Ecuyer, "Good parameters and implementations for combined multiple recursive random number
generators", Oper. Res. 47, 1999 (disjoint streams by jumping); of the seed's mix: splitmix64, Steele, Lea, Flood,
"Fast splittable pseudorandom number generators", OOPSLA 2014, figure 16.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.hardware.generators.linear import advance, apply, power, squares
from localnoise.hardware.generators.protocol import Generator
from localnoise.hardware.generators.strides import stride
from localnoise.validate import as_count

_WORD = 2**64


def mix(seed: int) -> int:
    """Scramble a 64-bit seed, one to one, so that near seeds land far apart (splitmix64)."""
    z = (seed + 0x9E3779B97F4A7C15) % _WORD
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % _WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB % _WORD
    return z ^ z >> 31


def states(generator: Generator, units: int, seed: int, start_steps: int = 0) -> npt.NDArray[np.uint32]:
    """Return a state for every unit: M^(u stride + mix(seed) + start_steps) applied to the state 1.

    The cost is O(width^2 log(period) + width x units) operations on arrays: units double with each jump.

    Parameters
    ----------
    generator : Generator
        Of `localnoise.hardware.generators.GENERATORS`.
    units : int
        N, at most the period.
    seed : int
        0 to 2^64 - 1: where on the cycle unit 0 starts, mix(seed) modulo the period. A generator of w bits has only
        2^w - 1 places, so of many seeds some agree.
    start_steps : int, default 0
        Steps that every unit has taken already: draw t of m channels of k bytes begins at t m generator.steps(k).

    Returns
    -------
    (N,) uint32, none zero, all different

    Raises
    ------
    ArgumentError
        A number is not whole or out of range.
    """
    jump, first = stride(generator, units), mix(_as_seed(seed)) + as_count("start_steps", start_steps)
    step = generator.matrix()
    out = np.empty(units, np.uint32)
    out[:1] = apply(power(step, first % generator.period), 1)
    leap, done = power(step, jump), 1
    while done < units:
        more = min(done, units - done)
        out[done : done + more] = apply(leap, out[:more])
        leap, done = apply(leap, leap), done + more
    return out


def leaps(generator: Generator, first: npt.NDArray[np.uint32], start: int, steps: int, count: int) -> Any:
    """Return states `start` steps after `first` (N,), then `steps` steps on each time: (count, N) uint32.

    Cost O(count x N x width) for each bit of the steps, in compiled code: any place of a stream is near.
    """
    powers = squares(tuple(map(int, generator.matrix())))
    out = np.empty((count, len(first)), np.uint32)
    for index in range(count):
        out[index] = out[index - 1] if index else first
        advance(out[index], powers, np.uint64((steps if index else start) % generator.period))
    return out


def draws_without_overlap(generator: Generator, units: int, steps_per_draw: int) -> int:
    """Return how many draws N units can make before one repeats what another drew: floor(stride / steps_per_draw).

    `steps_per_draw` is m generator.steps(k) for m channels of k bytes. 0 says that even one draw overlaps.
    """
    return stride(generator, units) // as_count("steps_per_draw", steps_per_draw, least=1)


def naive_states(generator: Generator, units: int, seed: int) -> npt.NDArray[np.uint32]:
    """Seed + u for unit u, what not to do: near states give near words, and streams meet after a tick or two.

    Zero is skipped: the state is 1 + (seed + u - 1) modulo the period.
    """
    if as_count("units", units, least=1) > generator.period:
        raise ArgumentError(f"units={units}: expected at most the period {generator.period}")
    steps = (_as_seed(seed) - 1) % generator.period + np.arange(units, dtype=np.uint64)
    return (1 + steps % np.uint64(generator.period)).astype(np.uint32)


def _as_seed(seed: int) -> int:
    if as_count("seed", seed) >= _WORD:
        raise ArgumentError(f"seed={seed}: expected 0 to 2^64 - 1; use seed % 2**64")
    return int(seed)
