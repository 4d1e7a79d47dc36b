"""Read a torch module's graph (`torch.export`) into float layers, and see to it that they compute what it does."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError, first_line, listed, short
from localnoise.hardware.network.graph import FloatGraph, FloatLayer
from localnoise.hardware.network.operators import INSTEAD, OPERATORS, Node, RefusedError, Value
from localnoise.hardware.network.windows import Shape
from localnoise.nn.tapping import evaluating

_ALMOST = 1e-3  # relative error that float32 may leave between torch's logits and ours


def read(model: nn.Module, x: Tensor) -> FloatGraph:
    """Return the layers of `model`, as in evaluation, for inputs like x (T, ...), T >= 2.

    Raises
    ------
    ArgumentError
        No graph, dynamic shapes, several inputs or outputs, an operator without integers here: its place and what
        could replace it; or layers that compute something else than the model.
    """
    with evaluating(model):
        graph = _layers(_exported(model, x))
        with torch.no_grad():
            expected = model(x).detach().numpy().reshape(len(x), -1)
    found = graph(x.numpy().reshape(len(x), *graph.shape)).reshape(len(x), -1)
    if found.shape != expected.shape or np.abs(found - expected).max() > _ALMOST * (1 + np.abs(expected).max()):
        raise ArgumentError(
            "model gives other outputs than the layers that were read from its graph: expected a forward without "
            "randomness or state; please report the network"
        )
    return graph


def _exported(model: nn.Module, x: Tensor) -> Any:
    try:
        with torch.no_grad():
            return torch.export.export(model, (x,))
    except Exception as error:  # whatever a forward does to a tracer
        raise ArgumentError(
            f"model: torch.export cannot follow its forward ({short(first_line(error), 120)}); expected one graph of "
            "fixed shapes, without branches on values"
        ) from error


def _layers(exported: Any) -> FloatGraph:
    signature, known = exported.graph_signature, dict[str, Any]()
    constants = exported.state_dict | dict(exported.constants)
    names = signature.inputs_to_parameters | signature.inputs_to_buffers | signature.inputs_to_lifted_tensor_constants
    if len(signature.user_inputs) != 1 or len(signature.user_outputs) != 1:
        raise ArgumentError(
            f"model has {len(signature.user_inputs)} inputs and {len(signature.user_outputs)} outputs: expected one of "
            "each, images in and logits out"
        )
    layers: list[FloatLayer] = []
    shape: Shape = (0, 0, 0)
    for node in exported.graph.nodes:
        if node.op == "placeholder":
            if node.name in names:
                known[node.name] = constants[names[node.name]].detach()
            else:
                shape, rank = _layout(node, "its input")
                known[node.name] = Value(0, shape, rank, 0)
        elif node.op == "call_function":
            _add(node, known, layers)
        elif node.op == "output":
            last = known.get(signature.user_outputs[0])
            if not isinstance(last, Value) or last.index != len(layers) or not layers:
                raise ArgumentError("model returns something else than its last layer's output: expected logits alone")
    return FloatGraph(shape=shape, layers=tuple(layers))


def _add(node: Any, known: dict[str, Any], layers: list[FloatLayer]) -> None:
    """Append the layer of an operator, and remember whose output it is."""
    name = str(getattr(node.target, "_opname", node.target)).rstrip("_") or str(node.target)
    where = _where(node)
    place = f"{where} {name}" if where else name
    given = {arg.name for arg in node.all_input_nodes}
    if not any(isinstance(known.get(one), Value) for one in given):  # of constants alone, such as a norm of weights
        known[node.name] = node.target(*_constants(node.args, known), **_constants(node.kwargs, known))
        return
    if name not in OPERATORS:
        instead = INSTEAD.get(name.lstrip("_").partition(".")[0], f"one of {listed(sorted(OPERATORS), 240)}")
        raise ArgumentError(f"model: {place} has no integer form here; expected {instead}")
    shape, rank = _layout(node, place)
    args, kwargs = _resolved(node.args, known), {key: _resolved(value, known) for key, value in node.kwargs.items()}
    try:
        layer = OPERATORS[name](Node(place, args, kwargs, shape, rank))
    except RefusedError as refused:
        raise ArgumentError(f"model: {place} {refused}") from None
    source = args[0]
    if layer is not None:
        layers.append(layer)
    index = len(layers) if layer is not None else source.index
    shared = layer is None or layer.kind == "reshape"  # what is another view of the same numbers
    known[node.name] = Value(index, shape, rank, source.memory if shared else index)
    if str(getattr(node.target, "_opname", "")).endswith("_"):  # in place: its old name is its new value
        _refuse_shared(node, known, place)
        known[node.args[0].name] = known[node.name]


def _refuse_shared(node: Any, known: dict[str, Any], place: str) -> None:
    """Raise an ArgumentError where what is overwritten is seen under another name, too."""
    written = known[node.args[0].name]
    for other in node.graph.nodes:
        own = known.get(other.name)
        same = isinstance(own, Value) and own.memory == written.memory and other not in (node, node.args[0])
        if same and any(_after(user, node) for user in other.users):
            raise ArgumentError(f"model: {place} overwrites a value that is read again; expected inplace=False")


def _after(user: Any, node: Any) -> bool:
    order = list(node.graph.nodes)
    return user is not node and order.index(user) > order.index(node)


def _where(node: Any) -> str:
    """Return the name of the innermost module that an operator belongs to."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return str(stack[-1][0]).replace("L['self'].", "") if stack else ""


def _layout(node: Any, place: str) -> tuple[Shape, int]:
    """Return (C, H, W), and the rank without the batch, of an operator's output."""
    value = node.meta.get("val")
    if not isinstance(value, Tensor) or not all(isinstance(size, int) for size in value.shape):
        raise ArgumentError(
            f"model: {place} has a dynamic shape; expected fixed shapes: no sizes that depend on values"
        )
    sizes = tuple(value.shape)[1:]
    if not 1 <= len(sizes) <= 3:
        raise ArgumentError(f"model: {place} gives {len(sizes)} axes; expected (T, N), (T, C, L) or (T, C, H, W)")
    return {1: (*sizes, 1, 1), 2: (sizes[0], 1, sizes[-1]), 3: sizes}[len(sizes)], len(sizes)  # type: ignore[return-value]


def _array(tensor: Any) -> Any:
    return tensor.detach().cpu().to(torch.float64).numpy() if tensor.is_floating_point() else tensor.cpu().numpy()


def _resolved(given: Any, known: dict[str, Any]) -> Any:
    """Return an operator's arguments: values of the graph, constants as arrays, numbers."""
    if isinstance(given, (list, tuple)):
        return [_resolved(one, known) for one in given]
    found = known[given.name] if isinstance(given, torch.fx.Node) else given
    return _array(found) if isinstance(found, Tensor) else found


def _constants(given: Any, known: dict[str, Any]) -> Any:
    """Return an operator's arguments as torch takes them, where no value of the graph is among them."""
    return torch.fx.node.map_arg(given, lambda node: known[node.name])
