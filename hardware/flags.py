"""The decorators that every integer kernel shares: no fastmath, so that machine code may not differ from the words.

Signed and unsigned integers wrap alike with and without threads, so a parallel kernel gives the serial one's bits.
`localnoise.kernels.flags`, which importing the package runs, has already asked Numba to announce long compilations.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

_FLAGS: dict[str, Any] = {"fastmath": False, "error_model": "numpy", "nogil": True, "cache": True}


def integer_kernel(function: F) -> F:
    """Compile a serial kernel on integers."""
    compiled: F = njit(**_FLAGS)(function)
    return compiled


def inlined(function: F) -> F:
    """Compile a few scalar operations into their caller, so that the caller's loop can vectorise."""
    compiled: F = njit(inline="always", **_FLAGS)(function)
    return compiled


def parallel_integer_kernel(function: F) -> F:
    """Compile a kernel whose `prange` loops run on all of Numba's threads."""
    compiled: F = njit(parallel=True, **_FLAGS)(function)
    return compiled
