"""The one integer semantics that emulator, C and Verilog obey to the bit.

Words
    A word of w bits is a two's-complement integer in [-2^(w-1), 2^(w-1) - 1]; in Q format with f fraction bits it has
    the value word 2^-f. Weights are symmetric, in [-(2^(b-1) - 1), 2^(b-1) - 1].
Products and sums
    Products are exact, sums are exact, in an accumulator of `accumulator_bits`. The quantiser bounds every unit's
    largest possible accumulator, and refuses or shortens weights that could exceed it: no accumulator ever overflows,
    so the order of a sum changes nothing. It is: bias; activations, by reader and channel; parents, by parent and
    channel; own earlier channels; private noise.
Partial sums
    Each of the groups G h, B eta + L eta, s xi is shifted left by the unit's `lift` before it joins: exact.
Rounding, of an accumulator by f bits, f >= 0 (f = 0: nothing to round); >> is arithmetic, towards minus infinity
    half-up      (acc + 2^(f-1)) >> f
    half-even    as half-up, but a tie goes to the even word
    stochastic   (acc + r) >> f, r the low f bits of a 32-bit random word
Overflow, of a rounded accumulator to w bits
    saturate     to the nearest word
    wrap         the low w bits, sign extended
Randomness
    Per unit and draw: first `normal_bytes` bytes for the Gaussian word of each channel in turn, then, with stochastic
    rounding, four bytes (low byte first) for each channel in turn.
Signal-dependent units read activation words: saturate(round half up(h 2^activation_scale)).
Wide layers: weights that places share, links of a low rank (`hardware.narrow` has the formula)
    A link's product of rank r is three products, each exact in an accumulator of its own. Between them stands a word,
    rounded half up whatever `rounding` says and brought into `word_bits` as `overflow` says: the r words that leave a
    unit (`carried`, rounded once a unit, however many read them; of its activation likewise), and the r words that all
    links of a unit sum to (`mixed`). Only the last accumulator, which adds bias, what leads back and private noise, is
    rounded as `rounding` says. The private noise is a lower triangular product of Gaussian words, rounded half up,
    within its bound and never cut; s multiplies it. Without a rank there are no words between: sums over links join
    the last accumulator. Partial sums are shifted left by `lift`, `up`, `own` and `offset`: exact. The quantiser bounds
    every accumulator. Random bytes are drawn as above. An innovation is d less what the neighbors alone say of it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError
from localnoise.validate import as_array

Integers = npt.NDArray[np.int32]


def to_words(values: npt.ArrayLike, scale: Any, bits: int) -> Integers:
    """Return saturate(floor(values 2^scale + 1/2)) in `bits` bits; `scale` broadcasts. Values are real numbers."""
    top = float(2 ** (bits - 1))
    scaled = np.floor(np.ldexp(as_array("values", values).astype(np.float64), scale) + 0.5)
    return np.asarray(np.clip(scaled, -top, top - 1), np.int32)


def given_words(h: Any, config: GridConfig, bits: int, count: int | None = None) -> Integers:
    """Return activation words (T, C, H, W) of a grid as int32, if they are: `bits` bits, for which sums were bounded.

    They may be given as (T, C, H W) or (T, C H W), too.

    Raises
    ------
    ArgumentError
        No whole numbers, numbers beyond the bits, another shape than the grid's, or other than `count` presentations.
    """
    x, top = as_array("h", h), 2 ** (bits - 1)
    layouts = (config.channels, *config.shape), (config.channels, config.units), (config.neurons,)
    whole = np.issubdtype(x.dtype, np.integer) and x.shape[1:] in layouts
    if not whole or count not in (None, len(x)):
        C, (H, W) = config.channels, config.shape
        raise ArgumentError(
            f"h is {x.dtype} {x.shape}: expected activation words ({'T' if count is None else count}, {C}, {H}, {W}), "
            "whole numbers, channels first; use activation_words(h)"
        )
    if x.size and (x.min() < -top or x.max() >= top):
        raise ArgumentError(f"h holds {x.min()} to {x.max()}: expected words of {-top} to {top - 1}")
    return np.ascontiguousarray(x.reshape(-1, config.channels, *config.shape), np.int32)


def to_values(words: npt.ArrayLike, scale: Any, dtype: Any = np.float32) -> Any:
    """Return words 2^-scale, exact in float32 for words of up to 24 bits."""
    return np.ldexp(np.asarray(words, dtype), -np.asarray(scale)).astype(dtype, copy=False)


def round_shift(acc: int, bits: int, rounding: str, random: int = 0) -> int:
    """Round the integer `acc` by `bits` bits, as the module states. Unbounded integers."""
    if bits == 0:
        return acc
    if rounding == "stochastic":
        return (acc + (random & ((1 << bits) - 1))) >> bits
    rounded = (acc + (1 << (bits - 1))) >> bits
    tie = acc & ((1 << bits) - 1) == 1 << (bits - 1)
    return rounded & ~1 if rounding == "half-even" and tie else rounded


def fit_word(value: int, bits: int, overflow: str) -> int:
    """Bring the integer `value` into `bits` bits, as the module states. Unbounded integers."""
    top = 1 << (bits - 1)
    if overflow == "wrap":
        return (value + top) % (2 * top) - top
    return min(max(value, -top), top - 1)
