"""A network's integer layers as ONNX graphs, which ONNX Runtime computes by kernels of its own.

What a layer becomes is read from its numbers alone; nothing here calls what the emulator calls. `accumulators` are
ONNX's own integers, exact; `quantised` is what runtimes for phones run, which requantise in float32 and round half to
even; `whole` rounds half up as a chip does.

Words and weights of 8 bits are uint8 tensors with zero point 128: for signed weights ONNX Runtime's kernels add pairs
of products in 16 bits, saturating, on processors with AVX2 and without VNNI (its page "Quantize ONNX models").
"""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OPSET, IR = 13, 8
ZERO = 128  # the zero point


class Graph:
    """Nodes and constants, as they are added."""

    def __init__(self):
        self.nodes, self.constants, self.count = [], [], 0

    def constant(self, value, dtype):
        name = f"k{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype), name))
        return name

    def add(self, operator, *inputs, **attributes):
        self.count += 1
        out = f"v{self.count}"
        self.nodes.append(helper.make_node(operator, list(inputs), [out], **attributes))
        return out

    def run(self, feeds, out):
        """Return the tensor `out` for feeds {name: array}."""
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
            for name, x in feeds.items()
        ]
        ends = [helper.make_tensor_value_info(out, TensorProto.UNDEFINED, None)]
        ends[0].ClearField("type")
        graph = helper.make_graph(self.nodes, "layers", inputs, ends, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        return session.run([out], feeds)[0]


def _pads(layer, before):
    """Places above, left, below, right, the last two as many as the output's shape needs."""
    w, ends = layer.window, []
    for axis in range(2):
        needed = (layer.shape[1 + axis] - 1) * w.stride[axis] + (w.kernel[axis] - 1) * w.dilation[axis] + 1
        ends.append(max(needed - w.padding[axis] - before[1 + axis], 0))
    return [*w.padding, *ends]


def _window(layer, before):
    w = layer.window
    return {"kernel_shape": w.kernel, "strides": w.stride, "pads": _pads(layer, before), "dilations": w.dilation}


def _groups(layer, before):
    return before[0] // layer.weights.shape[1]


def _dense(layer, before):
    return before[1:] == (1, 1) and _groups(layer, before) == 1


def _matrix(layer):
    return layer.weights.reshape(len(layer.weights), -1).T


def lifted(words):
    """Return words of 8 bits as uint8, 128 added."""
    return (np.asarray(words, np.int64) + ZERO).astype(np.uint8)


def _convolved(g, x, layer, before):
    """ConvInteger, or MatMulInteger of a dense layer, and the bias: int32."""
    zero = g.constant(ZERO, np.uint8)
    if _dense(layer, before):
        flat = g.add("Reshape", x, g.constant([-1, before[0]], np.int64))
        acc = g.add("MatMulInteger", flat, g.constant(lifted(_matrix(layer)), np.uint8), zero, zero)
        acc = g.add("Reshape", acc, g.constant([-1, *layer.shape], np.int64))
    else:
        own = _window(layer, before) | {"group": _groups(layer, before)}
        acc = g.add("ConvInteger", x, g.constant(lifted(layer.weights), np.uint8), zero, zero, **own)
    return g.add("Add", acc, g.constant(layer.bias[:, None, None], np.int32))


def accumulators(layer, before, x):
    """Sums of products and bias of a convolution, (T, O, H, W) int32, of words x (T, *before)."""
    g = Graph()
    return g.run({"x": lifted(x)}, _convolved(g, "x", layer, before))


def quantised(layer, before, scale, x):
    """QLinearConv or QLinearMatMul of words x at `scale`, requantised to 8 bits at the layer's own; then its clamp."""
    g = Graph()
    zero = g.constant(ZERO, np.uint8)
    read, made = g.constant(2.0**-scale, np.float32), g.constant(2.0**-layer.scale, np.float32)
    power = layer.fraction.astype(int) + layer.scale - scale  # of each channel's weights
    scales, zeros = g.constant(2.0**-power, np.float32), g.constant(np.full(len(power), ZERO), np.uint8)
    if _dense(layer, before) and not layer.bias.any():
        flat = g.add("Reshape", "x", g.constant([-1, before[0]], np.int64))
        weights = g.constant(lifted(_matrix(layer)), np.uint8)
        y = g.add("QLinearMatMul", flat, read, zero, weights, scales, zeros, made, zero)
        y = g.add("Reshape", y, g.constant([-1, *layer.shape], np.int64))
    else:
        own = _window(layer, before) | {"group": _groups(layer, before)}
        weights, bias = g.constant(lifted(layer.weights), np.uint8), g.constant(layer.bias, np.int32)
        y = g.add("QLinearConv", "x", read, zero, weights, scales, zeros, made, zero, bias, **own)
    found = g.run({"x": lifted(x)}, y).astype(int) - ZERO
    return np.clip(found, layer.finish.low, layer.finish.high)


def pooled(layer, before, x):
    """MaxPool of words x, or AveragePool of their values in float32."""
    g = Graph()
    if layer.kind == "maximum":
        return g.run({"x": lifted(x)}, g.add("MaxPool", "x", **_window(layer, before))).astype(int) - ZERO
    own = {key: value for key, value in _window(layer, before).items() if key != "dilations"}
    mean = g.add("AveragePool", "x", count_include_pad=int(layer.padded), **own)
    return g.run({"x": x.astype(np.float32)}, mean)


def whole(program, x):
    """Words that leave the network, (T, N), of input words x (T, C, H, W): one graph, half up everywhere."""
    g, names, shapes = Graph(), ["x"], [program.shape]
    for layer in program.layers:
        names.append(_LAYERS[layer.kind](g, layer, [names[k] for k in layer.inputs], [shapes[k] for k in layer.inputs]))
        shapes.append(layer.shape)
    out = g.run({"x": x.astype(np.float32)}, names[-1])
    return out.reshape(len(x), -1).astype(np.int64)


def _half_up(g, acc, fraction):
    """Return floor(acc 2^-f + 1/2) of int32 numbers, exact in double precision."""
    wide = g.add(
        "Mul", g.add("Cast", acc, to=TensorProto.DOUBLE), g.constant(2.0 ** -fraction.astype(float), np.float64)
    )
    return g.add("Floor", g.add("Add", wide, g.constant(0.5, np.float64)))


def _finish(g, rounded, finish):
    """Clamp double numbers, or look them up; values between layers are float32, which hold words exactly."""
    if not len(finish.table):
        low, high = g.constant(finish.low, np.float64), g.constant(finish.high, np.float64)
        return g.add("Cast", g.add("Clip", rounded, low, high), to=TensorProto.FLOAT)
    top = len(finish.table) // 2
    low, high = g.constant(-top, np.float64), g.constant(top - 1, np.float64)
    index = g.add(
        "Cast", g.add("Add", g.add("Clip", rounded, low, high), g.constant(top, np.float64)), to=TensorProto.INT64
    )
    return g.add("Gather", g.constant(finish.table, np.float32), index, axis=0)


def _convolution(g, layer, x, before):
    words = g.add("Cast", g.add("Add", x[0], g.constant(ZERO, np.float32)), to=TensorProto.UINT8)
    acc = _convolved(g, words, layer, before[0])
    return _finish(g, _half_up(g, acc, layer.fraction[:, None, None]), layer.finish)


def _sum(g, layer, x, before):
    parts = [g.add("Mul", one, g.constant(2.0**lift, np.float32)) for one, lift in zip(x, layer.lift, strict=True)]
    return _finish(g, _half_up(g, g.add("Add", *parts), np.array(layer.fraction)), layer.finish)


def _maximum(g, layer, x, before):
    return g.add("MaxPool", x[0], **_window(layer, before[0]))


def _mean(g, layer, x, before):
    own = {key: value for key, value in _window(layer, before[0]).items() if key != "dilations"}
    mean = g.add("AveragePool", x[0], count_include_pad=int(layer.padded), **own)
    lifted = g.add("Mul", mean, g.constant(2.0**layer.lift, np.float32))
    wide = g.add("Cast", lifted, to=TensorProto.DOUBLE)
    rounded = g.add("Floor", g.add("Add", wide, g.constant(0.5, np.float64)))
    top = 2.0 ** (layer.bits - 1)
    clipped = g.add("Clip", rounded, g.constant(-top, np.float64), g.constant(top - 1, np.float64))
    return g.add("Cast", clipped, to=TensorProto.FLOAT)


def _apply(g, layer, x, before):
    return _finish(g, g.add("Cast", x[0], to=TensorProto.DOUBLE), layer.finish)


def _reshape(g, layer, x, before):
    return g.add("Reshape", x[0], g.constant([-1, *layer.shape], np.int64))


_LAYERS = {
    "convolution": _convolution, "sum": _sum, "maximum": _maximum, "mean": _mean, "apply": _apply, "reshape": _reshape,
}  # fmt: skip
