"""The interface of every generator: a linear step on `width` bits, and how many steps a word of k bytes takes."""

from typing import Protocol

from localnoise.hardware.generators.linear import Words


class Generator(Protocol):
    """A generator whose step is linear over GF(2) and that runs through all 2^width - 1 nonzero states."""

    @property
    def width(self) -> int:
        """Bits of the state, at most 32."""

    @property
    def kind(self) -> int:
        """The number that the kernels take for `kind`: the tap mask of an LFSR, 0 for xorshift32."""

    @property
    def period(self) -> int:
        """Steps until the state returns, 2^width - 1."""

    def step(self, state: int) -> int:
        """Return the state after one step."""

    def matrix(self) -> Words:
        """Return the step as a matrix over GF(2), (width,) uint64 columns."""

    def steps(self, k: int) -> int:
        """Return how many steps a word of k bytes takes."""
