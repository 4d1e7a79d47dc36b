"""Where work runs: processes of this machine, or a Dask cluster that somebody else started."""

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

from localnoise.errors import ArgumentError, MissingDependencyError

_WAIT = 10  # seconds for a scheduler to answer
_STARTS = 5  # attempts to start the processes of this machine
# Read by libraries when they are loaded. Not Numba's: this process may compile meanwhile, and Numba refuses a change.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_LOOK = 2  # seconds between two looks at whether they all live


@contextmanager
def connected(scheduler: str, workers: int, threads: int) -> Iterator[Any]:
    """Yield a `distributed.Client`; "" as scheduler: `workers` processes of this machine, `threads` threads each.

    Raises
    ------
    ArgumentError
        The scheduler does not answer.
    MissingDependencyError
        Dask is not installed.
    """
    try:
        import dask
        from distributed import Client
    except ImportError as error:
        raise MissingDependencyError("experiments need dask: install it with pip install 'localnoise[sims]'") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is reported by the engine
    quiet = {
        "distributed.scheduler.allowed-failures": 0,  # a task whose worker died comes back: the engine sends it again
        "distributed.admin.system-monitor.gil.enabled": False,
        "distributed.comm.timeouts.connect": _WAIT,
        "distributed.deploy.lost-worker-timeout": _LOOK,
    }
    environment = dict.fromkeys(_THREADS, str(threads))
    with dask.config.set(quiet | {"distributed.nanny.pre-spawn-environ": environment}):
        if scheduler:
            try:
                client = Client(scheduler, timeout=_WAIT)
            except (OSError, ValueError, TypeError) as error:
                raise ArgumentError(
                    f"scheduler={scheduler!r} does not answer within {_WAIT} s ({_short(error)}): expected the address "
                    "of a running Dask scheduler, such as tcp://host:8786; start one with dask scheduler"
                ) from None
            with client:
                yield client
            return
        with (
            _kept_as_it_is(),
            _closed(_started(workers)) as cluster,
            _closed(_connected(cluster)) as client,
            _kept_up(cluster, client, workers),
        ):
            yield client


@contextmanager
def _kept_as_it_is() -> Iterator[None]:
    """Give this process its own variables back: Dask sets those of its workers here, and leaves them."""
    before = {name: os.environ.get(name) for name in _THREADS}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


@contextmanager
def _closed(one: Any) -> Iterator[Any]:
    """Close a cluster or a client at the end; a busy machine may not answer in time, when all work is done already."""
    try:
        yield one
    finally:
        with suppress(OSError):  # a TimeoutError is one
            one.close()


def _started(workers: int) -> Any:
    """Return a cluster of this machine's processes; where one dies while it starts, all are started again."""
    from distributed import LocalCluster

    return _patiently(
        workers,
        lambda: LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            memory_limit=0,
            silence_logs=logging.CRITICAL,
            host="127.0.0.1",
            local_directory=tempfile.gettempdir(),
        ),
    )


def _connected(cluster: Any) -> Any:
    """Return the client of this machine's processes."""
    from distributed import Client

    return _patiently(len(cluster.workers), lambda: Client(cluster))


def _patiently(workers: int, start: Callable[[], Any]) -> Any:
    """Return what starts, by several attempts: a busy machine may not answer in time."""
    for attempt in range(1, _STARTS + 1):
        try:
            return start()
        except (RuntimeError, OSError) as error:
            if attempt == _STARTS:
                raise ArgumentError(
                    f"jobs={workers}: processes of this machine did not start in {_STARTS} attempts "
                    f"({_short(error)}): expected a machine with memory and processor time left; use fewer --jobs, or "
                    "try again when it is idle"
                ) from error
    raise AssertionError("unreachable")


@contextmanager
def _kept_up(cluster: Any, client: Any, workers: int) -> Iterator[None]:
    """Start workers anew that are gone for good: a nanny gives up where its worker dies while it starts."""
    over = Event()

    def watch() -> None:
        while not over.wait(_LOOK):
            try:
                if len(client.nthreads()) < workers:
                    cluster.scale(workers)
            except Exception:  # the cluster is closing, or busy: looked at again
                continue

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def slots(client: Any) -> int:
    """Return how many jobs run at once: the threads of all workers, at least one."""
    return max(sum(map(int, client.nthreads().values())), 1)


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:100] if str(error) else type(error).__name__
