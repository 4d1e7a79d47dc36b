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


DRAWS = """
import sys
import numba
numba.__version__ = sys.argv[1] or numba.__version__
import numpy as np
import localnoise as ln
from localnoise.kernels import flags

d, h = np.random.default_rng(0).normal(size=(2, 200, 2, 4, 4)).astype("f4")
grid = ln.UnitGrid((4, 4), 2, parents=2, signal="local").learn(d, h)
drawn, seen = grid.perturb(h, seed=3)[:9], grid.innovations(d, h)[:9]
print(flags._linked is not None, drawn.tobytes().hex(), seen.tobytes().hex())
"""


@pytest.mark.slow
def test_under_a_numba_whose_insides_are_unknown_kernels_give_the_same_bits(tmp_path: Path) -> None:
    found = {}
    for version in ("", "0.61.2"):
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / f"cache{version}")}
        command = [sys.executable, "-W", "ignore", "-c", DRAWS, version]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=600)
        linked, found[version] = done.stdout.split(" ", 1)
        assert linked == str(version == "")
    assert found[""] == found["0.61.2"]


@pytest.mark.parametrize("threads", ["0", "-2"])
def test_no_threads_are_as_many_as_there_are(threads: str) -> None:
    code = "import localnoise as ln; print(ln.UnitGrid((3, 3)).sample(2).shape)"
    environment = os.environ | {"NUMBA_NUM_THREADS": threads}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "(2, 1, 3, 3)\n"
    assert f"NUMBA_NUM_THREADS='{threads}' is no number of threads: expected a whole number >= 1" in done.stderr
