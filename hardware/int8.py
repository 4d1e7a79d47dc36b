"""Noise on an 8-bit tensor of somebody else's network, as `ln_add_noise_int8` of the exported C adds it, to the bit.

A value of the tensor is (q - zero_point) scale. Where a grid is signal-dependent, it reads q.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError, choose
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.emulator import ChipGrid
from localnoise.validate import as_array, whole

LAYOUTS = ("hwc", "chw")
LEAST, MOST = 1e-4, 100.0  # of a scale: its integers then have 10 bits at least


def add_noise_int8(
    chip: ChipGrid | ChipBank,
    q: Any,
    scale: float,
    zero_point: int = 0,
    *,
    layout: str = "hwc",
    seed: int = 0,
    start: int = 0,
) -> npt.NDArray[np.int8]:
    """Return q with a draw of the noise added to each tensor, saturating.

    Parameters
    ----------
    chip : ChipGrid or ChipBank
        On the layer that q comes from.
    q : (T, H, W, C) or (T, C, H, W) int8
        As `layout` says; (T, L, C) or (T, C, L) of a series, (T, N) of a dense layer.
    scale, zero_point : float, int
        Of the tensor.
    layout : {"hwc", "chw"}
    seed, start : int
        Of the stream; number of the first draw.

    Raises
    ------
    ArgumentError
        A tensor of another shape or type, or a scale or zero point beyond what the C takes.
    """
    choose("layout", layout, LAYOUTS)
    if not LEAST <= scale <= MOST:
        raise ArgumentError(f"scale={scale!r}: expected the tensor's, from {LEAST:g} to {MOST:g}")
    zero = whole(zero_point)
    if zero is None or not -128 <= zero <= 127:
        raise ArgumentError(f"zero_point={zero_point!r}: expected that of an 8-bit tensor, from -128 to 127")
    tensor, c = as_array("q", q), chip.config
    if tensor.dtype != np.int8 or tensor.shape[1:] not in _layouts(c, layout):
        expected = " or ".join(f"(T, {', '.join(map(str, sizes))})" for sizes in _layouts(c, layout))
        raise ArgumentError(
            f"q is {tensor.dtype} {tensor.shape}: expected int8 tensors {expected} of the grid's layer, "
            f"layout={layout!r}; state the layout that q has"
        )
    T, (H, W) = len(tensor), c.shape
    own = tensor.reshape(T, H, W, c.channels).transpose(0, 3, 1, 2) if layout == "hwc" else tensor
    own = own.reshape(T, c.channels, H, W).astype(np.int64)
    field = (chip.members[0] if isinstance(chip, ChipBank) else chip).field
    read = None
    if field.signal:
        words = scaled((own - zero) * int(np.floor(scale * 2.0**24 + 0.5)), 24 - field.activation_scale)
        limit = chip.formats.activation_limit
        read = np.clip(words, -limit - 1, limit).astype(np.int32)
    eta = chip.words(T, seed, start, read).reshape(own.shape).astype(np.int64) * int(np.floor(65536 / scale + 0.5))
    bits = 16 + np.asarray(field.scale, np.int64).reshape(H, W)
    noisy = np.clip(own + scaled(eta, bits), -128, 127).astype(np.int8)
    return np.ascontiguousarray(noisy.transpose(0, 2, 3, 1) if layout == "hwc" else noisy).reshape(tensor.shape)


def _layouts(c: GridConfig, layout: str) -> list[tuple[int, ...]]:
    """Return the shapes that a tensor of the grid's layer may have."""
    (H, W), C = c.shape, c.channels
    found: list[tuple[int, ...]] = [(H, W, C) if layout == "hwc" else (C, H, W)]
    if H == 1:
        found.append((W, C) if layout == "hwc" else (C, W))
    return [*found, (c.neurons,)]


def scaled(value: npt.NDArray[np.int64], bits: Any) -> npt.NDArray[np.int64]:
    """Return floor(value / 2^bits + 1/2); of negative bits value 2^-bits, at most 2^14 times as much."""
    down = np.clip(np.asarray(bits, np.int64), 1, 62)
    up = np.clip(-np.asarray(bits, np.int64), 0, 14)
    halved = (value + (np.int64(1) << (down - 1))) >> down
    return np.asarray(np.where(np.asarray(bits) > 0, halved, value << up))
