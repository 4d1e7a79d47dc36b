"""Scratch memory on cache lines, and where an array lies, in LLVM: NumPy's ways to both take long to compile."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.npydecl import parse_dtype

from localnoise.kernels.flags import emitted
from localnoise.kernels.registers import LINE


@emitted
def aligned(typing: Any, rows: Any, tile: Any, dtype: Any) -> Any:
    """Uninitialised (rows, tile) on a cache line: vector loads that straddle lines cost double.

    tile : a multiple of a line's numbers, so that every row is aligned.
    """
    kind = types.Array(parse_dtype(dtype), 2, "C")

    def build(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        rows, tile, _ = arguments
        number = context.get_data_type(kind.dtype)
        size = context.get_constant(types.intp, context.get_abi_sizeof(number))
        wide = builder.mul(tile, size)
        line = context.get_constant(types.uint32, LINE)
        held = context.nrt.meminfo_alloc_aligned(builder, builder.mul(rows, wide), line)
        array = context.make_array(kind)(context, builder)
        context.populate_array(
            array,
            data=builder.bitcast(context.nrt.meminfo_data(builder, held), number.as_pointer()),
            shape=cgutils.pack_array(builder, [rows, tile]),
            strides=cgutils.pack_array(builder, [wide, size]),
            itemsize=size,
            meminfo=held,
        )
        return array._getvalue()

    return kind(types.intp, types.intp, dtype), build


@emitted
def address(typing: Any, array: Any) -> Any:
    """Where the first number of an array lies, in bytes."""

    def build(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.intp))

    return types.intp(array), build
