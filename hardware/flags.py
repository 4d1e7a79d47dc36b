"""The decorators that every integer kernel shares: no fastmath, so that machine code may not differ from the words.

Signed and unsigned integers wrap alike with and without threads, so a parallel kernel gives the serial one's bits.
`localnoise.kernels.flags`, which importing the package runs, has already asked Numba to announce long compilations.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from localnoise.kernels.cache import Sources
from localnoise.kernels.flags import SOURCES, callee, compiled
from localnoise.kernels.threads import Shared

F = TypeVar("F", bound=Callable[..., Any])

_FLAGS: dict[str, Any] = {"fastmath": False, "error_model": "numpy", "nogil": True}
_HERE = Path(__file__).parent
_SOURCES = Sources(*SOURCES.files, Path(__file__), _HERE / "kernels", _HERE / "generators")


def integer_kernel(function: F) -> F:
    """Compile a serial kernel on integers into the kernels that call it."""
    return callee(function, _SOURCES, **_FLAGS)


def inlined(function: F) -> F:
    """Compile a few scalar operations into every place that calls them, so that a loop there can vectorise."""
    return callee(function, _SOURCES, forceinline=True, **_FLAGS)


def integer_entry(function: F) -> F:
    """Compile a serial kernel on integers that Python calls."""
    return cast(F, compiled(function, _SOURCES, **_FLAGS))


def shared_integer_kernel(function: Callable[..., Any]) -> Shared:
    """Compile a kernel that Python calls on several threads: one of them is worker number `worker` of `workers`."""
    return Shared(compiled(function, _SOURCES, **_FLAGS))
