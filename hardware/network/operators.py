"""Torch's operators as float layers: one function an operator, by the name that `torch.export` gives it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.hardware.network.graph import (
    Apply,
    Convolution,
    Curve,
    FloatLayer,
    Maximum,
    Mean,
    Norm,
    Reshape,
    Sum,
)
from localnoise.hardware.network.windows import Pair, Shape, Window

# What could replace an operator that has no integer form here.
INSTEAD = {
    "softmax": "leave it out: the largest logit stays the largest",
    "log_softmax": "leave it out: the largest logit stays the largest",
    "layer_norm": "batch norm, which folds into weights",
    "group_norm": "batch norm, which folds into weights",
    "instance_norm": "batch norm, which folds into weights",
    "cat": "a sum of two branches, or one wider layer",
    "mul": "a sum, or a depthwise convolution for constants",
    "sub": "a sum, with the sign in a layer's weights",
    "div": "a depthwise convolution, or factors within a layer's weights",
    "transpose": "a network whose layers keep the axes of their input, as convolutions over time do",
    "permute": "a network whose layers keep the axes of their input, as convolutions over time do",
    "pad": "the padding of the convolution or pooling layer itself",
    "constant_pad_nd": "the padding of the convolution or pooling layer itself",
    "matmul": "a dense layer or a convolution of constant weights",
    "bmm": "a dense layer or a convolution of constant weights",
    "conv_transpose2d": "a convolution",
    "upsample_nearest2d": "a layer that keeps its size",
    "max": "max pooling",
    "lstm": "a convolution over time",
    "gru": "a convolution over time",
    "scaled_dot_product_attention": "a convolution",
}
_CURVES = ("gelu", "silu", "elu", "selu", "leaky_relu", "hardswish", "hardsigmoid", "softplus", "mish", "prelu")
INSTEAD |= dict.fromkeys(_CURVES, "relu, relu6, tanh or sigmoid")


class RefusedError(ArgumentError):
    """An operator's form that has no integers here; the sentence still lacks the place."""


class Node:
    """An operator's arguments: tensors of the graph, constants as arrays, numbers as they are.

    Parameters
    ----------
    place : str
    args : sequence
        A value of the graph stands here as its `Value`.
    shape : (C, H, W)
        Of the output; `rank` is its tensor's, without the batch.
    """

    def __init__(self, place: str, args: Any, kwargs: dict[str, Any], shape: Shape, rank: int) -> None:
        self.place, self.args, self.kwargs, self.shape, self.rank = place, list(args), kwargs, shape, rank

    def get(self, index: int, name: str, default: Any = None) -> Any:
        """Return an argument by place or by name."""
        return self.args[index] if index < len(self.args) else self.kwargs.get(name, default)

    @property
    def read(self) -> "Value":
        """The value that comes first."""
        first = self.args[0]
        if not isinstance(first, Value):
            raise RefusedError("reads a constant where a layer's output is expected; compute it before, as weights")
        return first

    def common(self, *values: "Value") -> dict[str, Any]:
        """Return the attributes that every layer has."""
        read = values or (self.read,)
        return {"place": self.place, "inputs": tuple(value.index for value in read), "shape": self.shape}


class Value:
    """A tensor of the graph: its index among values, its layout, and the first value whose memory it shares."""

    def __init__(self, index: int, shape: Shape, rank: int, memory: int) -> None:
        self.index, self.shape, self.rank, self.memory = index, shape, rank, memory


Reader = Callable[[Node], FloatLayer | None]
OPERATORS: dict[str, Reader] = {}


def _operator(*names: str) -> Callable[[Reader], Reader]:
    def register(reader: Reader) -> Reader:
        OPERATORS.update(dict.fromkeys(names, reader))
        return reader

    return register


@_operator("dropout", "feature_dropout", "alpha_dropout", "contiguous", "clone", "detach", "alias")
def _nothing(node: Node) -> None:
    """Return nothing: the output is the input."""


@_operator("conv1d", "conv2d", "convolution")
def _convolution(node: Node) -> FloatLayer:
    weights, spatial = _constant(node, 1, "weight"), 1 if node.rank == 2 else 2
    bias = node.get(2, "bias")
    if weights.ndim != spatial + 2 or node.get(6, "transposed", False) is True:
        raise RefusedError("has weights that are no 1-D or 2-D convolution's; expected one of these")
    if spatial == 1:
        weights = weights[:, :, None, :]
    stride, dilation = (_pair(node.get(k, name, 1), spatial, 1) for k, name in ((3, "stride"), (5, "dilation")))
    padding = node.get(4, "padding", 0)
    kernel: Pair = (int(weights.shape[2]), int(weights.shape[3]))
    if isinstance(padding, str):
        whole = [(size - 1) * gap for size, gap in zip(kernel, dilation, strict=True)]
        padding = [size // 2 if padding == "same" else 0 for size in whole[-spatial:]]
    window = Window(kernel=kernel, stride=stride, padding=_pair(padding, spatial, 0), dilation=dilation)
    given = np.zeros(len(weights)) if bias is None else _constant(node, 2, "bias")
    return Convolution(**node.common(), weights=weights, bias=given, window=window)


@_operator("linear")
def _dense(node: Node) -> FloatLayer:
    if node.read.rank != 1:
        raise RefusedError("runs over an axis of places; expected a convolution of one place, or a flatten before")
    weights, bias = _constant(node, 1, "weight"), node.get(2, "bias")
    given = np.zeros(len(weights)) if bias is None else _constant(node, 2, "bias")
    return Convolution(**node.common(), weights=weights[:, :, None, None], bias=given)


@_operator("batch_norm", "_native_batch_norm_legit_no_training")
def _norm(node: Node) -> FloatLayer:
    if node.get(5, "training", False) is True:
        raise RefusedError("normalises by its batch; expected statistics of training, track_running_stats=True")
    mean, variance = _constant(node, 3, "running_mean"), _constant(node, 4, "running_var")
    eps = next(x for x in reversed(node.args) if isinstance(x, float))
    scale = 1 / np.sqrt(variance + eps)
    if node.args[1] is not None:
        scale = scale * _constant(node, 1, "weight")
    shift = -mean * scale
    if node.args[2] is not None:
        shift = shift + _constant(node, 2, "bias")
    return Norm(**node.common(), scale=scale, shift=shift)


@_operator("relu", "relu6", "hardtanh", "clamp", "clamp_min", "clamp_max", "tanh", "sigmoid")
def _curve(node: Node) -> FloatLayer:
    name = node.place.rpartition(" ")[2]
    if name in ("tanh", "sigmoid"):
        return Apply(**node.common(), curve=Curve(function=name))
    low, high = {"relu": (0.0, None), "relu6": (0.0, 6.0), "hardtanh": (-1.0, 1.0)}.get(name, (None, None))
    if name != "relu":
        low = node.get(1, "min" if name.startswith("clamp") else "min_val", low)
        high = node.get(2, "max" if name.startswith("clamp") else "max_val", high)
    if name == "clamp_max":
        low, high = None, node.get(1, "max")
    curve = Curve(low=-float("inf") if low is None else float(low), high=float("inf") if high is None else float(high))
    return Apply(**node.common(), curve=curve)


@_operator("max_pool1d", "max_pool2d")
def _maximum(node: Node) -> FloatLayer:
    return Maximum(**node.common(), window=_pooling(node, dilated=True))


@_operator("avg_pool1d", "avg_pool2d")
def _mean(node: Node) -> FloatLayer:
    spatial = 1 if node.rank == 2 else 2
    if node.get(4, "ceil_mode", False) or (spatial == 2 and node.get(6, "divisor_override") is not None):
        raise RefusedError("has ceil_mode or divisor_override; expected an average over whole windows")
    return Mean(**node.common(), window=_pooling(node), padded=bool(node.get(5, "count_include_pad", True)))


@_operator("adaptive_avg_pool1d", "adaptive_avg_pool2d", "mean")
def _global(node: Node) -> FloatLayer:
    before, after = node.read.shape, node.shape
    if node.place.endswith(" mean"):
        spatial = node.read.rank - 1
        axes = sorted(axis % (node.read.rank + 1) for axis in (node.get(1, "dim") or ()))
        if not spatial or axes != list(range(2, node.read.rank + 1)):
            raise RefusedError("is a mean over other axes than all places; expected AdaptiveAvgPool2d(1)")
        after = (before[0], 1, 1)
    if any(b % a for b, a in zip(before[1:], after[1:], strict=True)):
        raise RefusedError(f"makes {after[1:]} of {before[1:]} places; expected a number of places that divides them")
    size = (before[1] // after[1], before[2] // after[2])
    return Mean(**node.common(), window=Window(kernel=size, stride=size))


@_operator("add")
def _sum(node: Node) -> FloatLayer:
    second = node.get(1, "other")
    if not isinstance(second, Value) or node.get(2, "alpha", 1) != 1 or second.shape != node.read.shape:
        raise RefusedError("adds something else than two layers' outputs of one shape; expected a residual connection")
    return Sum(**node.common(node.read, second))


@_operator("flatten", "view", "reshape", "_unsafe_view", "squeeze", "unsqueeze", "unflatten")
def _reshape(node: Node) -> FloatLayer | None:
    if node.read.shape == node.shape:
        return None
    return Reshape(**node.common())


def _pooling(node: Node, dilated: bool = False) -> Window:
    spatial = 1 if node.rank == 2 else 2
    kernel = _pair(node.get(1, "kernel_size"), spatial, 1)
    stride = node.get(2, "stride") or node.get(1, "kernel_size")
    dilation = _pair(node.get(4, "dilation", 1), spatial, 1) if dilated else (1, 1)
    padding = _pair(node.get(3, "padding", 0), spatial, 0)
    return Window(kernel=kernel, stride=_pair(stride, spatial, 1), padding=padding, dilation=dilation)


def _pair(value: Any, spatial: int, first: int) -> Pair:
    """Return (rows, columns) of a number, or of a list that names the columns alone in 1-D."""
    given = list(value) if isinstance(value, (list, tuple)) else [value] * spatial
    given = given * spatial if len(given) < spatial else given
    return (int(given[0]), int(given[1])) if spatial == 2 else (first, int(given[0]))


def _constant(node: Node, index: int, name: str) -> Any:
    value = node.get(index, name)
    if not isinstance(value, np.ndarray):
        raise RefusedError(f"takes its {name} from another layer; expected constant weights")
    return value
