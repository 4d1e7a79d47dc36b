"""The Galois linear-feedback shift register: the cheapest random bits in gates, one bit a clock tick.

A tick shifts right and, if a one falls out, flips the bits of the tap mask (bit t - 1 for each tap t):

    s' = (s >> 1) ^ (mask if s is odd else 0)

The *draw of a byte* is eight ticks, then the low eight bits of the state. Eight ticks are coprime to the odd period
2^w - 1, so bytes have the full period too.

Taps lie above bit 8, so that the low byte is eight successive bits a(n) .. a(n + 7) of the output. With a tap below,
as in XAPP052's (32, 22, 2, 1), bits above it are sums such as a(n) + a(n + 1), which are the same sequence from
*elsewhere* on the cycle: high bits of one unit then meet low bits of another although their states never do
(measured for (16, 15, 13, 4), 196 units, popcount: |r| = 0.14).

Source of the taps: 24 from Xilinx XAPP052 (Alfke 1996), table 3; 16 and 32 from Ward and Molteno, "Table of linear
feedback shift registers", University of Otago, 2007. Tables give them for the Fibonacci form; the Galois form may have
the reciprocal polynomial, and the reciprocal of a primitive polynomial is primitive. `linear.has_full_period` proves
the period for each width (tests/hardware/test_generators.py).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.hardware.flags import inlined
from localnoise.hardware.generators.linear import Words, matrix_of
from localnoise.validate import as_count

TAPS = {16: (16, 14, 13, 11), 24: (24, 23, 22, 17), 32: (32, 30, 26, 25)}
_ZERO, _ONE = np.uint32(0), np.uint32(1)


@inlined
def tick(state: np.uint32, mask: np.uint32) -> np.uint32:
    """One clock tick; state, mask : uint32."""
    # minus the lowest bit, in 32 bits, is all ones or all zeros: no branch, so that a loop over units vectorises
    return np.uint32(state >> _ONE) ^ (np.uint32(_ZERO - np.uint32(state & _ONE)) & mask)


@inlined
def next_byte(state: np.uint32, mask: np.uint32) -> np.uint32:
    """Return the state after eight ticks: its low eight bits are the byte."""
    state = tick(tick(tick(tick(state, mask), mask), mask), mask)
    return tick(tick(tick(tick(state, mask), mask), mask), mask)


@dataclass(frozen=True, kw_only=True)
class Lfsr:
    """A Galois LFSR that shifts right.

    Parameters
    ----------
    width : int
        Bits of the state, 8 to 32 (a byte has eight).
    taps : tuple of int, optional
        Exponents of the feedback polynomial, the width among them; by default `TAPS` for 16, 24 or 32.

    Raises
    ------
    ArgumentError
        No taps are known for the width, or the taps do not belong to it.
    """

    width: int
    """Bits of the state."""
    taps: tuple[int, ...] = ()
    """Exponents of the feedback polynomial."""

    def __post_init__(self) -> None:
        if not 8 <= as_count("width", self.width) <= 32:
            raise ArgumentError(f"width={self.width}: expected 8 to 32 bits, 16, 24 and 32 of which have known taps")
        if not self.taps:
            if self.width not in TAPS:
                known = ", ".join(map(str, TAPS))
                raise ArgumentError(f"width={self.width}: expected one of {known}; for another width pass taps=...")
            object.__setattr__(self, "taps", TAPS[self.width])
        if max(self.taps) != self.width or min(self.taps) < 1:
            raise ArgumentError(
                f"taps={self.taps}: expected numbers from 1 to width={self.width}, the width among them"
            )

    @property
    def kind(self) -> int:
        """The tap mask, bit t - 1 for each tap t."""
        return sum(1 << (tap - 1) for tap in set(self.taps))

    @property
    def period(self) -> int:
        """Ticks until the state returns: 2^width - 1 if the polynomial is primitive."""
        return int(2**self.width - 1)

    def step(self, state: int) -> int:
        """Return the state after one tick."""
        return state >> 1 ^ (self.kind if state & 1 else 0)

    def matrix(self) -> Words:
        """Return one tick as a matrix over GF(2), (width,) uint64 columns."""
        return _matrix(self)

    def steps(self, k: int) -> int:
        """Return how many ticks a word of k bytes takes: eight a byte."""
        return 8 * k


@cache
def _matrix(generator: Lfsr) -> Words:
    columns = matrix_of(generator.step, generator.width)
    columns.flags.writeable = False
    return columns
