"""The decorators that every kernel shares, so that flags are decided in one place.

`contract` (fused multiply-add) is the only relaxation of IEEE arithmetic: it never reorders a sum, so a draw does
not depend on how the samples are split into tiles or threads.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numba.extending import intrinsic

from localnoise.kernels.cache import KernelCache, Sources
from localnoise.kernels.compiling import announce
from localnoise.kernels.threads import Threaded

announce()

F = TypeVar("F", bound=Callable[..., Any])
SOURCES = Sources(Path(__file__).parent)

# To call kernels with: Numba compiles a callee once more for every literal, and of these it knows the type alone.
ZERO, ALL, YES, NO = np.int64(0), np.int64(-1), np.bool_(True), np.bool_(False)

_FLAGS: dict[str, Any] = {"fastmath": {"contract"}, "error_model": "numpy", "nogil": True}


def compiled(function: Callable[..., Any], sources: Sources, variant: str = "", **flags: Any) -> Any:
    """Let Numba compile a function when it is called, and keep the machine code for these sources.

    variant : tells apart two forms of one function.
    """
    dispatcher: Any = njit(**flags)(function)
    if hasattr(dispatcher, "enable_caching"):  # with NUMBA_DISABLE_JIT it is the function itself
        dispatcher._cache = KernelCache(function, sources, variant)
    return dispatcher


def kernel(function: F) -> F:
    """Compile a serial kernel, called by other kernels."""
    made: F = compiled(function, SOURCES, **_FLAGS)
    return made


def inlined(function: F) -> F:
    """Compile a few scalar operations into their caller, so that the caller's loop can vectorise."""
    made: F = compiled(function, SOURCES, inline="always", **_FLAGS)
    return made


def emitted(function: Callable[..., Any]) -> Any:
    """Let kernels call what writes its own LLVM: function gives a signature, and what builds the code."""
    return intrinsic(function)


def parallel_kernel(function: F) -> F:
    """Compile a kernel whose `prange` loops run on all of Numba's threads. Called from Python alone."""
    threaded = compiled(function, SOURCES, "-threaded", parallel=True, **_FLAGS)
    return cast(F, Threaded(threaded, compiled(function, SOURCES, **_FLAGS)))
