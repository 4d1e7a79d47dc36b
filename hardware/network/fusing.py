"""Fewer float layers that compute the same: norms folded into weights, curves joined to what comes before them.

A curve that is joined is applied to the accumulator: a table then has an index of more bits than a word.
"""

from dataclasses import replace

import numpy as np

from localnoise.errors import ArgumentError, choose
from localnoise.hardware.network.graph import (
    Apply,
    Convolution,
    Curve,
    FloatGraph,
    FloatLayer,
    Mix,
    Norm,
    Sum,
    moved,
    users,
)
from localnoise.hardware.network.windows import module_of


def fused(graph: FloatGraph) -> FloatGraph:
    """Return a graph without norms, whose curves are part of the layer before them wherever it has one reader.

    A norm behind anything but a convolution of its own becomes a depthwise convolution of one place.
    """
    made: list[FloatLayer] = []
    value = {0: 0}  # of the graph -> of what is made
    for k, layer in enumerate(graph.layers):
        read = layer.inputs[0]
        at = value[read] - 1
        alone = read > 0 and len(users(graph.layers, read)) == 1
        joined = _joined(made[at], layer) if alone else None
        if joined is not None:
            made[at] = joined
            value[k + 1] = value[read]
        else:
            made.append(moved(_without_norm(layer), value.__getitem__))
            value[k + 1] = len(made)
    return FloatGraph(shape=graph.shape, layers=tuple(made))


def _joined(before: FloatLayer, layer: FloatLayer) -> FloatLayer | None:
    """Return both layers as one, or None."""
    if not isinstance(before, (Convolution, Sum)) or before.curve != Curve():
        return None
    if isinstance(layer, Norm) and isinstance(before, Convolution):
        weights = before.weights * layer.scale[:, None, None, None]
        bias = before.bias * layer.scale + layer.shift
        return replace(before, weights=weights, bias=bias, place=f"{before.place}, {layer.place}")
    if isinstance(layer, Apply):
        return replace(before, curve=layer.curve, place=f"{before.place}, {layer.place}")
    return None


def _without_norm(layer: FloatLayer) -> FloatLayer:
    if not isinstance(layer, Norm):
        return layer
    weights = np.asarray(layer.scale, np.float64).reshape(-1, 1, 1, 1)
    return Convolution(place=layer.place, inputs=layer.inputs, shape=layer.shape, weights=weights, bias=layer.shift)


def mixed(graph: FloatGraph, place: str) -> FloatGraph:
    """Return a graph, not yet fused, with a `Mix` behind the module `place`: behind the last layer within it.

    Raises
    ------
    ArgumentError
        No such module; nothing follows it; or a layer behind it reads what lies before: a connection passes by.
    """
    owners = {name: k for k, layer in enumerate(graph.layers) for name in _around(module_of(layer.place))}
    k = owners[choose("place", place, owners)]
    if k == len(graph.layers) - 1:
        raise ArgumentError(f"place={place!r} is the network's last layer: expected one with layers behind it")
    for layer in graph.layers[k + 1 :]:
        if min(layer.inputs) <= k:
            raise ArgumentError(
                f"place={place!r}: {layer.place} reads a value from before it; expected a layer that everything passes "
                "through"
            )
    own = Mix(place=f"{place} mix", inputs=(k + 1,), shape=graph.layers[k].shape)
    later = (moved(layer, lambda value: value + 1) for layer in graph.layers[k + 1 :])
    return FloatGraph(shape=graph.shape, layers=(*graph.layers[: k + 1], own, *later))


def is_last(graph: FloatGraph, place: str) -> bool:
    """Return whether the module `place` ends the network.

    Raises
    ------
    ArgumentError
        No such module.
    """
    owners = {name: k for k, layer in enumerate(graph.layers) for name in _around(module_of(layer.place))}
    return owners[choose("place", place, owners)] == len(graph.layers) - 1


def _around(module: str) -> list[str]:
    """Names of a module and of those that hold it."""
    parts = module.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))] if module else []
