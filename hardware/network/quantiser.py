"""Post-training quantisation of a network: layer by layer, each fitted to what the integers before it really give."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from localnoise.errors import ArgumentError, choose
from localnoise.hardware.network.chip import ChipNetwork
from localnoise.hardware.network.entry import Entry
from localnoise.hardware.network.fusing import fused, is_last, mixed
from localnoise.hardware.network.graph import FloatGraph, Mix
from localnoise.hardware.network.lowering import Lowering, scale_behind
from localnoise.hardware.network.program import Program
from localnoise.hardware.network.reading import read
from localnoise.hardware.network.windows import module_of
from localnoise.hardware.repair import ChipRepair
from localnoise.streams import Progress
from localnoise.validate import as_array, whole

FEWEST = 16  # inputs to calibrate on
_TOLD = 2  # inputs that a network is traced with


def quantise(
    model: nn.Module,
    calibration: Any,
    weight_bits: int = 8,
    activation_bits: int = 8,
    *,
    bounds: tuple[float, float] | None = None,
    scales: Mapping[str, int] | None = None,
    feedback: bool = True,
    progress: Progress | None = None,
) -> ChipNetwork:
    """Return a trained network in integers, emulated to the bit, behind torch's call.

    Layer by layer: scales from the calibration's values, weights rounded under the covariance of the words that the
    integer layers before give, biases such that each channel's mean is the float network's.

    Parameters
    ----------
    model : Module
        Trained; it is read as in evaluation, and not changed.
    calibration : (T, C, H, W), (T, C, L) or (T, N)
        Inputs like those of use, a few hundred; 16 at least.
    weight_bits : int
        2 to 8.
    activation_bits : int
        Of the words between layers, 4 to 12. Logits have 16.
    bounds : pair of float, optional
        Of an input's values. The input's words then hold all of them; a calibration of another range is refused.
    scales : dict of str to int, optional
        Scale of what a module gives, value = word 2^-scale, where something else asks for one: a repair, a grid's
        noise. "input" is the network's input. Pooling, flattening and clamps by themselves give the scale that they
        read, means and sums may not give any: another one is refused.
    feedback : bool
        Compensate a weight's rounding in the weights that are rounded after it.
    progress : callable
        Told (layers quantised, all layers).

    Returns
    -------
    ChipNetwork
        Called with float inputs; its `program` is what a chip runs.

    Raises
    ------
    ArgumentError
        A network that cannot be read (`hardware.network.reading`), a calibration that says too little, a value that
        saturates on more than 1 % of it, a scale that a layer cannot give: the place.
    """
    program, shape = as_program(
        model, calibration, weight_bits, activation_bits, bounds=bounds, scales=scales, feedback=feedback,
        progress=progress,
    )  # fmt: skip
    return ChipNetwork(program, shape)


def as_program(
    model: nn.Module,
    calibration: Any,
    weight_bits: int,
    activation_bits: int,
    *,
    bounds: tuple[float, float] | None = None,
    scales: Mapping[str, int] | None = None,
    feedback: bool = True,
    progress: Progress | None = None,
    fields: Mapping[str, Entry] | None = None,
) -> tuple[Program, tuple[int, ...]]:
    """Return the program of `quantise`, and the shape of an input; with `fields`, whose words join behind places.

    A repair may lie behind the last layer: the program then gives the words that it reads.
    """
    own = dict(fields or {})
    (weight_bits, activation_bits), bounds = _widths(weight_bits, activation_bits), _bounds(bounds)
    x, graph, forced = _read(model, calibration, bounds, own)
    pinned = _pinned(scales)
    known = ["input", *(module_of(layer.place) for layer in graph.layers)]
    for name in pinned:
        choose("scales", name, known)
    work = Lowering(graph, weight_bits, activation_bits, pinned, feedback, own, forced=forced)
    program = work.done(x.reshape(len(x), *graph.shape), bounds, progress)
    program.provenance = {"calibration": len(x), "model": type(model).__name__}
    return program, tuple(x.shape[1:])


def front_program(
    model: nn.Module,
    calibration: Any,
    place: str,
    scale: int,
    *,
    weight_bits: int = 8,
    activation_bits: int = 8,
    bounds: tuple[float, float] | None = None,
    feedback: bool = True,
    before: Mapping[str, ChipRepair] | None = None,
) -> Program:
    """Return the integer layers up to the module `place`, whose output is its words at `scale`.

    They are the first layers of the program that `defend` makes of a repair that reads such words; with `before`,
    repairs of earlier layers by their places. Where a layer only passes on the words of an earlier repair, as pooling
    does, its output has their scale.
    """
    fields: dict[str, Entry | None] = {name: Entry(chip) for name, chip in (before or {}).items()}
    own: dict[str, Entry] = {name: field for name, field in fields.items() if field is not None}
    (weight_bits, activation_bits), bounds = _widths(weight_bits, activation_bits), _bounds(bounds)
    x, graph, forced = _read(model, calibration, bounds, fields | {place: None})
    mixes = [k for k, layer in enumerate(graph.layers) if isinstance(layer, Mix)]
    last = len(mixes) <= len(own)
    if last:
        forced, front = {len(graph.layers) - 1: scale}, graph
    else:
        forced = scale_behind(graph.layers, graph.layers[mixes[-1]].inputs[0], scale)
        front = FloatGraph(shape=graph.shape, layers=graph.layers[: mixes[-1]])
    work = Lowering(front, weight_bits, activation_bits, {}, feedback, own, forced=forced, logits=last)
    return work.done(x.reshape(len(x), *graph.shape), bounds, None)


def _read(
    model: nn.Module,
    calibration: Any,
    bounds: tuple[float, float] | None,
    fields: Mapping[str, Entry | None],
) -> tuple[Any, FloatGraph, dict[int, int]]:
    """Return the calibration inputs, checked, the fused graph with mixes behind places, and a scale of the output."""
    given: Any = model
    if not isinstance(given, nn.Module):
        raise ArgumentError(f"model is {type(given).__name__}: expected a torch module")
    x = _calibration(calibration, bounds)
    graph, scale = read(model, torch.from_numpy(x[:_TOLD].copy())), None
    several = len(fields) > 1
    for place, field in fields.items():
        if several and is_last(graph, place):  # behind other repairs: of the output, whose words have more bits
            scale = None if field is None else field.one.field.activation_scale
        else:
            graph = mixed(graph, place)
    found = fused(graph)
    return x, found, {} if scale is None else {len(found.layers) - 1: scale}


def _widths(weight_bits: Any, activation_bits: Any) -> tuple[int, int]:
    """Return the bits of weights and activations, checked."""
    found = []
    for name, value, least, most in (("weight_bits", weight_bits, 2, 8), ("activation_bits", activation_bits, 4, 12)):
        bits = whole(value)
        if bits is None or not least <= bits <= most:
            raise ArgumentError(f"{name}={value!r}: expected a whole number of {least} to {most}")
        found.append(bits)
    return found[0], found[1]


def _bounds(given: Any) -> tuple[float, float] | None:
    """Return the lowest and highest value of an input, checked."""
    if given is None:
        return None
    try:
        low, high = map(float, given)
        good = math.isfinite(low) and math.isfinite(high) and low < high
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ArgumentError(f"bounds={given!r}: expected the lowest and the highest value of an input, (0, 1), or None")
    return low, high


def _pinned(given: Any) -> dict[str, int]:
    """Return scales by place, checked but for the places."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ArgumentError(f"scales={given!r}: expected a dict of places to scales, as {{'2': 5}}")
    found = {name: whole(scale) for name, scale in given.items()}
    for name, scale in found.items():
        if scale is None:
            raise ArgumentError(
                f"scales[{name!r}]={given[name]!r}: expected a whole number, fraction bits of its words"
            )
    return {name: scale for name, scale in found.items() if scale is not None}


def _calibration(given: Any, bounds: tuple[float, float] | None) -> Any:
    array = as_array("calibration", given, "inputs (T, ...)")
    if array.dtype.kind not in "fiub":
        raise ArgumentError(
            f"calibration is {type(given).__name__}: expected an array or a tensor of inputs, some hundreds; of a "
            "loader give its first batches, torch.cat([x for x, _ in islice(loader, 4)])"
        )
    x = np.ascontiguousarray(array, np.float32)
    if x.ndim < 2 or len(x) < FEWEST:
        count = len(x) if x.ndim > 1 else 1
        raise ArgumentError(
            f"calibration holds {count} input{'s' * (count != 1)}: expected {FEWEST} or more, a few hundred serve best"
        )
    if not np.isfinite(x).all():
        raise ArgumentError("calibration holds values that are not finite: expected inputs like those of use")
    low, high = float(x.min()), float(x.max())
    if low == high:
        raise ArgumentError(f"calibration holds nothing but {low:g}: expected inputs like those of use")
    if bounds is not None:
        span = bounds[1] - bounds[0]
        if low < bounds[0] or high > bounds[1] or high - low < span / 8:
            raise ArgumentError(
                f"calibration holds values from {low:g} to {high:g}: expected inputs within bounds={bounds} that use "
                "at least an eighth of them; scale them as in training"
            )
    return x
