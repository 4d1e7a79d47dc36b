"""Torch's own threads, for the draws within a network.

OpenMP's threads spin for a while after each of torch's operations, and would hold the cores against threads of ours.
So the draw is one more parallel region of theirs, entered as compiled C enters it: `GOMP_parallel`, which GNU's OpenMP
has, and LLVM's and Intel's on Linux.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch

_Region = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@cache
def torchs() -> Callable[[Callable[[], None], int], None] | None:
    """Return what runs a job on torch's threads, for `localnoise.kernels.threads.on`; None where they are no OpenMP's.

    Of the child of a fork, where torch's threads are gone, the kernels ask for one worker, and no team.
    """
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    if "parallel backend: OpenMP" not in torch.__config__.parallel_info() or not library.is_file():
        return None
    try:
        enter = ctypes.CDLL(str(library)).GOMP_parallel  # found in the OpenMP that the library is linked with
    except (OSError, AttributeError):
        return None
    enter.argtypes, enter.restype = (_Region, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint), None

    def run(job: Callable[[], None], times: int) -> None:
        enter(_Region(lambda _: job()), None, times, 0)

    return run
