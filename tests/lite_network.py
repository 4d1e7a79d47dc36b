"""Integer layers as LiteRT (TensorFlow Lite) runs them, by its reference kernels and by XNNPACK.

The reference kernels are the arithmetic of microcontrollers' runtimes. Words are int8 tensors of power-of-two scales
and zero point 0, places in rows and columns with their channels side by side.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

RESOLVERS = {"reference": OpResolverType.BUILTIN_REF, "xnnpack": OpResolverType.BUILTIN}
_VALID = schema.Padding.VALID


def _tensor(model, name, shape, kind, scale, data=None, axis=0):
    own = schema.TensorT()
    own.name, own.shape, own.type, own.buffer = name.encode(), [int(size) for size in shape], kind, 0
    if data is not None:
        held = schema.BufferT()
        held.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
        model.buffers.append(held)
        own.buffer = len(model.buffers) - 1
    q = schema.QuantizationParametersT()
    q.scale = [float(one) for one in np.atleast_1d(scale)]
    q.zeroPoint, q.quantizedDimension = [0] * len(q.scale), axis
    own.quantization = q
    return own


def _run(operator, options, kind, x, constants, shape, scales, resolver):
    """Return the int8 output of one operator on x; scales: of x and of the output."""
    model, graph, code, node = schema.ModelT(), schema.SubGraphT(), schema.OperatorCodeT(), schema.OperatorT()
    model.version, model.description, model.buffers = 3, "a layer", [schema.BufferT()]
    int8 = schema.TensorType.INT8
    graph.tensors = [_tensor(model, "x", x.shape, int8, scales[0])]
    graph.tensors += [_tensor(model, f"k{k}", one.shape, *more) for k, (one, *more) in enumerate(constants)]
    graph.tensors.append(_tensor(model, "y", shape, int8, scales[1]))
    last = len(graph.tensors) - 1
    graph.inputs, graph.outputs, graph.operators = [0], [last], [node]
    code.builtinCode, code.deprecatedBuiltinCode, code.version = operator, operator, 3
    node.opcodeIndex, node.inputs, node.outputs = 0, [*range(last)], [last]
    node.builtinOptionsType, node.builtinOptions = kind, options
    model.operatorCodes, model.subgraphs = [code], [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    how = {"experimental_op_resolver_type": RESOLVERS[resolver], "num_threads": 1}
    machine = Interpreter(model_content=bytes(builder.Output()), **how)
    machine.allocate_tensors()
    machine.set_tensor(machine.get_input_details()[0]["index"], x)
    machine.invoke()
    return machine.get_tensor(machine.get_output_details()[0]["index"]).astype(int)


def _constants(weights, bias, steps, read, axis):
    kinds = schema.TensorType
    return [
        (weights, kinds.INT8, steps, weights.astype(np.int8), axis),
        (bias, kinds.INT32, steps * read, bias.astype(np.int32), 0),
    ]


def convolved(layer, x, read, resolver):
    """Words (T, H', W', O) of int8 words x (T, H, W, C) at scale `read`, without padding; depthwise or of one group."""
    steps = 2.0 ** -(layer.fraction.astype(float) + layer.scale - read)  # of each channel's weights
    depth = layer.weights.shape[1] == 1 and x.shape[3] > 1
    order = (1, 2, 3, 0) if depth else (0, 2, 3, 1)
    weights = layer.weights.transpose(order)
    options = schema.DepthwiseConv2DOptionsT() if depth else schema.Conv2DOptionsT()
    options.padding = _VALID
    options.strideH, options.strideW = layer.window.stride
    options.dilationHFactor, options.dilationWFactor = layer.window.dilation
    kind, operator = schema.BuiltinOptions.Conv2DOptions, schema.BuiltinOperator.CONV_2D
    if depth:
        options.depthMultiplier = len(layer.weights) // x.shape[3]
        kind, operator = schema.BuiltinOptions.DepthwiseConv2DOptions, schema.BuiltinOperator.DEPTHWISE_CONV_2D
    shape = (len(x), *layer.shape[1:], layer.shape[0])
    constants = _constants(weights, layer.bias, steps, 2.0**-read, 3 if depth else 0)
    return _run(operator, options, kind, x, constants, shape, (2.0**-read, 2.0**-layer.scale), resolver)


def pooled(kernel, stride, x, mean, resolver):
    """Words (T, H', W', C) of a pool of int8 words x (T, H, W, C), without padding."""
    options = schema.Pool2DOptionsT()
    options.padding = _VALID
    options.filterHeight, options.filterWidth = kernel
    options.strideH, options.strideW = stride
    operators = schema.BuiltinOperator
    operator = operators.AVERAGE_POOL_2D if mean else operators.MAX_POOL_2D
    sizes = [(x.shape[1 + axis] - kernel[axis]) // stride[axis] + 1 for axis in range(2)]
    shape, kind = (len(x), *sizes, x.shape[3]), schema.BuiltinOptions.Pool2DOptions
    return _run(operator, options, kind, x, [], shape, (1.0, 1.0), resolver)
