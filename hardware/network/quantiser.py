"""Post-training quantisation of a network: layer by layer, each fitted to what the integers before it really give."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from localnoise.errors import ArgumentError, choose
from localnoise.hardware.network.chip import ChipNetwork
from localnoise.hardware.network.entry import Entry
from localnoise.hardware.network.fusing import fused, mixed
from localnoise.hardware.network.graph import FloatGraph, Mix
from localnoise.hardware.network.lowering import Lowering, scale_behind
from localnoise.hardware.network.program import Program
from localnoise.hardware.network.reading import read
from localnoise.hardware.network.windows import module_of
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
        noise. "input" is the network's input.
    feedback : bool
        Compensate a weight's rounding in the weights that are rounded after it.
    progress : callable
        Told (layers quantised, all layers).

    Raises
    ------
    ArgumentError
        A network that cannot be read (`hardware.network.reading`), a calibration that says too little, a value that
        saturates on more than 1 % of it: the place.
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
    place: str | None = None,
    field: Entry | None = None,
) -> tuple[Program, tuple[int, ...]]:
    """Return the program of `quantise`, and the shape of an input; with `field`, whose words join behind `place`."""
    x, graph = _read(model, calibration, weight_bits, activation_bits, bounds, place)
    pinned = dict(scales or {})
    known = ["input", *(module_of(layer.place) for layer in graph.layers)]
    for name in pinned:
        choose("scales", name, known)
    work = Lowering(graph, weight_bits, activation_bits, pinned, feedback, field)
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
) -> Program:
    """Return the integer layers up to the module `place`, whose output is its words at `scale`.

    They are the first layers of the program that `defend` makes of a repair that reads such words.
    """
    x, graph = _read(model, calibration, weight_bits, activation_bits, bounds, place)
    at = next(k for k, layer in enumerate(graph.layers) if isinstance(layer, Mix))
    forced = scale_behind(graph.layers, graph.layers[at].inputs[0], scale)
    front = FloatGraph(shape=graph.shape, layers=graph.layers[:at])
    work = Lowering(front, weight_bits, activation_bits, {}, feedback, forced=forced, logits=False)
    return work.done(x.reshape(len(x), *graph.shape), bounds, None)


def _read(
    model: nn.Module, calibration: Any, weight_bits: int, activation_bits: int, bounds: Any, place: str | None
) -> tuple[Any, FloatGraph]:
    """Return the calibration inputs, checked, and the fused graph, with a mix behind `place`."""
    for name, value, least, most in (("weight_bits", weight_bits, 2, 8), ("activation_bits", activation_bits, 4, 12)):
        if whole(value) is None or not least <= value <= most:
            raise ArgumentError(f"{name}={value!r}: expected a whole number of {least} to {most}")
    x = _calibration(calibration, bounds)
    graph = read(model, torch.from_numpy(x[:_TOLD].copy()))
    return x, fused(graph if place is None else mixed(graph, place))


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
