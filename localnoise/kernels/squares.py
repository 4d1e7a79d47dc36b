"""A square of numbers transposed in registers, written in LLVM's vectors: what samples and tiles exchange."""

from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils, errors

from localnoise.kernels.flags import emitted
from localnoise.kernels.registers import LINE


@emitted
def transpose_square(
    typing: Any, out: Any, out_at: Any, out_step: Any, x: Any, x_at: Any, x_step: Any, scale: Any, places: Any, at: Any
) -> Any:
    """out[out_at + j out_step + i] = scale[at + i] x[x_at + places[at + i] x_step + j] for i, j < side.

    side : the numbers of the wider dtype that a cache line holds.
    out, x, scale : arrays without gaps, indexed as if flat; x and scale are cast to the dtype of out, and scale may be
    None, for ones. Integers are cast to floats directly: below 2^24 they are exact in single precision.
    places : int32, or None for places[at + i] = i.
    """
    if any(kind.layout != "C" for kind in (out, x, scale) if not isinstance(kind, types.NoneType)):
        raise errors.TypingError("out, x and scale must be without gaps")
    if isinstance(scale, types.Array) and isinstance(scale.dtype, types.Float) and scale.dtype != out.dtype:
        raise errors.TypingError("a scale of floats must be of the dtype of out")
    index = types.intp
    return types.void(out, index, index, x, index, index, scale, places, index), partial(_build, False)


@emitted
def stream_square(
    typing: Any, out: Any, out_at: Any, out_step: Any, x: Any, x_at: Any, x_step: Any, scale: Any, places: Any, at: Any
) -> Any:
    """As `transpose_square`, past the caches: the lines of out, which must be aligned, are not read first."""
    index = types.intp
    return types.void(out, index, index, x, index, index, scale, places, index), partial(_build, True)


def _build(streamed: bool, context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
    to, of, scaling = (signature.args[n] for n in (0, 3, 6))
    side = 8 * LINE // max(to.dtype.bitwidth, of.dtype.bitwidth)

    def place(which: int, offset: Any) -> tuple[Any, Any]:
        kind = signature.args[which]
        number = context.get_data_type(kind.dtype)
        where = builder.gep(
            context.make_array(kind)(context, builder, arguments[which]).data, [offset], source_etype=number
        )
        return builder.bitcast(where, ir.VectorType(number, side).as_pointer()), ir.VectorType(number, side)

    def load(which: int, offset: Any) -> Any:
        where, vector = place(which, offset)
        return builder.load(where, align=signature.args[which].dtype.bitwidth // 8, typ=vector)

    def source(i: int) -> Any:
        if isinstance(signature.args[7], types.NoneType):
            return x_step.type(i)
        places, number = context.make_array(signature.args[7])(context, builder, arguments[7]).data, ir.IntType(32)
        found = builder.load(builder.gep(places, [builder.add(at, at.type(i))], source_etype=number), typ=number)
        return builder.sext(found, x_step.type)

    def row(at: Any, step: Any, count: int) -> Any:
        return builder.add(at, builder.mul(step, step.type(count)))

    _, out_at, out_step, _, x_at, x_step, _, _, at = arguments
    lines = [load(3, builder.add(x_at, builder.mul(x_step, source(i)))) for i in range(side)]
    for step in (side >> k for k in range(1, side.bit_length())):  # halves, quarters, ... exchange places
        for k in (k for k in range(side) if not k & step):
            a, b = lines[k], lines[k | step]
            lines[k], lines[k | step] = (_mixed(builder, a, b, step, upper) for upper in (False, True))
    factor = None if isinstance(scaling, types.NoneType) else load(6, at)
    for j, line in enumerate(lines):
        where, vector = place(0, row(out_at, out_step, j))
        value = _cast(builder, line, of.dtype, to.dtype, vector)
        if factor is not None:
            multiply = builder.fmul if isinstance(to.dtype, types.Float) else builder.mul
            value = multiply(_cast(builder, factor, scaling.dtype, to.dtype, vector), value)
        if streamed:
            stored = builder.store(value, where, align=LINE)
            stored.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
        else:
            builder.store(value, where, align=to.dtype.bitwidth // 8)
    return context.get_dummy_value()


def _mixed(builder: ir.IRBuilder, a: Any, b: Any, step: int, upper: bool) -> Any:
    """Every second group of `step` lanes of `a`, then of `b`, in turns: the lower ones of each pair, or the upper."""
    side = a.type.count
    lanes = [(k if not k & step else side + k - step) + step * upper for k in range(side)]
    kind = ir.VectorType(ir.IntType(32), side)
    return builder.shuffle_vector(a, b, ir.Constant(kind, [ir.IntType(32)(lane) for lane in lanes]))


def _cast(builder: ir.IRBuilder, value: Any, of: Any, to: Any, vector: ir.VectorType) -> Any:
    if value.type == vector:
        return value
    if isinstance(of, types.Float):
        return (builder.fpext if to.bitwidth > of.bitwidth else builder.fptrunc)(value, vector)
    if isinstance(to, types.Float):
        return (builder.sitofp if of.signed else builder.uitofp)(value, vector)
    if to.bitwidth < of.bitwidth:
        return builder.trunc(value, vector)
    return (builder.sext if of.signed else builder.zext)(value, vector)


@emitted
def prefetch(typing: Any, x: Any, at: Any) -> Any:
    """Bring the line of x[at], indexed as if flat, into the cache."""

    def build(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        number, byte, flag = context.get_data_type(signature.args[0].dtype), ir.IntType(8).as_pointer(), ir.IntType(32)
        where = builder.bitcast(builder.gep(array.data, [arguments[1]], source_etype=number), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [where, flag(0), flag(3), flag(1)])  # to read or write, into all levels, data
        return context.get_dummy_value()

    return types.void(x, types.intp), build


@emitted
def fence(typing: Any) -> Any:
    """Make other threads see what was written past the caches before what follows."""

    def build(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), build
