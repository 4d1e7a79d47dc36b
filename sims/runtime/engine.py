"""The engine of all long work: groups of tasks on Dask's workers, with one progress protocol and one way to stop."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from time import sleep
from typing import Any

from localnoise.errors import KilledError
from localnoise.sims.runtime.cluster import slots
from localnoise.sims.runtime.console import errors, show_warnings_plainly
from localnoise.sims.runtime.stage import Stage

_AGAIN = 5  # times in a row that workers may die without anything new being finished
_LONGEST = 0.05  # seconds between two looks at what has finished, and at signals
_topics = itertools.count()


@dataclass(frozen=True, kw_only=True)
class Task:
    """Something that a worker does.

    Attributes
    ----------
    work : callable
        Called in the worker with `given` and a `Stage`, to which it reports its progress. Sent by reference: a
        module's function.
    given : object
        Sent by pickle, as the result is.
    name : object
        What the sender knows it by; hashable.
    priority : int
        Higher ones run first.
    """

    work: Callable[[Any, Stage], Any]
    given: Any
    name: Any
    priority: int = 0


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A task that has ended: with a value, or with the error that it raised.

    Attributes
    ----------
    task : Task
    value : object
    error : BaseException or None
    worker : str
        Address of the worker.
    """

    task: Task
    value: Any = None
    error: BaseException | None = None
    worker: str = ""


class Engine:
    """Send tasks to workers and take their results; what a killed worker was doing is sent again.

    Parameters
    ----------
    client : distributed.Client
    asked : sequence of int
        Signals that ask to stop, looked at while waiting.
    on_progress : callable
        Called in this thread with (worker's address, what is being done, done, of).
    again : int
        Times in a row that workers may die without anything new being finished.
    """

    def __init__(
        self,
        client: Any,
        asked: Sequence[int] = (),
        on_progress: Callable[[str, str, int, int], None] = lambda worker, what, done, of: None,
        again: int = _AGAIN,
    ) -> None:
        from distributed import as_completed

        self.client, self.asked, self.on_progress, self.again = client, asked, on_progress, again
        self._finished = as_completed()
        self._running: dict[str, tuple[Task, Any]] = {}
        self._told: deque[Any] = deque()  # filled by the client's own thread
        self._topic = f"localnoise-{client.id}-{next(_topics)}"
        self._lost = 0
        client.subscribe_topic(self._topic, lambda event: self._told.append(event[1]))

    @property
    def running(self) -> int:
        """Number of tasks that were sent and have not been taken."""
        return len(self._running)

    def send(self, task: Task, near: str = "") -> None:
        """Send a task; `near`: address of the worker that should run it, if it lives."""
        where = {"workers": [near], "allow_other_workers": True} if near else {}
        future = self.client.submit(_do, task, self._topic, pure=False, priority=task.priority, **where)
        self._running[future.key] = task, future
        self._finished.add(future)

    def take(self) -> list[Finished]:
        """Wait until a task has ended; returns all that have.

        Raises
        ------
        KeyboardInterrupt
            A signal asked to stop. Tasks that run end at their next report of progress.
        KilledError
            Workers died time and again.
        """
        while True:
            found = [one for future in self._batch() if (one := self._taken(future)) is not None]
            if found:
                self._lost = 0
                return found
            self._lost += 1
            if self._lost > self.again:
                raise KilledError(
                    f"processes were killed {self._lost} times in a row before anything was finished: expected memory "
                    "for them; free some, or give fewer --jobs"
                )

    def groups(self, first: Iterable[Sequence[Task]], took: Callable[[Finished], Iterable[Sequence[Task]]]) -> None:
        """Run groups of tasks. One group's tasks run one after the other, on one worker while it lives.

        took : called with every task that has ended; returns the groups that it allows.
        """
        waiting = deque(deque(group) for group in first)
        under_way: dict[Any, deque[Task]] = {}

        def begin(group: deque[Task], near: str = "") -> None:
            task = group.popleft()
            under_way[task.name] = group
            self.send(task, near)

        while waiting or under_way:
            while waiting and len(under_way) < slots(self.client):
                begin(waiting.popleft())
            for one in self.take():
                waiting.extend(map(deque, took(one)))
                if group := under_way.pop(one.task.name):
                    begin(group, one.worker)

    def _batch(self) -> list[Any]:
        pause = 0.001
        while not (batch := self._finished.next_batch(block=False)) and not self.asked:
            self._hear()
            sleep(pause)
            pause = min(2 * pause, _LONGEST)
        self._hear()
        if self.asked:
            self.client.cancel([future for _, future in self._running.values()], force=True)
            raise KeyboardInterrupt
        return list(batch)

    def _hear(self) -> None:
        while self._told:
            self.on_progress(*self._told.popleft())

    def _taken(self, future: Any) -> Finished | None:
        """Return a finished task; None where it was sent again."""
        from distributed import CancelledError, KilledWorker

        task, _ = self._running.pop(future.key)
        if future.status == "finished":
            try:
                value, worker = future.result()
                return Finished(task=task, value=value, worker=worker)
            except (KilledWorker, CancelledError):  # the worker died before it gave the result away
                error = None
        else:
            error = future.exception() if future.status == "error" else None
        if error is not None and not isinstance(error, KilledWorker):
            return Finished(task=task, error=error)
        if not self._lost:
            errors.print("a process was killed from outside: what was unfinished is run again")
        self.send(task)
        return None


_plain: list[bool] = []  # whether this process shows warnings plainly
_alone = Lock()  # a worker of several threads does one task at a time: what tasks keep for the next is its process's


def _do(task: Task, topic: str) -> tuple[Any, str]:
    """Run a task, in the worker; returns its value and the worker's address."""
    from distributed import get_worker

    worker = get_worker()
    with _alone:
        if not _plain:
            show_warnings_plainly()
            _plain.append(True)
        return task.work(task.given, _stage(worker, topic)), worker.address


def _stage(worker: Any, topic: str) -> Stage:
    """Report at most a hundred times a step; raise an InterruptedError where the task was cancelled."""
    key, last = worker.get_current_task(), None

    def stage(what: str, done: int, of: int) -> None:
        nonlocal last
        now = what, 100 * done // of if of else 0
        if now != last:
            last = now
            state = worker.state.tasks.get(key)
            if state is None or state.state == "cancelled":
                raise InterruptedError("stopped by the main process")
            worker.log_event(topic, [worker.address, what, int(done), int(of)])

    return stage
