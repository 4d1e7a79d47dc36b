"""Every worker's part is done once, whoever does it, and nothing is done any more when the call is over."""

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from localnoise.kernels import threads
from localnoise.kernels.compiling import Uninterrupted
from localnoise.kernels.normals import fill_normals
from localnoise.kernels.threads import Shared


@pytest.fixture(autouse=True)
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four workers, on any machine."""
    monkeypatch.setattr(threads, "worker_count", lambda: 4)


def noting(done: list[Any], seconds: float = 0.0) -> Shared:
    """Make a shared function that notes who it is."""

    def kernel(name: str, worker: int, workers: int) -> None:
        """Take a while."""
        time.sleep(seconds)
        done.append((name, worker, workers))

    return Shared(kernel)


@pytest.mark.parametrize(("parts", "workers"), [(None, 4), (9, 4), (3, 3), (1, 1), (0, 1)])
def test_every_worker_works_once(parts: int | None, workers: int) -> None:
    done: list[Any] = []
    noting(done)("a", parts=parts)
    assert sorted(done) == [("a", worker, workers) for worker in range(workers)]


def test_callers_at_once_get_their_own() -> None:
    done: list[Any] = []
    shared, names = noting(done, 0.001), [str(n) for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(shared, names))
    assert sorted(done) == sorted((name, worker, 4) for name in names for worker in range(4))


def test_an_error_in_a_thread_is_the_callers() -> None:
    def kernel(worker: int, workers: int) -> None:
        """Fail in one."""
        if worker == 2:
            raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        Shared(kernel)()


def test_an_interrupted_caller_waits_for_its_threads() -> None:
    caller, running = threading.current_thread(), []

    def kernel(worker: int, workers: int) -> None:
        """Be interrupted in the caller while another thread works."""
        if threading.current_thread() is caller:
            while not running:
                time.sleep(0.001)
            raise KeyboardInterrupt
        running.append(worker)
        time.sleep(0.2)
        running[running.index(worker)] = "done"

    with pytest.raises(KeyboardInterrupt):
        Shared(kernel)()
    before = list(running)
    assert set(before) == {"done"}
    time.sleep(0.3)
    assert running == before


def test_where_no_thread_can_be_started_the_caller_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    done: list[Any] = []
    monkeypatch.setattr(threads, "_pool", threads.Pool())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    noting(done)("a")
    assert sorted(done) == [("a", worker, 4) for worker in range(4)]


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_waits_for_a_compilation_and_goes_on_as_before(enabled: bool) -> None:
    event, listener, was = SimpleNamespace(data={"dispatcher": fill_normals}), Uninterrupted(), gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        for _ in range(2):
            listener.on_start(event)
            assert not gc.isenabled()
        listener.on_end(event)
        assert not gc.isenabled()
        listener.on_end(event)
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if was else gc.disable)()
