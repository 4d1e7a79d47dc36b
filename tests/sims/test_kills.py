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

from localnoise.errors import LockedError
from localnoise.sims.results import records as module
from localnoise.sims.results.locks import locked
from localnoise.sims.results.records import RecordFile, key


def workers() -> list[psutil.Process]:
    """Worker processes of this one, the first started first."""
    found = [p for p in psutil.Process().children(recursive=True) if any("spawn_main" in part for part in p.cmdline())]
    return sorted(found, key=psutil.Process.create_time)


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
def test_compare_goes_on_when_a_process_of_its_own_is_killed(
    small_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def kill() -> None:
        while not (tmp_path / "record.sqlite").exists():  # the first cell is recorded
            time.sleep(0.02)
        workers()[-1].kill()

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
