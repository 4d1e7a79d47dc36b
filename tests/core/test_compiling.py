"""Who waits for a first call is told why: on a terminal, once, and only where Numba really compiles."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_compiling_is_announced_once_and_a_cached_kernel_is_not(tmp_path: Path) -> None:
    assert said(tmp_path).count("localnoise: compiling for this machine, once") == 1
    assert said(tmp_path) == "end"


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
