"""Kernels compiled ahead: finished on this machine as if just compiled; never stale, never trusted when damaged."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from toy import INNER, MAIN, PARTS, Toy

from localnoise.kernels import flags

pytestmark = pytest.mark.skipif(not flags._WHOLE, reason="another Numba: kernels are compiled as Numba does")

ROOT = Path(__file__).parents[2]
COUNTED = """
from pathlib import Path
from numba.core import event
from localnoise.kernels import ahead

made = event.install_recorder("numba:compile")
recorder = made.__enter__()
ahead.FOLDER = Path(__file__).parents[1] / "ahead"
"""
KEPT = """
from pathlib import Path
from localnoise.kernels import ahead

ahead.keep_in(Path(__file__).parents[1] / "ahead")
"""


class Shipped(Toy):
    """A toy whose kernels were compiled ahead by a process that had a cache of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ahead, main = folder / "ahead", self.folder / MAIN
        main.write_text(KEPT + PARTS[MAIN])
        assert self.run() == (20.0, 0, "")
        shutil.rmtree(self.cache)
        ours = "len([one for _, one in recorder.buffer if 'outer' in str(one.data['dispatcher'])]) // 2"
        main.write_text(COUNTED + PARTS[MAIN].replace("len(outer.stats.cache_hits)", ours))

    def compiled(self, **environment: str) -> tuple[float, int]:
        """Return what the outer kernel gives, and how often it was compiled for that."""
        return self.run(**environment)[:2]


@pytest.fixture
def shipped(tmp_path: Path) -> Shipped:
    return Shipped(tmp_path)


def test_what_was_compiled_ahead_is_finished_and_kept(shipped):
    assert list(shipped.ahead.rglob("outer*.bc"))
    assert shipped.compiled() == (20.0, 0)
    assert [file for file in shipped.files if file.name.startswith("outer")], "this machine's cache has it now"
    shutil.rmtree(shipped.ahead)
    assert shipped.compiled() == (20.0, 0)
    shutil.rmtree(shipped.cache)
    assert shipped.compiled() == (20.0, 1)


def test_an_edit_of_a_callee_makes_it_useless(shipped):
    inner = shipped.folder / INNER
    inner.write_text(inner.read_text().replace("x + 1", "x + 2"))
    assert shipped.compiled() == (30.0, 1)


@pytest.mark.parametrize(
    "damage", ["a bit", *(pytest.param(more, marks=pytest.mark.slow) for more in ("half", "empty"))]
)
def test_a_damaged_file_is_not_used(shipped, damage):
    for file in shipped.ahead.rglob("*.bc"):
        content = file.read_bytes()
        whole = content[:-1] + bytes([content[-1] ^ 1])
        file.write_bytes({"a bit": whole, "half": content[: len(content) // 2], "empty": b""}[damage])
    assert shipped.compiled() == (20.0, 1)


@pytest.mark.parametrize(
    "processor", ["x86-64-v3", *(pytest.param(more, marks=pytest.mark.slow) for more in ("x86-64", "skylake-avx512"))]
)
@pytest.mark.slow
def test_each_processor_finishes_it_for_itself(shipped, processor):
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("processors of another kind")
    assert shipped.compiled(NUMBA_CPU_NAME=processor, NUMBA_CPU_FEATURES="") == (20.0, 0)


@pytest.mark.slow
def test_an_option_that_changes_what_is_compiled_makes_it_useless(shipped):
    assert shipped.compiled(NUMBA_BOUNDSCHECK="1") == (20.0, 1)


def test_nothing_need_be_written(shipped):
    shipped.cache.write_text("no folder")
    for file in shipped.ahead.rglob("*"):
        file.chmod(0o555 if file.is_dir() else 0o444)
    value, compiled, said = shipped.run()
    assert (value, compiled) == (20.0, 0)
    assert said.count("compiled kernels cannot be kept in") == 1


DRAWN = """
import hashlib, sys
import numpy as np
from numba.core import event
import localnoise as ln
from localnoise.hardware import quantise

with event.install_recorder("numba:compile") as recorder:
    d, h = np.random.default_rng(0).normal(size=(2, 64, 8, 6, 7)).astype(np.float32)
    grid, read = ln.UnitGrid((6, 7), 8, parents=4).learn(d), ln.UnitGrid((6, 7), 8, parents=4, signal="local")
    drawn = grid.sample(40), read.learn(d, h).perturb(h), ln.UnitGrid((6, 7), 1).sample(9), quantise(grid).sample(40)
    found = [*drawn, grid.mahalanobis(d), read.learn(d, h, rule="lms").mean(h)]
print(sum("localnoise" in str(one.data["dispatcher"].py_func.__module__) for _, one in recorder.buffer))
print([hashlib.sha256(np.ascontiguousarray(one).tobytes()).hexdigest() for one in found])
"""


@pytest.mark.slow
def test_a_wheel_with_kernels_draws_the_same_and_compiles_none(tmp_path):
    source, site, away = tmp_path / "source", tmp_path / "site", tmp_path / "away"
    away.mkdir()
    kept = ("localnoise", "hardware", "sims", "pyproject.toml", "setup.py", "README.md", "LICENSE")
    for part in kept:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        source.mkdir(exist_ok=True)
        copy(ROOT / part, source / part)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    subprocess.run(build, env=os.environ | {"LOCALNOISE_AHEAD": "1"}, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(site), wheel]
    subprocess.run(install, check=True)

    def drawn() -> list[str]:
        environment = os.environ | {"PYTHONPATH": str(site), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        command = [sys.executable, "-W", "ignore", "-c", DRAWN]
        done = subprocess.run(command, cwd=away, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    ahead = drawn()
    assert ahead[0] == "0"
    shutil.rmtree(tmp_path / "cache")
    shutil.rmtree(site / "localnoise" / "kernels" / "compiled")
    whole = drawn()
    assert int(whole[0]) > 0
    assert whole[1] == ahead[1]
