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
_I = types.intp
BLOCK = (4 if _AVX512 else 1) * LINE  # bytes of columns at once: 32 registers of a line, or 16 of half a line


@emitted
def add_block(
    typing: Any, out: Any, row: Any, W: Any, i: Any, column: Any, x: Any, first: Any, width: Any, t: Any
) -> Any:
    """out[row + r, t + s] += sum_j W[i + r, column + j] x[first + j, t + s] for r < ROWS, j < width, s in a BLOCK.

    out, W, x : of one dtype of 32 or 64 bits, without gaps.
    """
    return _alike(out, W, x)(out, _I, W, _I, _I, x, _I, _I, _I), partial(_build, BLOCK // LINE)


@emitted
def add_line(
    typing: Any, out: Any, row: Any, W: Any, i: Any, column: Any, x: Any, first: Any, width: Any, t: Any
) -> Any:
    """As `add_block`, of the numbers of one line."""
    return _alike(out, W, x)(out, _I, W, _I, _I, x, _I, _I, _I), partial(_build, 1)


@emitted
def add_linked_block(
    typing: Any, out: Any, row: Any, W: Any, i: Any, x: Any, units: Any, rows: Any, many: Any, width: Any, t: Any
) -> Any:
    """Add units k < many in turn, each as `add_block` does with column = k width and first = rows[units[k]] width.

    The sums stay in registers from unit to unit. units, rows : int32, without gaps; a unit of -1 is missing.
    """
    return _alike(out, W, x)(out, _I, W, _I, x, units, rows, _I, _I, _I), partial(_build_linked, BLOCK // LINE)


@emitted
def add_linked_line(
    typing: Any, out: Any, row: Any, W: Any, i: Any, x: Any, units: Any, rows: Any, many: Any, width: Any, t: Any
) -> Any:
    """Do as `add_linked_block`, for the numbers of one line."""
    return _alike(out, W, x)(out, _I, W, _I, x, units, rows, _I, _I, _I), partial(_build_linked, 1)


def _alike(out: Any, W: Any, x: Any) -> Any:
    if not out.dtype == W.dtype == x.dtype or not out.layout == W.layout == x.layout == "C":
        raise errors.TypingError("out, W and x must be of one dtype and without gaps")
    return types.void


def _build(lines: int, context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
    _, row, _, i, column, _, first, width, t = arguments
    sums = _Sums(lines, context, builder, signature, arguments, (0, 2, 5), row, i, t)
    sums.store(sums.with_inputs(sums.load(), column, first, width))
    return context.get_dummy_value()


def _build_linked(lines: int, context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
    _, row, _, i, _, _, _, many, width, t = arguments
    units, rows = (context.make_array(signature.args[n])(context, builder, arguments[n]) for n in (5, 6))

    def entry(array: Any, at: Any) -> Any:
        found = builder.load(builder.gep(array.data, [at], source_etype=ir.IntType(32)), typ=ir.IntType(32))
        return builder.sext(found, width.type)

    def with_unit(k: Any, held: list[Any]) -> list[Any]:
        unit, none = entry(units, k), width.type(0)
        there = builder.icmp_signed(">=", unit, none)
        first = builder.mul(entry(rows, builder.select(there, unit, none)), width)
        return sums.with_inputs(held, builder.mul(k, width), first, builder.select(there, width, none))

    sums = _Sums(lines, context, builder, signature, arguments, (0, 2, 4), row, i, t)
    sums.store(_repeated(builder, many, sums.load(), with_unit))
    return context.get_dummy_value()


class _Sums:
    """Four rows by some lines of `out` in registers, and what adds weighted inputs to them."""

    def __init__(
        self, lines: int, context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any, at: Any, row: Any,
        i: Any, t: Any,
    ) -> None:  # fmt: skip
        self.out, self.W, self.x = (context.make_array(signature.args[n])(context, builder, arguments[n]) for n in at)
        self.builder, self.row, self.i, self.t, self.lines = builder, row, i, t, range(lines)
        self.number, self.size = context.get_data_type(signature.args[0].dtype), signature.args[0].dtype.bitwidth // 8
        self.vector = ir.VectorType(self.number, LINE // self.size)
        self.multiply_add = _multiply_add(builder, self.vector)

    def load(self) -> list[Any]:
        """Return the sums, row by row."""
        return [self._load(self._line(self.out, row, n)) for row in self._rows(self.row) for n in self.lines]

    def store(self, sums: list[Any]) -> None:
        """Write the sums back."""
        places = [self._line(self.out, row, n) for row in self._rows(self.row) for n in self.lines]
        for value, where in zip(sums, places, strict=True):
            self.builder.store(value, where, align=self.size)

    def with_inputs(self, sums: list[Any], column: Any, first: Any, width: Any) -> list[Any]:
        """Return the sums with `width` inputs more: rows of x from `first`, weights from `column`."""

        def with_input(j: Any, held: list[Any]) -> list[Any]:
            at, of = self.builder.add(column, j), self.builder.add(first, j)
            inputs = [self._load(self._line(self.x, of, n)) for n in self.lines]
            spreads = [self._spread(row, at) for row in self._rows(self.i)]
            pairs = [(weight, value) for weight in spreads for value in inputs]
            return [self.multiply_add(*pair, value) for pair, value in zip(pairs, held, strict=True)]

        return _repeated(self.builder, width, sums, with_input)

    def _rows(self, first: Any) -> list[Any]:
        return [self.builder.add(first, first.type(r)) for r in range(ROWS)]

    def _place(self, array: Any, at: Any, column: Any) -> Any:
        length = cgutils.unpack_tuple(self.builder, array.shape, 2)[1]
        flat = self.builder.add(self.builder.mul(at, length), column)
        return self.builder.gep(array.data, [flat], source_etype=self.number)

    def _line(self, array: Any, at: Any, line: int) -> Any:
        column = self.builder.add(self.t, self.t.type(line * self.vector.count))
        return self.builder.bitcast(self._place(array, at, column), self.vector.as_pointer())

    def _load(self, where: Any) -> Any:
        return self.builder.load(where, align=self.size, typ=self.vector)

    def _spread(self, at: Any, column: Any) -> Any:
        value, place = self.builder.load(self._place(self.W, at, column), typ=self.number), ir.IntType(32)
        lone = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), value, place(0))
        lanes = ir.Constant(ir.VectorType(place, self.vector.count), None)
        return self.builder.shuffle_vector(lone, lone, lanes)


def _repeated(
    builder: ir.IRBuilder, times: Any, held: list[Any], body: Callable[[Any, list[Any]], list[Any]]
) -> list[Any]:
    """Emit held = body(j, held) for j < times; the values stay in registers."""
    before, loop, end = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("after")
    builder.cbranch(builder.icmp_signed(">", times, times.type(0)), loop, end)
    builder.position_at_end(loop)
    j, present = builder.phi(times.type), [builder.phi(value.type) for value in held]
    changed = body(j, present)
    following, last = builder.add(j, j.type(1)), builder.block  # a body with a loop of its own ends in another block
    builder.cbranch(builder.icmp_signed("<", following, times), loop, end)
    j.add_incoming(j.type(0), before)
    j.add_incoming(following, last)
    builder.position_at_end(end)
    results = [builder.phi(value.type) for value in held]
    for phis in (present, results):
        for phi, old, new in zip(phis, held, changed, strict=True):
            phi.add_incoming(old, before)
            phi.add_incoming(new, last)
    return results


def _multiply_add(builder: ir.IRBuilder, vector: ir.VectorType) -> Callable[[Any, Any, Any], Any]:
    """Return what emits a b + c: fused where the machine can, exact for integers, which wrap."""
    if isinstance(vector.element, ir.IntType):
        return lambda a, b, c: builder.add(builder.mul(a, b), c)
    bits = 64 if isinstance(vector.element, ir.DoubleType) else 32
    kind, name = ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{vector.count}f{bits}"
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return lambda a, b, c: builder.call(function, [a, b, c])
