"""The decorators that every kernel shares, so that flags are decided in one place.

`contract` (fused multiply-add) is the only relaxation of IEEE arithmetic: it never reorders a sum, so a draw does
not depend on how the samples are split into tiles or threads.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numba import __version__ as numba_version
from numba import njit
from numba.extending import intrinsic

from localnoise.kernels.cache import KernelCache, Sources
from localnoise.kernels.compiling import announce
from localnoise.kernels.threads import Shared, Threaded

_KNOWN = ("0.68.",)  # versions of Numba whose insides `linking` knows; under others, kernels compile as Numba does
_WHOLE: dict[str, Any] = {}
_linked: Callable[..., Any] | None = None
if numba_version.startswith(_KNOWN):
    from localnoise.kernels.linking import WholeCompiler, linked

    _WHOLE, _linked = {"pipeline_class": WholeCompiler}, linked

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
    pipeline = {} if flags.get("parallel") else _WHOLE
    compile_lazily: Any = njit
    dispatcher = compile_lazily(no_cfunc_wrapper=True, **pipeline, **flags)(function)
    if hasattr(dispatcher, "enable_caching"):  # with NUMBA_DISABLE_JIT it is the function itself
        dispatcher._cache = KernelCache(function, sources, variant)
    return dispatcher


def callee(function: F, sources: Sources, **flags: Any) -> F:
    """Compile a function into the kernels that call it."""
    return cast(F, (_linked or compiled)(function, sources, **flags))


def kernel(function: F) -> F:
    """Compile a serial kernel into the kernels that call it."""
    return callee(function, SOURCES, **_FLAGS)


def inlined(function: F) -> F:
    """Compile a few scalar operations into every place that calls them, so that a loop there can vectorise."""
    return callee(function, SOURCES, forceinline=True, **_FLAGS)


def emitted(function: Callable[..., Any]) -> Any:
    """Let kernels call what writes its own LLVM: function gives a signature, and what builds the code."""
    return intrinsic(function)


def entry(function: F) -> F:
    """Compile a serial kernel that Python calls."""
    return cast(F, compiled(function, SOURCES, **_FLAGS))


def shared_kernel(function: Callable[..., Any]) -> Shared:
    """Compile a kernel that Python calls on several threads: one of them is worker number `worker` of `workers`."""
    return Shared(compiled(function, SOURCES, **_FLAGS))


def parallel_kernel(function: F) -> F:
    """Compile a kernel whose `prange` loops run on Numba's threads, where they wait for each other many times.

    It takes a few times as long to compile as a `shared_kernel`. Called from Python alone.
    """
    threaded = compiled(function, SOURCES, "-threaded", parallel=True, **_FLAGS)
    return cast(F, Threaded(threaded, compiled(function, SOURCES, **_FLAGS)))
