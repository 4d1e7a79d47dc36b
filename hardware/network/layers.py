"""Integer layers: the arithmetic that emulator and exported C obey to the bit, under `hardware.fixedpoint`'s rounding.

Words
    Every value has words of `bits` bits at one power-of-two scale, value = word 2^-scale, zero point 0. What leaves the
    network has up to 16 bits, what is between layers `activation_bits`.
Convolution (1-D, 2-D, depthwise, dense), channel o with f = fraction[o]
    acc = bias[o] + sum w[o, c, i, j] x[c, y + i, x + j]     exact in 32 bits: places outside of the input add nothing
    out = finish((acc + 2^(f-1)) >> f)                       half up; f = 0: acc
    A channel's weights have a power-of-two scale of their own, so that f differs from channel to channel.
Sum
    acc = a 2^lift_a + b 2^lift_b, out = finish((acc + 2^(f-1)) >> f)
finish
    clamp to [low, high]; or, with a table of 2^index_bits words, clamp to index_bits bits and look up.
Maximum: of the words of a window. Mean of n words: floor((2 sum 2^lift + n) / (2 n)), half up; n counts all
    places of the window, or those inside of the input. Apply: clamp, or look up a word itself. Reshape: the same words.

Mix, where a grid's noise enters, a word eta of unit u at that unit's scale
    acc = x 2^lift + eta 2^noise_lift[u], out = finish((acc + 2^(f-1)) >> f); without noise eta = 0

No accumulator overflows: `bound` says the largest magnitude that any words could reach, and no program is made whose
bound exceeds 2^31 - 1.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from localnoise.hardware.network.windows import Shape, Values, Window, products

Words = npt.NDArray[np.int16]
MOST = 2**31 - 1  # an accumulator
_EXACT = 2**24  # whole numbers that float32 adds exactly


@dataclass(frozen=True, kw_only=True)
class IntegerLayer:
    """One operation on words.

    Attributes
    ----------
    place : str
        Module and operator that it was.
    inputs : tuple of int
        Values that it reads: 0 is the input, k + 1 the output of layer k.
    shape : (C, H, W)
    bits, scale : int
        Of the words of its output.
    """

    kind: ClassVar[str] = ""
    place: str
    inputs: tuple[int, ...]
    shape: Shape
    bits: int
    scale: int

    def apply(self, *x: Words) -> Words:
        """Words (T, C, H, W) of its output."""
        raise NotImplementedError

    def bound(self, bits: int) -> int:
        """Return the largest magnitude in its accumulator, whatever the words of `bits` bits that come in."""
        return 0


@dataclass(frozen=True, kw_only=True)
class Finish:
    """From an accumulator that was rounded to a word.

    Attributes
    ----------
    low, high : int
        Least and largest word; with a table, those of its words.
    table : (2^index_bits,) int16
        Words by index, the least index first; empty: no table.
    """

    low: int
    high: int
    table: Words = field(default_factory=lambda: np.empty(0, np.int16))

    @property
    def index_bits(self) -> int:
        """Bits of a table's index; 0: there is none."""
        return len(self.table).bit_length() - 1 if len(self.table) else 0

    def __call__(self, rounded: npt.NDArray[Any]) -> Words:
        """Words of rounded accumulators."""
        if len(self.table):
            top = len(self.table) // 2
            return np.asarray(self.table[np.clip(rounded, -top, top - 1) + top])
        return np.clip(rounded, self.low, self.high).astype(np.int16)


@dataclass(frozen=True, kw_only=True)
class ConvolutionWords(IntegerLayer):
    """Weights (O, C / groups, rows, columns) int8, biases and fractions (O,), then `finish`."""

    kind: ClassVar[str] = "convolution"
    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    fraction: npt.NDArray[np.uint8]
    window: Window
    finish: Finish

    def accumulators(self, x: Words) -> npt.NDArray[np.int32]:
        """Return the sums before rounding, (T, O, H, W)."""
        top = max(int(x.max(initial=0)), -int(x.min(initial=0)))
        reach = int(np.abs(self.weights.astype(np.int64)).sum(axis=(1, 2, 3)).max()) * top
        found = products(x, self.weights, self.window, self.shape, np.float32 if reach < _EXACT else np.float64)
        return np.asarray(found.astype(np.int32) + self.bias[:, None, None])

    def apply(self, *x: Words) -> Words:
        """Words of its output."""
        return self.finish(self.rounded(*x))

    def rounded(self, *x: Words) -> npt.NDArray[np.int32]:
        """Return accumulators after rounding."""
        return half_up(self.accumulators(x[0]), self.fraction[:, None, None].astype(np.int32))

    def bound(self, bits: int) -> int:
        """Return the largest magnitude in its accumulator."""
        reach = np.abs(self.weights.astype(np.int64)).sum(axis=(1, 2, 3)) * 2 ** (bits - 1)
        half = (np.int64(1) << self.fraction.astype(np.int64)) >> 1
        return int((reach + np.abs(self.bias.astype(np.int64)) + half).max())


@dataclass(frozen=True, kw_only=True)
class SumWords(IntegerLayer):
    """Words of two values, each shifted left by its lift."""

    kind: ClassVar[str] = "sum"
    lift: tuple[int, int]
    fraction: int
    finish: Finish

    def apply(self, *x: Words) -> Words:
        """Words of its output."""
        return self.finish(self.rounded(*x))

    def rounded(self, *x: Words) -> npt.NDArray[np.int32]:
        """Return accumulators after rounding."""
        first, second = (word.astype(np.int32) << np.int32(k) for word, k in zip(x, self.lift, strict=True))
        return half_up(first + second, np.int32(self.fraction))

    def bound(self, bits: int) -> int:
        """Return the largest magnitude in its accumulator."""
        return int(2 ** (bits - 1) * sum(2**lift for lift in self.lift) + (2**self.fraction >> 1))


@dataclass(frozen=True, kw_only=True)
class MaximumWords(IntegerLayer):
    """The largest word of each window."""

    kind: ClassVar[str] = "maximum"
    window: Window

    def apply(self, *x: Words) -> Words:
        """Words of its output."""
        return np.asarray(self.window.over(x[0], self.shape, -(2**15)).max(axis=(4, 5)))


@dataclass(frozen=True, kw_only=True)
class MeanWords(IntegerLayer):
    """The mean of each window's words."""

    kind: ClassVar[str] = "mean"
    window: Window
    padded: bool
    lift: int

    def apply(self, *x: Words) -> Words:
        """Words of its output."""
        return np.clip(self.rounded(*x), -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1).astype(np.int16)

    def rounded(self, *x: Words) -> npt.NDArray[np.int32]:
        """Return means after rounding."""
        count = self.window.kernel[0] * self.window.kernel[1]
        n = count if self.padded else self.window.taps(x[0].shape[1:], self.shape)
        total = self.window.over(x[0], self.shape).sum(axis=(4, 5), dtype=np.int64) << np.int64(self.lift)
        return np.asarray((2 * total + n) // (2 * n), np.int32)

    def bound(self, bits: int) -> int:
        """Return the largest magnitude in its accumulator."""
        count = self.window.kernel[0] * self.window.kernel[1]
        return int(count * (2 ** (bits + self.lift) + 1))


@dataclass(frozen=True, kw_only=True)
class ApplyWords(IntegerLayer):
    """A clamp of words, or a table that they index."""

    kind: ClassVar[str] = "apply"
    finish: Finish

    def apply(self, *x: Words) -> Words:
        """Words of its output."""
        return self.finish(x[0])


@dataclass(frozen=True, kw_only=True)
class ReshapeWords(IntegerLayer):
    """The same words in the order of (C, H, W), as another shape."""

    kind: ClassVar[str] = "reshape"

    def apply(self, *x: Words) -> Words:
        """Words of its output."""
        return x[0].reshape(len(x[0]), *self.shape)


@dataclass(frozen=True, kw_only=True)
class MixWords(IntegerLayer):
    """A value, and a grid's noise at its units' scales; or what a repair makes of it, the same words without one.

    Attributes
    ----------
    lift, fraction : int
    noise_bits : int
        Of a word of the noise; 0: there is none.
    noise_lift : (units,) uint8
        Shift of each unit's noise.
    """

    kind: ClassVar[str] = "mix"
    lift: int
    fraction: int
    noise_bits: int
    noise_lift: npt.NDArray[np.uint8]
    finish: Finish

    def apply(self, *x: Words) -> Words:
        """Words of its output, without noise."""
        return self.finish(self.rounded(x[0]))

    def rounded(self, x: Words, eta: npt.NDArray[np.int32] | None = None) -> npt.NDArray[np.int32]:
        """Return accumulators after rounding, of words x (T, C, H, W) and noise of as many words."""
        acc = x.astype(np.int32) << np.int32(self.lift)
        if eta is not None:
            channels, rows, columns = self.shape
            each = np.repeat(self.noise_lift.astype(np.int32), channels * rows * columns // len(self.noise_lift))
            acc = acc + (eta.reshape(x.shape) << each.reshape(rows, columns, channels).transpose(2, 0, 1))
        return half_up(acc, np.int32(self.fraction))

    def bound(self, bits: int) -> int:
        """Return the largest magnitude in its accumulator."""
        noise = 2 ** (self.noise_bits - 1 + int(self.noise_lift.max())) if self.noise_bits else 0
        return int(2 ** (bits - 1 + self.lift) + noise + (2**self.fraction >> 1))


def half_up(acc: Values, fraction: Any) -> Values:
    """Return (acc + 2^(f-1)) >> f, acc where f = 0, in the type of `acc`."""
    return np.asarray((acc + ((np.ones_like(fraction) << fraction) >> 1)) >> fraction)


_ALL = (ConvolutionWords, SumWords, MaximumWords, MeanWords, ApplyWords, ReshapeWords, MixWords)
KINDS: dict[str, type[IntegerLayer]] = {kind.kind: kind for kind in _ALL}
