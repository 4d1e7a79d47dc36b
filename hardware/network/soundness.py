"""What every program must be, wherever its integers come from: shapes that fit, words in range, no overflow."""

import math
from collections.abc import Sequence

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.hardware.network.layers import (
    MOST,
    ApplyWords,
    ConvolutionWords,
    Finish,
    IntegerLayer,
    MaximumWords,
    MeanWords,
    MixWords,
    ReshapeWords,
    SumWords,
)
from localnoise.hardware.network.windows import Shape, Window

Layout = tuple[Shape, int, int]  # shape, bits, scale
WORD_BITS = (2, 16)
_LARGEST = 2**24  # numbers of one value, and places that a window may span


def refuse_unsound(shape: Shape, bits: int, scale: int, layers: Sequence[IntegerLayer]) -> list[Layout]:
    """Return shape, bits and scale of every value, the input first.

    Raises
    ------
    ArgumentError
        The first layer that is unsound: its place, and what is wrong.
    """
    values: list[Layout] = [(shape, bits, scale)]
    _refuse_layout("its input", shape, bits, scale)
    if not layers:
        raise ArgumentError("layers is empty: expected at least one")
    for k, layer in enumerate(layers):
        wanted = 2 if isinstance(layer, SumWords) else 1
        if len(layer.inputs) != wanted or not all(0 <= value <= k for value in layer.inputs):
            raise ArgumentError(f"{layer.place}: reads values {layer.inputs}, expected {wanted} of 0 to {k}")
        _refuse_layout(layer.place, layer.shape, layer.bits, layer.scale)
        read = [values[value] for value in layer.inputs]
        wrong = _wrong(layer, read)
        most = layer.bound(max(one[1] for one in read)) if not wrong else 0
        if most > MOST:
            wrong = f"its accumulator could reach {most:,}, beyond 32 bits; use fewer inputs or fewer bits"
        if wrong:
            raise ArgumentError(f"{layer.place}: {wrong}")
        values.append((layer.shape, layer.bits, layer.scale))
    mixes = {k: layer for k, layer in enumerate(layers) if isinstance(layer, MixWords)}
    for k, mix in mixes.items():
        late = k == len(layers) - 1 or any(min(layer.inputs) <= k for layer in layers[k + 1 :])
        several = len(mixes) > 1 and bool(mix.noise_bits)
        if several or late:
            raise ArgumentError(
                f"{mix.place}: expected one mix with noise, or some with repairs, each of which all later layers "
                "read through"
            )
    return values


def _refuse_layout(place: str, shape: Shape, bits: int, scale: int) -> None:
    if min(shape) < 1 or math.prod(shape) > _LARGEST:
        raise ArgumentError(f"{place}: shape {shape}, expected (C, H, W) of at most {_LARGEST:,} numbers")
    if not WORD_BITS[0] <= bits <= WORD_BITS[1] or not -126 <= scale <= 126:
        raise ArgumentError(f"{place}: words of {bits} bits at scale {scale}, expected 2 to 16 bits, -126 to 126")


def _wrong(layer: IntegerLayer, read: list[Layout]) -> str:
    """Return what is wrong with a layer, or ""."""
    shape, bits, scale = read[0]
    same = (layer.bits, layer.scale) == (bits, scale)
    if isinstance(layer, ConvolutionWords):
        return _wrong_convolution(layer, shape)
    if isinstance(layer, SumWords):
        if any(one[0] != layer.shape for one in read):
            return f"adds {[one[0] for one in read]}, expected two of {layer.shape}"
        if not all(0 <= k <= 24 for k in (*layer.lift, layer.fraction)):
            return f"lifts {layer.lift} and fraction {layer.fraction}, expected 0 to 24"
        return _wrong_finish(layer.finish, layer.bits)
    if isinstance(layer, (MaximumWords, MeanWords)):
        if layer.shape[0] != shape[0] or (isinstance(layer, MaximumWords) and not same):
            return "changes what pooling keeps: expected its input's channels, bits and scale"
        if isinstance(layer, MeanWords) and (not 0 <= layer.lift <= 24 or layer.bits != bits):
            return f"lift {layer.lift}, {layer.bits} bits: expected 0 to 24, {bits}"
        return _wrong_window(layer.window, shape, layer.shape)
    if isinstance(layer, ApplyWords):
        if layer.shape != shape or (layer.finish.index_bits not in (0, bits)):
            return f"has a table of {layer.finish.index_bits} bits for words of {bits}, shape {shape}"
        if not layer.finish.index_bits and not same:
            return "changes what a clamp keeps: expected its input's bits and scale"
        return _wrong_finish(layer.finish, layer.bits)
    if isinstance(layer, MixWords):
        return _wrong_mix(layer, shape, same)
    if isinstance(layer, ReshapeWords) and np.prod(shape) == np.prod(layer.shape) and same:
        return ""
    return f"makes {layer.shape} of {shape}, expected as many words, of the same bits and scale"


def _wrong_convolution(layer: ConvolutionWords, shape: Shape) -> str:
    W, outputs = layer.weights, layer.shape[0]
    if W.dtype != np.int8 or W.ndim != 4 or not W.size or W.shape[0] != outputs or W.shape[2:] != layer.window.kernel:
        return f"weights {W.dtype} {W.shape}, expected int8 ({outputs}, channels, {layer.window.kernel})"
    if shape[0] % W.shape[1] or outputs % (shape[0] // W.shape[1]):
        return f"weights for {W.shape[1]} of {shape[0]} channels, expected a number of groups that divides both sides"
    for name, dtype in (("bias", np.int32), ("fraction", np.uint8)):
        found = getattr(layer, name)
        if found.shape != (outputs,) or found.dtype != dtype:
            return f"{name} {found.dtype} {found.shape}, expected {np.dtype(dtype)} ({outputs},)"
    if W.min() < -127 or layer.fraction.max() > 30:
        return "a weight of -128 or a fraction above 30, expected -127 to 127 and 0 to 30"
    return _wrong_window(layer.window, shape, layer.shape) or _wrong_finish(layer.finish, layer.bits)


def _wrong_mix(layer: MixWords, shape: Shape, same: bool) -> str:
    lifts, size = layer.noise_lift, int(np.prod(shape))
    if layer.shape != shape or lifts.ndim != 1 or lifts.dtype != np.uint8 or not len(lifts) or size % len(lifts):
        return f"mixes {lifts.shape} units into {shape}, expected units that divide its words"
    if layer.noise_bits == 0:
        bare = same and layer.lift == layer.fraction == 0
        return "" if bare else "changes what a repair keeps: expected its input's bits and scale"
    shifts = (layer.lift, layer.fraction, int(lifts.max()))
    if not 4 <= layer.noise_bits <= 16 or not all(0 <= k <= 24 for k in shifts):
        return f"shifts {shifts}, noise of {layer.noise_bits} bits: expected 0 to 24, and 4 to 16"
    return "a table, which no mix has" if len(layer.finish.table) else _wrong_finish(layer.finish, layer.bits)


def _wrong_window(window: Window, before: Shape, after: Shape) -> str:
    for name, least in (("kernel", 1), ("stride", 1), ("dilation", 1), ("padding", 0)):
        pair = getattr(window, name)
        if len(pair) != 2 or not all(isinstance(k, int) and least <= k < 2**15 for k in pair):
            return f"{name} {pair}, expected two whole numbers from {least} on"
    for axis in range(2):
        last = (after[1 + axis] - 1) * window.stride[axis] - window.padding[axis]
        span = (window.kernel[axis] - 1) * window.dilation[axis] + 1
        if last >= before[1 + axis] or window.padding[axis] >= span or last + span > _LARGEST:
            return f"windows lie outside of {before[1:]} places, expected each to cover one"
    if int(window.taps(before, after).min()) < 1:
        return "a window covers no place, expected each to cover one"
    return ""


def _wrong_finish(finish: Finish, bits: int) -> str:
    top = 2 ** (bits - 1)
    if not -top <= finish.low <= finish.high < top:
        return f"words from {finish.low} to {finish.high}, expected within {bits} bits"
    if len(finish.table):
        size = len(finish.table)
        if size & (size - 1) or size > 2**16 or finish.table.dtype != np.int16 or finish.table.ndim != 1:
            return f"a table of {finish.table.dtype} {finish.table.shape}, expected int16, a power of two up to 65,536"
        if finish.table.min() < finish.low or finish.table.max() > finish.high:
            return f"a table with words beyond {finish.low} to {finish.high}"
    return ""
