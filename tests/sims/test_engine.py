"""The engine on real processes: order, progress, stops, and workers that die."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import numba
import pytest
import tasked

from localnoise.errors import ArgumentError, KilledError
from localnoise.sims.runtime.cluster import connected
from localnoise.sims.runtime.engine import Engine, Finished, Task


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with connected("", 2, 1) as client:
        yield client


def named(folder: Path, *names: str) -> list[Task]:
    return [Task(work=tasked.work, given=(name, folder), name=name) for name in names]


def test_a_group_runs_in_order_on_one_worker_and_allows_others(client: Any, tmp_path: Path) -> None:
    found: list[Finished] = []

    def took(finished: Finished) -> list[list[Task]]:
        found.append(finished)
        return [named(tmp_path, "later")] if finished.task.name == "b" else []

    Engine(client).groups([named(tmp_path, "a", "b", "c"), named(tmp_path, "d", "e")], took)
    values = [one.value for one in found]
    names = [name for name, _ in values]
    assert sorted(names) == ["a", "b", "c", "d", "e", "later"]
    assert [name for name in names if name in "abc"] == ["a", "b", "c"]
    for group in ("abc", "de"):
        assert len({process for name, process in values if name in group}) == 1
    assert len({process for _, process in values}) == 2


def test_progress_is_heard_at_most_a_hundred_times_a_step(client: Any, tmp_path: Path) -> None:
    heard: list[tuple[str, str, int, int]] = []
    engine = Engine(client, on_progress=lambda *told: heard.append(told))
    engine.send(Task(work=tasked.steps, given=1_000, name="steps"))
    (finished,) = engine.take()
    deadline = time.monotonic() + 30
    while len(heard) < 100 and time.monotonic() < deadline:  # the last reports may come after the result
        engine._hear()
    assert heard == [(finished.worker, "steps", 10 * step, 1_000) for step in range(100)]


def test_what_a_killed_worker_was_doing_runs_again(
    client: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found: list[str] = []
    Engine(client).groups(
        [named(tmp_path, name) for name in ("a", "mortal", "b", "c")], lambda one: found.append(one.value[0]) or []
    )
    assert sorted(found) == ["a", "b", "c", "mortal"]
    assert "killed from outside: what was unfinished is run again" in capfd.readouterr().err


def test_a_task_that_always_dies_ends_in_one_sentence(client: Any, tmp_path: Path) -> None:
    with pytest.raises(KilledError, match=r"killed 2 times in a row before anything was finished: .* fewer --jobs"):
        Engine(client, again=1).groups([named(tmp_path, "doomed")], lambda one: [])


def test_this_process_keeps_its_own_variables_and_may_compile_meanwhile() -> None:
    """Dask sets its workers' variables here, too; Numba refuses to compile under another number of threads."""
    before = dict(os.environ)
    numba.set_num_threads(numba.get_num_threads())  # launches them
    with connected("", 1, 1):
        numba.njit(lambda x: x + 1)(1)
    assert dict(os.environ) == before


def test_an_error_comes_back_as_it_was_raised(client: Any) -> None:
    engine = Engine(client)
    engine.send(Task(work=tasked.fail, given="missing", name="x"))
    (finished,) = engine.take()
    assert isinstance(finished.error, FileNotFoundError)
    assert str(finished.error) == "missing"


def test_a_signal_ends_what_runs_at_its_next_report(client: Any, tmp_path: Path) -> None:
    asked: list[int] = []
    engine = Engine(client, asked)
    engine.send(Task(work=tasked.count, given=tmp_path, name="x"))
    Timer(1, lambda: asked.append(2)).start()
    with pytest.raises(KeyboardInterrupt):
        engine.take()
    deadline = time.monotonic() + 30
    while not (tmp_path / "stopped").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("place", ["LocalCluster", "Client"])
def test_processes_that_do_not_start_are_one_sentence(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """A machine that is busy: tried several times, then said what to do."""
    tried = []

    def busy(*args: Any, **options: Any) -> None:
        tried.append(args)
        raise TimeoutError

    monkeypatch.setattr(f"distributed.{place}", busy)
    with (
        pytest.raises(ArgumentError, match=r"jobs=1: processes of this machine did not start .* use fewer --jobs"),
        connected("", 1, 1),
    ):
        pass
    assert len(tried) == 5
