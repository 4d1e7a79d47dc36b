"""Four rows of a product, held in registers while all inputs pass: the form that Numba's compiler does not find itself.

Written in LLVM's vectors, for any machine: with AVX-512 four rows by four cache lines, sixteen accumulators; elsewhere
four rows by one line. A number is the same chain of multiply-adds, in the order of the inputs, as in
`blocks.add_columns`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils, errors

from localnoise.kernels.flags import emitted

ROWS, LINE = 4, 64  # rows, and bytes of a cache line
_AVX512 = binding.get_host_cpu_features().get("avx512f")
BLOCK = (4 if _AVX512 else 1) * LINE  # bytes of columns at once: 32 registers of a line, or 16 of half a line


@emitted
def add_block(
    typing: Any, out: Any, row: Any, W: Any, i: Any, column: Any, x: Any, first: Any, width: Any, t: Any
) -> Any:
    """out[row + r, t + s] += sum_j W[i + r, column + j] x[first + j, t + s] for r < ROWS, j < width, s in a BLOCK.

    out, W, x : of one dtype of 32 or 64 bits, without gaps.
    """
    return _typed(out, W, x), partial(_build, BLOCK // LINE)


@emitted
def add_line(
    typing: Any, out: Any, row: Any, W: Any, i: Any, column: Any, x: Any, first: Any, width: Any, t: Any
) -> Any:
    """As `add_block`, of the numbers of one line."""
    return _typed(out, W, x), partial(_build, 1)


def _typed(out: Any, W: Any, x: Any) -> Any:
    if not out.dtype == W.dtype == x.dtype or not out.layout == W.layout == x.layout == "C":
        raise errors.TypingError("out, W and x must be of one dtype and without gaps")
    index = types.intp
    return types.void(out, index, W, index, index, x, index, index, index)


def _build(many: int, context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
    out, W, x = (context.make_array(signature.args[n])(context, builder, arguments[n]) for n in (0, 2, 5))
    _, row, _, i, column, _, first, width, t = arguments
    number, size = context.get_data_type(signature.args[0].dtype), signature.args[0].dtype.bitwidth // 8
    vector = ir.VectorType(number, LINE // size)
    places = [(r, n) for r in range(ROWS) for n in range(many)]
    multiply_add = _multiply_add(builder, vector)

    def place(array: Any, at: Any, column: Any, line: int = 0) -> Any:
        length = cgutils.unpack_tuple(builder, array.shape, 2)[1]
        column = builder.add(column, column.type(line * vector.count))
        return builder.gep(array.data, [builder.add(builder.mul(at, length), column)], source_etype=number)

    def lines(array: Any, at: Any, line: int) -> Any:
        return builder.bitcast(place(array, at, t, line), vector.as_pointer())

    def spread(array: Any, at: Any, column: Any) -> Any:
        lone = ir.Constant(vector, ir.Undefined)
        lone = builder.insert_element(lone, builder.load(place(array, at, column), typ=number), ir.IntType(32)(0))
        return builder.shuffle_vector(lone, lone, ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None))

    rows = [builder.add(row, row.type(r)) for r in range(ROWS)]
    weights = [builder.add(i, i.type(r)) for r in range(ROWS)]
    sums = {(r, n): builder.load(lines(out, rows[r], n), align=size, typ=vector) for r, n in places}
    before, loop, end = builder.block, builder.append_basic_block("inputs"), builder.append_basic_block("stored")
    builder.cbranch(builder.icmp_signed(">", width, width.type(0)), loop, end)

    builder.position_at_end(loop)
    j = builder.phi(width.type)
    held = {at: builder.phi(vector) for at in places}
    inputs = [builder.load(lines(x, builder.add(first, j), n), align=size, typ=vector) for n in range(many)]
    spreads = [spread(W, own, builder.add(column, j)) for own in weights]
    added = {(r, n): multiply_add(spreads[r], inputs[n], held[r, n]) for r, n in places}
    following = builder.add(j, j.type(1))
    builder.cbranch(builder.icmp_signed("<", following, width), loop, end)
    j.add_incoming(j.type(0), before)
    j.add_incoming(following, loop)

    builder.position_at_end(end)
    results = {at: builder.phi(vector) for at in places}
    for phis in (held, results):
        for at in places:
            phis[at].add_incoming(sums[at], before)
            phis[at].add_incoming(added[at], loop)
    for r, n in places:
        builder.store(results[r, n], lines(out, rows[r], n), align=size)
    return context.get_dummy_value()


def _multiply_add(builder: ir.IRBuilder, vector: ir.VectorType) -> Callable[[Any, Any, Any], Any]:
    """Return what emits a b + c: fused where the machine can, exact for integers, which wrap."""
    if isinstance(vector.element, ir.IntType):
        return lambda a, b, c: builder.add(builder.mul(a, b), c)
    bits = 64 if isinstance(vector.element, ir.DoubleType) else 32
    kind, name = ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{vector.count}f{bits}"
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return lambda a, b, c: builder.call(function, [a, b, c])
