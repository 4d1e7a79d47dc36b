"""The decorators that every integer kernel shares: no fastmath, so that machine code may not differ from the words.

Signed and unsigned integers wrap alike with and without threads, so a parallel kernel gives the serial one's bits.
`localnoise.kernels.flags`, which importing the package runs, has already asked Numba to announce long compilations.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from localnoise.kernels.cache import Sources
from localnoise.kernels.flags import SOURCES, compiled
from localnoise.kernels.threads import Threaded

F = TypeVar("F", bound=Callable[..., Any])

_FLAGS: dict[str, Any] = {"fastmath": False, "error_model": "numpy", "nogil": True}
_HERE = Path(__file__).parent
_SOURCES = Sources(*SOURCES.files, Path(__file__), _HERE / "kernels", _HERE / "generators")


def integer_kernel(function: F) -> F:
    """Compile a serial kernel on integers."""
    made: F = compiled(function, _SOURCES, **_FLAGS)
    return made


def inlined(function: F) -> F:
    """Compile a few scalar operations into their caller, so that the caller's loop can vectorise."""
    made: F = compiled(function, _SOURCES, inline="always", **_FLAGS)
    return made


def parallel_integer_kernel(function: F) -> F:
    """Compile a kernel whose `prange` loops run on all of Numba's threads. Called from Python alone."""
    threaded = compiled(function, _SOURCES, "-threaded", parallel=True, **_FLAGS)
    return cast(F, Threaded(threaded, compiled(function, _SOURCES, **_FLAGS)))
