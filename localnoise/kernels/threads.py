"""Kernels that share their work among threads, in any process and from any Python thread.

A kernel is compiled once, as what one of several workers does, and releases the interpreter's lock; here Python threads
run the workers, or the threads of a library from within which a kernel is called (`on`). Only where units wait for each
other front by front, `wavefront`, do Numba's own threads run. No number depends on how the work is split.

Threads do not survive a fork, and of Numba's GNU OpenMP aborts the child. A child of a process that has used either
therefore works alone. Numba's layer `workqueue` aborts where two Python threads launch at once: there they take turns.
"""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from queue import SimpleQueue
from threading import Lock, Thread, local

from numba.core import config
from numba.np.ufunc import parallel
from numba.np.ufunc.parallel import get_num_threads, threading_layer

_turns = Lock()
_alone = _was_used = False


class Pool:
    """Threads that wait for jobs; as many are started as were ever asked for at once.

    They are daemons without a job whenever no caller waits, so that they are not in the way of an exit.
    """

    def __init__(self):
        self.jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.threads, self.starting = 0, Lock()

    def submit(self, job, times):
        """Let that many threads run a job."""
        with self.starting:
            while self.threads < times:
                Thread(target=self._work, name="localnoise", daemon=True).start()
                self.threads += 1
        for _ in range(times):
            self.jobs.put(job)

    def _work(self):
        while True:
            self.jobs.get()()


_pool = Pool()
_present = local()


@contextmanager
def on(team: Callable[[Callable[[], None], int], None] | None) -> Iterator[None]:
    """Let the kernels that this thread calls meanwhile run on a team's threads.

    team : (job, times) -> runs the job on that many threads at once, or on fewer, and returns when all are done. None:
    on the pool's.
    """
    before = getattr(_present, "team", None)
    _present.team = team
    try:
        yield
    finally:
        _present.team = before


class Shared:
    """A kernel of which every call is one worker's part, its last two arguments being (worker, workers).

    Parameters
    ----------
    kernel : callable
        Compiled when it is first called.
    """

    def __init__(self, kernel):
        self.kernel = kernel
        self.__name__, self.__doc__ = kernel.__name__, kernel.__doc__

    def __call__(self, *arguments, parts=None):
        """Run all workers, and return when the last one is done.

        parts : into how many the work can be split; None: into any number.
        """
        workers = worker_count() if parts is None else max(min(worker_count(), parts), 1)
        if workers == 1:
            self.kernel(*arguments, 0, 1)
            return
        left, held = deque(range(workers)), [arguments]  # a thread that comes too late finds no arrays to keep alive
        done: SimpleQueue[BaseException | None] = SimpleQueue()

        def work():
            while left:
                try:
                    worker = left.popleft()
                except IndexError:  # another thread was faster
                    return
                error = None
                try:
                    self.kernel(*held[0], worker, workers)
                except BaseException as raised:
                    error = raised
                done.put(error)

        team = getattr(_present, "team", None)
        try:
            if team is not None:
                team(work, workers)
            else:
                with suppress(RuntimeError):  # no thread can be started: the caller does all of it
                    _pool.submit(work, workers - 1)
            work()
        finally:  # whatever stops the caller, nobody writes into its arrays behind its back
            found = self._finished(left, done, workers)
            held.clear()
        for error in found:
            if error is not None:
                raise error

    @staticmethod
    def _finished(left, done, workers):
        while left:
            try:
                left.popleft()
                done.put(None)
            except IndexError:
                break
        return [done.get() for _ in range(workers)]


class Threaded:
    """A kernel whose `prange` loops run on Numba's threads, and the same without threads for children of a fork.

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
    """Return how many threads a kernel runs on: as many as Numba's, and one in the child of a fork."""
    if _alone:
        return 1
    launched = getattr(parallel, "_is_initialized", True)  # to ask for their number would launch them
    return int(get_num_threads() if launched else config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]


def _before_fork():
    # torch brings an OpenMP of its own, or shares Numba's: what a child may do with either is not known
    global _was_used
    launched = getattr(parallel, "_is_initialized", True)
    _was_used = _alone or launched or _pool.threads > 0 or "torch" in sys.modules


def _in_child():
    global _alone, _turns, _pool
    _alone, _turns, _pool = _was_used, Lock(), Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_in_child)
