"""The first call after installing: seconds until a grid of the paper's size has drawn or learned, compiling first.

Each is the first call of a process with an empty cache: of what a release's wheel installs, with kernels compiled ahead
for this Python and Numba (`make wheel`), and of the same without them. Importing the package is not counted.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.row import Result

_ROOT = Path(__file__).parents[1]
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
    with TemporaryDirectory() as folder:
        site = Path(folder)
        install(site)
        yield from _first(site, "a fresh install, no kernels ahead", ("sample", "perturb"), bound=5, aim=1)
        compile_ahead(site)
        yield from _first(site, "a fresh install", tuple(_CALLS), bound=5, aim=1)


def install(site: Path) -> None:
    """Copy the package as a wheel lays it out."""
    packages = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    for name, folder in packages.items():
        target = site.joinpath(*name.split("."))
        shutil.copytree(_ROOT / folder, target, ignore=shutil.ignore_patterns("__pycache__", "compiled"))


def compile_ahead(site: Path) -> None:
    """Compile the kernels that a release's wheel carries."""
    folder = site / "localnoise" / "kernels" / "compiled"
    _run(site, "-m", "localnoise.hardware.ahead", str(folder))


def _first(site: Path, what: str, calls: tuple[str, ...], *, bound: float, aim: float) -> Iterator[Result]:
    for name in calls:
        program = _PROGRAM % _CALLS[name]
        times = [tuple(map(float, _run(site, "-c", program).split())) for _ in range(_REPEATS)]
        seconds, busy = (median(one) for one in zip(*times, strict=True))
        yield Result(
            name=f"first {name} of {what}", peer_name="one second", ours=seconds, peer=1.0, faster=False,
            bound=bound, aim=aim, repeats=_REPEATS, checked=f"{busy:.1f} s of the processor",
        )  # fmt: skip


def _run(site: Path, *arguments: str) -> str:
    """Run a process of its own with an empty cache; return what it prints."""
    with TemporaryDirectory() as cache:
        environment = os.environ | {"NUMBA_CACHE_DIR": cache, "PYTHONPATH": str(site)}
        command = [sys.executable, "-W", "ignore", *arguments]
        return subprocess.run(command, env=environment, cwd=cache, capture_output=True, text=True, check=True).stdout
