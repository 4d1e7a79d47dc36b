"""The decorators that every kernel shares, so that flags are decided in one place.

`contract` (fused multiply-add) is the only relaxation of IEEE arithmetic: it never reorders a sum, so a draw does
not depend on how the samples are split into tiles or threads.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit
from numba.extending import intrinsic

from localnoise.kernels.compiling import announce

announce()

F = TypeVar("F", bound=Callable[..., Any])

# To call kernels with: Numba compiles a callee once more for every literal, and of these it knows the type alone.
ZERO, ALL, YES, NO = np.int64(0), np.int64(-1), np.bool_(True), np.bool_(False)

_FLAGS: dict[str, Any] = {"fastmath": {"contract"}, "error_model": "numpy", "nogil": True, "cache": True}


def kernel(function: F) -> F:
    """Compile a serial kernel, called by other kernels."""
    compiled: F = njit(**_FLAGS)(function)
    return compiled


def inlined(function: F) -> F:
    """Compile a few scalar operations into their caller, so that the caller's loop can vectorise."""
    compiled: F = njit(inline="always", **_FLAGS)(function)
    return compiled


def emitted(function: Callable[..., Any]) -> Any:
    """Let kernels call what writes its own LLVM: function gives a signature, and what builds the code."""
    return intrinsic(function)


def parallel_kernel(function: F) -> F:
    """Compile a kernel whose `prange` loops run on all of Numba's threads."""
    compiled: F = njit(parallel=True, **_FLAGS)(function)
    return compiled
