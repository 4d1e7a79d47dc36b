"""Kernels whose `prange` loops run on all of Numba's threads, in any process and from any Python thread.

Numba's threads do not survive a fork: GNU OpenMP aborts the child, and what waits for it waits for ever. A child
therefore runs the same kernel compiled without threads. The layer `workqueue` aborts where two Python threads launch
at once: there they take turns. Neither changes a number, as none depends on how the work is split.
"""

import os
import sys
from contextlib import nullcontext
from threading import Lock

from numba.np.ufunc import parallel
from numba.np.ufunc.parallel import get_num_threads, threading_layer

_turns = Lock()
_alone = _was_launched = False


class Threaded:
    """A kernel in two forms: on all threads, and without threads for children of a fork.

    Parameters
    ----------
    threaded, serial : callable
        The kernel compiled with `parallel=True`, and without; each is compiled when it is first called.
    """

    def __init__(self, threaded, serial):
        self.threaded, self.serial = threaded, serial
        self.__name__, self.__doc__ = serial.__name__, serial.__doc__

    def __call__(self, *arguments):
        """Run the kernel on all threads, or alone."""
        if _alone:
            return self.serial(*arguments)
        get_num_threads()  # launches the threads, and so decides for a layer
        with _turns if threading_layer() == "workqueue" else nullcontext():
            return self.threaded(*arguments)


def worker_count() -> int:
    """How many threads a kernel runs on: Numba's, and one in the child of a fork."""
    return 1 if _alone else int(get_num_threads())


def _before_fork():
    # torch brings an OpenMP of its own, or shares Numba's: what a child may do with either is not known
    global _was_launched
    _was_launched = _alone or getattr(parallel, "_is_initialized", True) or "torch" in sys.modules


def _in_child():
    global _alone, _turns
    _alone, _turns = _was_launched, Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_in_child)
