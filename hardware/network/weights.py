"""Weights of a convolution in integers, channel by channel: scale, rounding with feedback, bias that keeps the mean."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.hardware.network.graph import Convolution
from localnoise.hardware.network.layers import MOST
from localnoise.hardware.network.windows import patches
from localnoise.hardware.quantiser.feedback import factors_of, round_row

_ROWS = 2**14  # patches whose moments are taken
_FEEDBACK = 2048  # inputs of a channel that rounding with feedback is worth it for
_FINER = 2  # scales that are tried, each twice as fine as the one before
_LOWEST, _HIGHEST = -60, 60  # of a weight's scale


@dataclass(frozen=True, kw_only=True)
class Rounded:
    """Integers of a layer.

    Attributes
    ----------
    weights : (O, C / groups, rows, columns) int8
    bias : (O,) int32
    scale : (O,) int64
        Of the accumulators: that of the words that come in, and a channel's weights'.
    """

    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    scale: npt.NDArray[np.int64]


def rounded(
    layer: Convolution, x: npt.NDArray[np.int16], y: npt.NDArray[Any], bits: int, scale: int, weight_bits: int,
    least: int, *, feedback: bool,
) -> Rounded:  # fmt: skip
    """Return the integers that, of words x, make the least of the error against the float layer's y.

    With feedback (`quantiser.feedback`), weights are rounded under the covariance of what they multiply: the words that
    the integer layers before give. The bias is such that each channel's mean over the calibration is the float
    network's; it so corrects the errors of all layers before, too.

    Parameters
    ----------
    x : (T, C, H, W)
        Words of `bits` bits at `scale` that come in.
    y : (T, O, H', W')
        What the float layer gives, before its curve.
    weight_bits : int
    least : int
        Scale that no channel's accumulator may fall below, where its weights allow it: the output's.
    """
    groups = x.shape[1] // layer.weights.shape[1]
    some = max(_ROWS // (layer.shape[1] * layer.shape[2]), 2)
    own = len(layer.weights) // groups
    limit, count = 2 ** (weight_bits - 1) - 1, len(layer.weights)
    W = layer.weights.reshape(count, -1)
    q, bias, scales = np.zeros(W.shape, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int64)
    wanted = y[:some].astype(np.float64).mean(axis=(0, 2, 3))
    for g, rows in enumerate(patches(x[:some], layer.window, layer.shape, groups)):
        z = rows.astype(np.float64)
        mean = z.mean(axis=0)
        z -= mean
        H = z.T @ z / len(z)
        factors = factors_of(H) if feedback and W.shape[1] <= _FEEDBACK else []
        for o in range(g * own, (g + 1) * own):
            q[o], power = _channel(W[o], H, factors, limit, least - scale)
            while True:
                bias[o] = int(np.floor(wanted[o] * 2.0 ** (power + scale) - q[o] @ mean + 0.5))
                reach = int(np.abs(q[o]).sum()) * 2 ** (bits - 1) + abs(int(bias[o]))
                if reach + 2**29 <= MOST or power <= _LOWEST:  # half a step of the coarsest rounding joins
                    break
                power -= 1
                q[o] = np.clip(np.floor(np.ldexp(W[o], power) + 0.5), -limit, limit)
            scales[o] = power + scale
    bounded = np.clip(bias, -MOST, MOST).astype(np.int32)
    return Rounded(weights=q.astype(np.int8).reshape(layer.weights.shape), bias=bounded, scale=scales)


def _channel(w: Any, H: Any, factors: list[Any], limit: int, least: int) -> tuple[npt.NDArray[np.int64], int]:
    """Return a channel's weights in integers, and the power of two that scaled them."""
    most = float(np.abs(w).max())
    first = int(np.floor(np.log2(limit / most))) if most > 0 else least
    first = int(np.clip(first, _LOWEST, min(_HIGHEST, least + 30)))
    best, power, error = np.zeros(len(w), np.int64), first, np.inf
    for scale in range(first, min(first + _FINER, least + 31)):
        q = round_row(np.ldexp(w, scale), H, limit, factors)
        left = np.ldexp(q.astype(np.float64), -scale) - w
        found = float(left @ H @ left)
        if found < error:
            best, power, error = q, scale, found
    return best, power
