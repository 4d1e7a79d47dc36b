"""Marsaglia's xorshift32: three shifts and three XORs give 32 fresh bits, four bytes, a step.

    x ^= x << 13;  x ^= x >> 17;  x ^= x << 5

Bytes leave low byte first. A word of k bytes takes ceil(k / 4) steps: each word begins with a step of its own, and the
bytes of its last step that it does not need are dropped, so that the state alone carries from word to word.

Source: Marsaglia, "Xorshift RNGs", J. Stat. Software 8(14), 2003, page 4 (the triple 13, 17, 5 of period 2^32 - 1).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from localnoise.hardware.flags import inlined
from localnoise.hardware.generators.linear import Words, matrix_of

_LEFT, _RIGHT, _LAST = np.uint32(13), np.uint32(17), np.uint32(5)
KIND = np.uint32(0)  # no LFSR has an empty tap mask


@inlined
def next_state(state: np.uint32) -> np.uint32:
    """One step; state : uint32. Its four bytes are the state itself, low byte first."""
    state = state ^ np.uint32(state << _LEFT)
    state = state ^ np.uint32(state >> _RIGHT)
    return state ^ np.uint32(state << _LAST)


@dataclass(frozen=True, kw_only=True)
class Xorshift32:
    """The generator that `next_state` steps."""

    @property
    def width(self) -> int:
        """Bits of the state."""
        return 32

    @property
    def kind(self) -> int:
        """The number that the kernels know it by."""
        return int(KIND)

    @property
    def period(self) -> int:
        """Steps until the state returns, 2^32 - 1."""
        return 2**32 - 1

    def step(self, state: int) -> int:
        """Return the state after one step."""
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        return state ^ (state << 5 & 0xFFFFFFFF)

    def matrix(self) -> Words:
        """Return one step as a matrix over GF(2), (32,) uint64 columns."""
        return _matrix()

    def steps(self, k: int) -> int:
        """Return how many steps a word of k bytes takes: one for four bytes, rounded up."""
        return -(-k // 4)


@cache
def _matrix() -> Words:
    columns = matrix_of(Xorshift32().step, 32)
    columns.flags.writeable = False
    return columns
