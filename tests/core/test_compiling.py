"""Who waits for a first call is told why: on a terminal, once, and only where Numba really compiles."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from localnoise.kernels.compiling import Announcer
from localnoise.kernels.normals import fill_normals

PROGRAM = """
import numpy as np
import localnoise as ln

ln.UnitGrid((4, 4), 2).learn(np.random.default_rng(0).normal(size=(300, 2, 4, 4)), rule="lms")
"""


def said(cache: Path) -> str:
    """What the program writes to its standard error, a terminal."""
    ours, theirs = pty.openpty()
    try:
        command = [sys.executable, "-c", PROGRAM]
        environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
        subprocess.run(command, check=True, stderr=theirs, env=environment, timeout=300)
        os.write(theirs, b"end")
        return os.read(ours, 4096).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def events(kernel: object) -> SimpleNamespace:
    """What Numba tells of a kernel that it compiles."""
    return SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=kernel)})


def test_a_long_compilation_is_announced_once(capsys: pytest.CaptureFixture[str]) -> None:
    announcer, ours = Announcer(patience=0.05), events(fill_normals.py_func)
    for _ in range(2):
        announcer.on_start(ours)
        announcer.on_start(ours)  # of a kernel that the first one calls
        time.sleep(0.3)
        announcer.on_end(ours)
        announcer.on_end(ours)
    assert capsys.readouterr().err.count("localnoise: compiling for this machine, once") == 1


def test_a_short_compilation_and_one_of_others_are_not_announced(capsys: pytest.CaptureFixture[str]) -> None:
    announcer = Announcer(patience=0.2)
    for one in (events(fill_normals.py_func), events(np.sum)):
        announcer.on_start(one)
        announcer.on_end(one)
    announcer.on_start(events(np.sum))
    time.sleep(0.5)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_compiling_is_announced_once_and_a_cached_kernel_is_not(tmp_path: Path) -> None:
    assert said(tmp_path).count("localnoise: compiling for this machine, once") == 1
    assert said(tmp_path) == "end"


@pytest.mark.slow
def test_nothing_is_said_where_nobody_reads(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, check=True, env=environment, timeout=300)
    assert done.stderr == b""


@pytest.mark.parametrize("threads", ["0", "-2"])
def test_no_threads_are_as_many_as_there_are(threads: str) -> None:
    code = "import localnoise as ln; print(ln.UnitGrid((3, 3)).sample(2).shape)"
    environment = os.environ | {"NUMBA_NUM_THREADS": threads}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "(2, 1, 3, 3)\n"
    assert f"NUMBA_NUM_THREADS='{threads}' is no number of threads: expected a whole number >= 1" in done.stderr
