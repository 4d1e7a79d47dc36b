"""The first call after installing: seconds until a grid of the paper's size has drawn or learned, compiling first.

Each is the first call of a process with an empty cache. Importing the package is not counted: it compiles nothing.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.row import Result

_PROGRAM = """
import time
import numpy as np
import localnoise as ln

d, h = np.random.default_rng(0).normal(size=(2, 64, 16, 14, 14)).astype(np.float32)
grid = ln.UnitGrid((14, 14), 16, signal=%r)
began, busy = time.perf_counter(), time.process_time()
%s
print(time.perf_counter() - began, time.process_time() - busy)
"""
_CALLS = {
    "sample": ("none", "grid.sample(64)"),
    "learn by moments": ("none", "grid.learn(d)"),
    "learn by lms": ("none", "grid.learn(d, rule='lms')"),
    "perturb": ("local", "grid.perturb(h)"),
}
_REPEATS = 3


def rows() -> Iterator[Result]:
    """Rows of the table: seconds, as multiples of one."""
    for name, call in _CALLS.items():
        times = [_once(*call) for _ in range(_REPEATS)]
        seconds, busy = (median(one) for one in zip(*times, strict=True))
        yield Result(
            name=f"first {name} of a fresh install", peer_name="one second", ours=seconds, peer=1.0, faster=False,
            bound=5, aim=1, repeats=_REPEATS, checked=f"{busy:.1f} s of the processor",
        )  # fmt: skip


def _once(signal: str, call: str) -> tuple[float, float]:
    """Seconds of a call, and of the processor, in a process of its own."""
    with TemporaryDirectory() as cache:
        environment = os.environ | {"NUMBA_CACHE_DIR": cache}
        command = [sys.executable, "-W", "ignore", "-c", _PROGRAM % (signal, call)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    wall, busy = map(float, done.stdout.split())
    return wall, busy
