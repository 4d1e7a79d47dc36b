"""Tasks on several processes that may be killed: what the killed ones were doing is run again."""

import multiprocessing
import os
import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import connection
from multiprocessing.managers import SyncManager
from threading import Thread
from time import sleep
from typing import Any

from localnoise.errors import KilledError
from localnoise.sims.runtime.console import errors
from localnoise.sims.runtime.stage import Stage

Task = tuple[Callable[[Any], None], Any]  # what a worker calls, with what; both go to it by pickle
Hear = Callable[[Any], bool]  # called with a message; whether it says that something is finished
_AGAIN = 5  # times in a row that processes may be killed without anything new being finished
_LOOK = 0.2  # seconds between two looks at messages and signals


class _LostError(Exception):
    """A worker was killed, or the process that passes messages on."""


def run_tasks(
    first: Callable[[], Sequence[Task]],
    then: Callable[[Task], Iterable[Task]],
    hear: Hear,
    *,
    jobs: int,
    prepare: Callable[..., None],
    given: tuple[Any, ...],
    asked: Sequence[int],
) -> None:
    """Run tasks, `jobs` at a time; `then` says which ones a finished task allows.

    first : what is left to be begun; asked again after processes were killed, and nothing is run where it is empty.
    hear : called in this process with every message that workers put.
    prepare : called in each worker with (messages, stop, *given).
    asked : signals that ask to stop, looked at between messages.

    Raises
    ------
    KeyboardInterrupt
        One was asked for; workers have ended.
    KilledError
        Processes were killed time and again.
    """
    finished, lost = 0, 0

    def heed(message: Any) -> bool:
        nonlocal finished
        done = hear(message)
        finished += done
        return done

    while tasks := first():
        before = finished
        try:
            _attempt(tasks, then, heed, jobs, prepare, given, asked)
            return
        except _LostError:
            lost = lost + 1 if finished == before else 1
            if lost > _AGAIN:
                raise KilledError(
                    f"processes were killed {lost} times in a row before anything was finished: expected memory for "
                    "them; free some, or give fewer --jobs"
                ) from None
            errors.print("a process was killed from outside: what was unfinished is run again")


def _attempt(
    tasks: Sequence[Task],
    then: Callable[[Task], Iterable[Task]],
    hear: Hear,
    jobs: int,
    prepare: Callable[..., None],
    given: tuple[Any, ...],
    asked: Sequence[int],
) -> None:
    context = multiprocessing.get_context("spawn")
    manager = SyncManager(ctx=context)
    manager.start(end_with_parent)
    with manager, one_thread_each():
        messages, stop = manager.Queue(), manager.Event()
        with ProcessPoolExecutor(jobs, context, prepare, (messages, stop, *given)) as pool:
            running: dict[Future[None], Task] = {pool.submit(work, what): (work, what) for work, what in tasks}
            try:
                while running or asked:
                    if asked:
                        raise KeyboardInterrupt
                    finished, _ = wait(running, timeout=_LOOK, return_when=FIRST_COMPLETED)
                    drain(messages, hear)
                    for future in sorted(finished, key=list(running).index):
                        future.result()
                        for work, what in then(running.pop(future)):
                            running[pool.submit(work, what)] = (work, what)
            except BaseException as error:
                with suppress(OSError, EOFError):  # the manager may be what is lost
                    stop.set()  # workers look at it a hundred times a step; what they had not begun is dropped
                pool.shutdown(cancel_futures=True)
                with suppress(OSError, EOFError):
                    drain(messages, hear)
                if _is_loss(error, manager) and not _asked_soon(asked):
                    raise _LostError from error
                if asked:
                    raise KeyboardInterrupt from None
                raise


def _is_loss(error: BaseException, manager: Any) -> bool:
    """Return whether an error only says that a process is gone."""
    if isinstance(error, BrokenProcessPool):
        return True
    if not isinstance(error, OSError | EOFError):
        return False
    manager._process.join(_LOOK)  # its connections close before it is gone
    return not manager._process.is_alive()


def _asked_soon(asked: Sequence[int]) -> bool:
    """Return whether the processes went because of a signal that comes here, too: of Ctrl-C all of a group get one."""
    sleep(_LOOK)
    return bool(asked)


def drain(messages: Any, hear: Hear) -> None:
    """Hear all messages that wait."""
    while True:
        try:
            message = messages.get_nowait()
        except queue.Empty:
            return
        hear(message)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Workers read these when they start: one thread each, or they would wait for one another's."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def end_with_parent() -> None:
    """End this process when its parent is gone, even killed: a pool's workers would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def watch() -> None:
        connection.wait([sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def thinned(stage: Stage, stop: Any) -> Stage:
    """Pass on at most a hundred messages a step; raise an InterruptedError at the next one after `stop` is set."""
    last: tuple[str, int] | None = None

    def passed_on(what: str, done: int, of: int) -> None:
        nonlocal last
        now = what, 100 * done // of if of else 0
        if now != last:
            if stop.is_set():
                raise InterruptedError("stopped by the main process")
            last = now
            stage(what, done, of)

    return passed_on
