"""A network cut in two after one of its layers, by its graph: what runs up to the layer, and what follows."""

import difflib
from typing import Any

import torch
from torch import Tensor, fx, nn

from localnoise.errors import ArgumentError, choose, first_line, short
from localnoise.nn.attaching import Followed
from localnoise.nn.layer import NoiseLayer
from localnoise.nn.local.units import LocalUnits
from localnoise.nn.naming import names
from localnoise.nn.repairing import RepairLayer
from localnoise.nn.tapping import evaluating, quiet

_GRAY = 3  # axes of a batch of images without an axis of channels
_NAMED = 12  # layers that an error lists


def cut(model: nn.Module, layer: str, x: Tensor) -> tuple[nn.Module, nn.Module]:
    """Return the parts of a network before and after the output of a layer: model(x) = back(front(x)).

    The parts share the model's parameters and buffers. The graph is traced by `torch.fx`, and the result is compared
    with the model's on `x`. Cost: two traces and two forwards of `x`.

    Parameters
    ----------
    model : Module
        Its forward takes one tensor, and never branches on values.
    layer : str
        Name of a module, as in `model.named_modules()`; everything must pass through its output.
    x : Tensor, (T, ...)
        A few inputs, on the model's device.

    Returns
    -------
    front, back : Module
        Inputs to the layer's output, and on to the model's output.

    Raises
    ------
    ArgumentError
        No such layer (the near name is suggested), one that runs not once, whose output is no tensor, or that something
        passes by, as inside of a residual branch (layers that can be cut are named); a forward that cannot be traced.
    """
    choose("layer", layer, names(model))
    graph = _traced(model, layer)
    at = _once(graph, layer)
    beside = _passes(graph, at)
    if beside:
        fitting = [str(node.target) for node in graph.nodes if _is_module(node) and not _passes(graph, node)]
        near = difflib.get_close_matches(layer, fitting, n=_NAMED, cutoff=0.0)
        raise ArgumentError(
            f"layer={layer!r}: {short(', '.join(map(str, beside)), 80)} pass beside it: expected a layer that all "
            f"values go through, such as {', '.join(near) or 'none of this network'}"
        )
    front, back = _before(model, graph, at), _after(model, graph, at)
    _compare(model, front, back, layer, x)
    return front, back


class _Tracer(fx.Tracer):
    """Traces into everything that holds the layer, and never into the layer itself."""

    def __init__(self, layer: str) -> None:
        super().__init__()
        self._layer = layer

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if module_qualified_name == self._layer:
            return True
        if self._layer.startswith(f"{module_qualified_name}."):
            return False
        if isinstance(m, (Followed, NoiseLayer, RepairLayer, LocalUnits)):  # whose forwards hand values to kernels
            return True
        return bool(super().is_leaf_module(m, module_qualified_name))


def _traced(model: nn.Module, layer: str) -> fx.Graph:
    """Return the graph, which must be the same in training and in evaluation."""
    graphs = []
    try:
        with evaluating(model):
            for training in (False, True):
                for module in model.modules():
                    module.training = training
                graphs.append(_Tracer(layer).trace(model))
    except Exception as error:  # whatever a forward raises when it is traced
        raise ArgumentError(
            f"model: the forward of {type(model).__name__} cannot be followed symbolically ({first_line(error)}): "
            "expected one that takes a tensor and never branches on values; use sizes as x.shape[0], not len(x)"
        ) from error
    if str(graphs[0]) != str(graphs[1]):
        raise ArgumentError(
            f"model: the forward of {type(model).__name__} asks for self.training, which its parts cannot: expected "
            "modules that know their mode, such as nn.Dropout instead of functional.dropout"
        )
    return graphs[0]


def _is_module(node: fx.Node) -> bool:
    return node.op == "call_module"


def _once(graph: fx.Graph, layer: str) -> fx.Node:
    found = [node for node in graph.nodes if _is_module(node) and node.target == layer]
    if len(found) != 1:
        raise ArgumentError(
            f"layer={layer!r}: it runs {len(found)} times in a forward: expected a layer that runs once"
        )
    only: fx.Node = found[0]
    return only


def _ancestors(at: fx.Node) -> set[fx.Node]:
    """Return the nodes that a node is computed from, and itself."""
    found, todo = {at}, [at]
    while todo:
        for node in todo.pop().all_input_nodes:
            if node not in found:
                found.add(node)
                todo.append(node)
    return found


def _passes(graph: fx.Graph, at: fx.Node) -> list[fx.Node]:
    """Return the values that are known before a node and needed after it, but for itself, weights and batch sizes."""
    before = _ancestors(at)
    out: dict[fx.Node, None] = {}
    for node in graph.nodes:
        if node in before:
            continue
        inputs = (one for one in node.all_input_nodes if one in before and one is not at)
        out |= dict.fromkeys(one for one in inputs if one.op != "get_attr" and not _is_batch(one))
        if node.op == "placeholder" and node.users:
            out[node] = None
    return list(out)


def _is_batch(node: fx.Node) -> bool:
    """Return whether a node is the number of presentations: x.shape[0], x.size(0)."""
    if node.op == "call_method" and node.target == "size":
        return node.args[1:] == (0,)
    if getattr(node.target, "__name__", "") != "getitem" or node.args[1] != 0:
        return False
    shape = node.args[0]
    assert isinstance(shape, fx.Node)
    asked = shape.op == "call_method" and shape.target == "size" and len(shape.args) == 1
    return asked or (getattr(shape.target, "__name__", "") == "getattr" and shape.args[1] == "shape")


def _before(model: nn.Module, graph: fx.Graph, at: fx.Node) -> fx.GraphModule:
    kept, copied = _ancestors(at), dict[fx.Node, fx.Node]()
    made = fx.Graph()
    for node in graph.nodes:
        if node in kept or node.op == "placeholder":
            copied[node] = made.node_copy(node, copied.__getitem__)
    made.output(copied[at])
    return fx.GraphModule(model, made, "Front")


def _after(model: nn.Module, graph: fx.Graph, at: fx.Node) -> fx.GraphModule:
    before, made = _ancestors(at), fx.Graph()
    copied = {at: made.placeholder("h")}

    def known(node: fx.Node) -> fx.Node:
        if node not in copied:  # a weight, or the number of presentations
            size = node.op != "get_attr"
            copied[node] = made.call_method("size", (copied[at], 0)) if size else made.node_copy(node)
        return copied[node]

    for node in graph.nodes:
        if node not in before and node.op != "placeholder":
            copied[node] = made.node_copy(node, known)
    return fx.GraphModule(model, made, "Back")


def _run(model: nn.Module, x: Tensor) -> Any:
    """Return what the model makes of a few inputs."""
    try:
        out = model(x)
    except Exception as error:  # whatever a forward raises
        axis = "; an image has an axis of channels, as in x[:, None]" if x.ndim == _GRAY else ""
        raise ArgumentError(
            f"model: of {len(x)} inputs, shape {tuple(x.shape)}, it raised {type(error).__name__} "
            f"({first_line(error)}): expected a network that takes inputs (T, ...) of this shape{axis}"
        ) from error
    if not isinstance(out, Tensor):
        raise ArgumentError(f"model: it gave a {type(out).__name__}: expected one tensor of logits (T, classes)")
    return out


def _compare(model: nn.Module, front: nn.Module, back: nn.Module, layer: str, x: Tensor) -> None:
    """Raise an ArgumentError unless the parts do what the model does."""
    with quiet(model):  # the parts share the model's modules
        whole: Any = _run(model, x)
        h: Any = front(x)
        if not isinstance(h, Tensor):
            raise ArgumentError(
                f"layer={layer!r} gives a {type(h).__name__}: expected one tensor; name a module inside it"
            )
        same = torch.allclose(back(h), whole, rtol=1e-4, atol=1e-5, equal_nan=True)
    if not same:
        raise ArgumentError(
            f"model: cut after {layer!r} it gives other logits than whole: expected a forward without side effects"
        )
