"""Commands that write are killed at random moments: what was there or was to be is there, and nothing else after.

Interruptions (Ctrl-C) of `sample` as well, none of which may be lost.
"""

import json
import os
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
from localnoise.hardware import load_chip, load_chips, quantise
from localnoise.hardware.export import manifest

pytestmark = pytest.mark.slow
KILLS = 2  # of each command
CALLS = """
import sys
from pathlib import Path
from localnoise.sims.tools.{module} import {command} as command

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
    "quantise a repair": (
        "quantise",
        'command(Path("repair.h5"), Path("out"))',
        lambda path: load_chips(path).field.way.tobytes(),
    ),
    "audit": (
        "audit",
        'command("words.npy", Path("c.h5"), output=Path("out"), seed=8, figure=Path("audit.png"))',
        lambda path: json.loads(path.read_text())["sound"],
    ),
    "export": ("export", 'command(Path("c.h5"), Path("out"), force=True)', lambda path: manifest.read(path)["files"]),
    "fit": (
        "fit",
        'command(Path("out"), "rotate", cache=Path("networks"), epochs=1, keep=Path("kept.h5"), '
        'data="full", data_dir=Path("small"))',
        lambda path: ln.load(path).field.B.tobytes(),
    ),
}


@pytest.fixture
def place(small_dir: Path, tmp_path: Path) -> Path:
    (tmp_path / "small").symlink_to(small_dir)
    d = np.random.default_rng(0).normal(size=(4000, 4, 9, 9)).astype(np.float32)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["d"] = d
    grid = ln.UnitGrid((9, 9), 4).learn(d)
    grid.save(tmp_path / "g.h5")
    chip = quantise(grid)
    chip.save(tmp_path / "c.h5")
    np.save(tmp_path / "words.npy", chip.words(4000, seed=8))
    ln.Repair((9, 9), 4, radius=1).learn("dim", d[:1500] / 3, d[:1500]).save(tmp_path / "repair.h5")
    return tmp_path


def begun(command: str, place: Path) -> "subprocess.Popen[str]":
    module, call, _ = COMMANDS[command]
    pipe = subprocess.PIPE
    code = CALLS.format(module=module, command=command.split()[0], call=call)
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
    landed, tries = 0, 0
    while tries < KILLS or (not landed and tries < 4 * KILLS):  # beside other work a run may end before its kill
        tries += 1
        process = begun(command, place)
        go(process)
        time.sleep(rng.uniform(0.3, 1.0) * whole * min(1, KILLS / tries))
        process.send_signal(signal.SIGKILL)
        landed += process.wait() == -signal.SIGKILL
        assert read(place / "out") == expected
    assert landed, "every run ended before its kill"
    process = begun(command, place)
    go(process)
    assert process.wait() == 0
    assert read(place / "out") == expected
    assert ours(place) == []


def test_no_interruption_of_sample_is_lost(place: Path) -> None:
    rng, whole = random.Random(1), seconds("sample", place)
    expected, stopped = noise(place / "out"), 0
    for _ in range(KILLS):
        (place / "out").unlink(missing_ok=True)
        process = begun("sample", place)
        go(process)
        time.sleep(rng.uniform(0.2, 0.8) * whole)
        os.kill(process.pid, signal.SIGINT)
        if process.wait() == 0:  # it was done before the signal
            assert noise(place / "out") == expected
        else:
            assert process.returncode in (1, 130, -signal.SIGINT)
            if (place / "out").exists():  # it was written, and the signal came before the process ended
                assert noise(place / "out") == expected
            stopped += 1
        assert ours(place) == []
    assert stopped, "every run ended before its interruption"
