"""Commands that write are killed at random moments: what was there or was to be is there, and nothing else after."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import localnoise as ln
from localnoise.hardware import load_chip

pytestmark = pytest.mark.slow
KILLS = 5  # of each command
CALLS = """
import sys
from pathlib import Path
from localnoise.sims.{module} import {command} as command

print("ready", flush=True)
sys.stdin.readline()
{call}
"""


def noise(path: Path) -> object:
    with h5py.File(path) as file:
        return file["noise"][:].tobytes()


COMMANDS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "learn": ("learn", 'command(Path("d.h5"), Path("out"))', lambda path: ln.load(path).field.B.tobytes()),
    "sample": ("sample", 'command(Path("g.h5"), Path("out"), count=40_000)', noise),
    "quantise": ("quantise", 'command(Path("g.h5"), Path("out"))', lambda path: load_chip(path).field.B.tobytes()),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    d = np.random.default_rng(0).normal(size=(4000, 4, 9, 9)).astype(np.float32)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["d"] = d
    grid = ln.UnitGrid((9, 9), 4).learn(d)
    grid.save(tmp_path / "g.h5")
    return tmp_path


def begun(command: str, place: Path) -> "subprocess.Popen[str]":
    module, call, _ = COMMANDS[command]
    pipe = subprocess.PIPE
    code = CALLS.format(module=module, command=command, call=call)
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=place, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: "subprocess.Popen[str]") -> float:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return time.perf_counter()


def seconds(command: str, place: Path) -> float:
    """How long a run takes whose kernels are compiled."""
    for _ in range(2):
        process = begun(command, place)
        began = go(process)
        assert process.wait() == 0
    return time.perf_counter() - began


def ours(place: Path) -> list[str]:
    """Temporaries, and whatever a command has been seen to leave."""
    return sorted(path.name for path in place.rglob(".*"))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_kill_leaves_the_old_or_the_new(place: Path, command: str) -> None:
    read, whole = COMMANDS[command][2], seconds(command, place)
    expected, rng = read(place / "out"), random.Random(0)
    landed = 0
    for _ in range(KILLS):
        process = begun(command, place)
        go(process)
        time.sleep(rng.uniform(0.3, 1.0) * whole)
        process.send_signal(signal.SIGKILL)
        landed += process.wait() == -signal.SIGKILL
        assert read(place / "out") == expected
    assert landed, "every run ended before its kill"
    process = begun(command, place)
    go(process)
    assert process.wait() == 0
    assert read(place / "out") == expected
    assert ours(place) == []
