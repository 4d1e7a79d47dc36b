"""Scales of words, powers of two, from calibration values; and the tables of tanh and sigmoid."""

from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.hardware.fixedpoint import to_words
from localnoise.hardware.network.graph import CURVES, Curve
from localnoise.hardware.network.layers import Finish

SATURATING = 0.01  # share of a value's calibration numbers that may lie beyond its words
_SAMPLE = 2**16
_FINER = 3  # scales that are tried, each twice as fine as the one before
_SLOPE = {"tanh": 0, "sigmoid": 2}  # the steepest slope is 2^-slope


def holding(values: npt.ArrayLike, bits: int) -> int:
    """Return the finest scale whose words of `bits` bits hold all values, the largest within a step."""
    most = float(np.abs(values).max(initial=0.0))
    mantissa, exponent = np.frexp(most)
    return 0 if most == 0 else int(np.clip(bits - 1 - int(exponent) + (mantissa == 0.5), -100, 100))


def chosen(values: npt.NDArray[Any], bits: int) -> int:
    """Return the scale of least mean squared error among `_FINER` that saturate few values."""
    flat = values.reshape(-1)
    some = flat[:: max(len(flat) // _SAMPLE, 1)].astype(np.float64)
    best, least = holding(flat, bits), np.inf
    for scale in range(best, best + _FINER):
        error = float(np.square(np.ldexp(to_words(some, scale, bits).astype(np.float64), -scale) - some).mean())
        if error < least and np.mean(np.abs(some) > np.ldexp(1.0, bits - 1 - scale)) <= SATURATING / 10:
            best, least = scale, error
    return best


def index_of(function: str, scale: int) -> tuple[int, int]:
    """Return bits and scale of a table's index whose steps and ends cost half a step of its words, at most.

    Beyond the index's range the function has come within half a step 2^-scale of where it ends.
    """
    fine = scale - _SLOPE[function]
    reach = 0
    while 1 - float(CURVES[function](2.0**reach)) > 2.0 ** -(scale + 1) and reach < 6:
        reach += 1
    return max(reach + 1 + fine, 2), fine


def table(function: str, index_bits: int, index_scale: int, bits: int, scale: int) -> Finish:
    """Return the table of words f(index 2^-index_scale) 2^scale, rounded half up, saturating."""
    index = np.arange(-(2 ** (index_bits - 1)), 2 ** (index_bits - 1))
    words = to_words(CURVES[function](np.ldexp(index.astype(np.float64), -index_scale)), scale, bits).astype(np.int16)
    return Finish(low=int(words.min()), high=int(words.max()), table=words)


def clamp(curve: Curve, bits: int, scale: int) -> Finish:
    """Return the clamp to a curve's bounds, and to `bits` bits."""
    top = 2 ** (bits - 1)
    low, high = (int(np.clip(np.floor(np.ldexp(end, scale) + 0.5), -top, top - 1)) for end in (curve.low, curve.high))
    return Finish(low=low, high=high)


def refuse_saturated(place: str, rounded: npt.NDArray[Any], curve: Curve, bits: int, scale: int) -> None:
    """Raise an ArgumentError if more than `SATURATING` of these words are cut by more than a step.

    A clamp of the network's own, and the ends of a table, cut nothing.
    """
    if curve.function:
        return
    top = 2 ** (bits - 1)
    low, high = (np.floor(np.ldexp(end, scale) + 0.5) for end in (curve.low, curve.high))
    beyond = (np.minimum(rounded, high) > top) | (np.maximum(rounded, low) < -top - 1)
    share = float(beyond.mean()) if beyond.size else 0.0
    if share > SATURATING:
        raise ArgumentError(
            f"{place}: {share:.1%} of its calibration values lie beyond words of {bits} bits, above {SATURATING:.0%}: "
            "expected a scale that holds them; use more activation_bits, or leave scales to the calibration"
        )
