"""Killed processes of an experiment, and two writers of one record: nothing is lost, nothing is left undone."""

import multiprocessing
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest
import tasked

from localnoise.errors import KilledError, LockedError
from localnoise.sims.results import records as module
from localnoise.sims.results.locks import locked
from localnoise.sims.results.records import RecordFile, key
from localnoise.sims.runtime.processes import Task, run_tasks


def ran(names: list[str], folder: Path, act: Any = lambda: None) -> list[str]:
    """Run tasks of these names, whatever dies; returns what was told. `act` is called once the first was."""
    left, told = list(names), list[str]()

    def first() -> list[Task]:
        return [(tasked.work, name) for name in left]

    def hear(message: Any) -> bool:
        told.append(message[1])
        left.remove(message[1])
        if len(told) == 1:
            act()
        return True

    run_tasks(first, lambda task: [], hear, jobs=2, prepare=tasked.prepare, given=(folder,), asked=[])
    return told


def workers() -> list[psutil.Process]:
    """Spawned children, the manager first."""
    found = [p for p in psutil.Process().children() if any("spawn_main" in part for part in p.cmdline())]
    return sorted(found, key=psutil.Process.create_time)


def test_tasks_of_a_killed_worker_run_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert sorted(ran(["a", "mortal", "b", "c"], tmp_path)) == ["a", "b", "c", "mortal"]
    assert "killed from outside: what was unfinished is run again" in capfd.readouterr().err


def test_tasks_run_again_when_the_manager_is_killed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert sorted(ran(list("abcdef"), tmp_path, lambda: workers()[0].kill())) == list("abcdef")
    assert "killed from outside" in capfd.readouterr().err


def test_a_task_that_always_dies_ends_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localnoise.sims.runtime.processes._AGAIN", 1)
    with pytest.raises(KilledError, match=r"killed 2 times in a row before anything was finished: .* fewer --jobs"):
        ran(["doomed"], tmp_path)


def test_an_error_of_a_task_is_no_loss_and_an_interruption_ends_all(tmp_path: Path) -> None:
    given: dict[str, Any] = {"jobs": 1, "prepare": tasked.prepare, "given": (tmp_path,)}
    with pytest.raises(FileNotFoundError, match="missing"):
        run_tasks(lambda: [(tasked.fail, "missing")], lambda task: [], lambda message: True, asked=[], **given)
    with pytest.raises(KeyboardInterrupt):
        run_tasks(lambda: [(tasked.work, "a")], lambda task: [], lambda message: True, asked=[2], **given)
    assert workers() == []


def append(path: Path, writer: int, count: int, gate: Any) -> None:
    file = RecordFile(path)
    gate.wait()
    for index in range(count):
        file.append({"writer": writer, "index": index, "cell": index}, {"x": float(index)}, 0.1)


def append_once(path: Path, count: int, gate: Any) -> None:
    file = RecordFile(path)
    gate.wait()
    for index in range(count):
        file.append({"cell": index}, {"x": float(index)}, 0.1, once=True)


def side_by_side(target: Any, several: list[tuple[Any, ...]]) -> None:
    context = multiprocessing.get_context("fork")  # locks and files alone: nothing of Numba's or torch's
    gate = context.Barrier(len(several))
    started = [context.Process(target=target, args=(*given, gate)) for given in several]
    for process in started:
        process.start()
    for process in started:
        process.join()
        assert process.exitcode == 0


def test_two_writers_lose_no_record(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    side_by_side(append, [(path, writer, 20) for writer in range(3)])
    found = [(record.config["writer"], record.config["index"]) for record in RecordFile(path)]
    assert sorted(found) == [(writer, index) for writer in range(3) for index in range(20)]
    for writer in range(3):  # in the order in which each wrote them
        assert [index for own, index in found if own == writer] == list(range(20))


def test_what_another_writer_has_recorded_is_not_recorded_again(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    side_by_side(append_once, [(path, 15) for _ in range(3)])
    assert sorted(record.config["cell"] for record in RecordFile(path)) == list(range(15))


def test_a_writer_that_does_not_end_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAIT", 0.2)
    path = tmp_path / "r.sqlite"
    with (
        locked(path, "writing", wait=0, held=RuntimeError()),
        pytest.raises(LockedError, match=r"r\.sqlite: another proc"),
    ):
        RecordFile(path).append({}, {}, 0.0)
    RecordFile(path).append({}, {}, 0.0)


def test_a_killed_writer_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    code = "import sys, time; from pathlib import Path; from localnoise.sims.results.locks import locked\n"
    code += (
        "with locked(Path(sys.argv[1]), 'writing', wait=0, held=OSError()): print('held', flush=True); time.sleep(99)"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
    RecordFile(path).append({}, {}, 0.0)


def keys(out: Path) -> list[str]:
    return [key(record.config) for record in RecordFile(out / "record.sqlite")]


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["worker", "manager"])
def test_compare_goes_on_when_a_process_of_its_own_is_killed(
    victim: str, small_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    killed: list[int] = []

    def kill() -> None:
        while not (tmp_path / "record.sqlite").exists():  # the first cell is recorded
            time.sleep(0.02)
        chosen = workers()[0 if victim == "manager" else -1]
        killed.append(chosen.pid)
        chosen.kill()

    killer = Thread(target=kill)
    killer.start()
    tasked.compared(small_dir, tmp_path)
    killer.join()
    said = capfd.readouterr()
    assert "killed from outside" in said.err
    assert "10 of 10 cells run" in said.out
    assert len(keys(tmp_path)) == len(set(keys(tmp_path))) == 10
    assert workers() == []


@pytest.mark.slow
def test_two_comparisons_in_one_folder_keep_each_cell_once(small_dir: Path, tmp_path: Path) -> None:
    command = [sys.executable, tasked.__file__, small_dir, tmp_path]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        told = process.communicate(timeout=900)[1]
        assert process.returncode == 0, told
    assert len(keys(tmp_path)) == len(set(keys(tmp_path))) == 10
