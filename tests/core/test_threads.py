"""The same numbers in children of a fork, from several Python threads, and on every one of Numba's thread layers."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

import localnoise as ln
from localnoise.kernels import threads

PROGRAM = """
import hashlib, multiprocessing, sys
from concurrent.futures import ThreadPoolExecutor
import numba, numpy as np
import localnoise as ln
from localnoise.hardware import Formats, quantise
from localnoise.hardware.surprise import quantise_surprise
from localnoise.kernels import threads
from localnoise.local import LocalLayer

def fitted(rule, signal):
    rng = np.random.default_rng(0)
    d, h = rng.normal(size=(2, 700, 2, 5, 5)).astype("f4")
    d += np.roll(d, 1, 3)
    grid = ln.UnitGrid(shape=(5, 5), channels=2, parents=3, signal=signal)
    return grid.learn(d, h if signal == "local" else None, rule=rule), d, h

def others(h):
    repair = ln.Repair(shape=(5, 5), channels=2, radius=1).learn("dim", 0.3 * h, h)
    surprise = ln.UnitGrid(shape=(5, 5), channels=2, parents=3).surprise(h)
    wide = ln.UnitGrid(shape=(5, 5), channels=2, parents=3, share="places", rank=1).learn(0.3 * h)
    local = LocalLayer((5, 5), 3, (2, 5, 5), classes=2).learn(h[:50], np.arange(50) % 2)
    chip, fine = quantise(repair), quantise_surprise(surprise, h)
    found = [*repair(0.3 * h), *chip(0.3 * h[:9]), surprise(h[:9]).image, fine(h[:9]).image, local.W]
    return [*found, wide.sample(40, seed=3), quantise(wide).sample(40, seed=3)]

def everything(_=None):
    found = []
    for rule in ("moments", "lms", "sign-lms"):
        for signal in ("none", "local"):
            grid, d, h = fitted(rule, signal)
            found += [grid.field.weights, grid.field.S, grid.sample(40, seed=3), grid.perturb(h), grid.pull_back(h)]
            found += [grid.mahalanobis(d), grid.log_density(d, h if signal == "local" else None), grid.covariance()]
    found += others(np.tanh(h[:600] + np.roll(h[:600], 1, 3)))
    large = ln.UnitGrid(shape=(128, 128), channels=4, order="raster")
    found += [large.sample(2), LARGE]
    chip = quantise(grid, Formats(weight_bits=8, word_bits=12), h=h)
    found += [chip.sample(40, seed=3), chip.perturb(h)]
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in found)).hexdigest()

LARGE = ln.UnitGrid(shape=(128, 128), channels=4).sample(1)

if __name__ == "__main__":
    own = everything()
    assert numba.threading_layer() == sys.argv[1], numba.threading_layer()
    threads._alone = True  # compiled once here, not once in each child
    assert everything() == own
    threads._alone = False
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(everything, range(2)).get(timeout=600) == [own] * 2
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(everything, range(3))) == [own] * 3
    numba.set_num_threads(1)
    assert everything() == own
    print("same")
"""


def layers() -> list[str]:
    """Return the thread layers that Numba has on this machine."""
    names = {"omp": "omppool", "tbb": "tbbpool", "workqueue": "workqueue"}
    return [layer for layer, module in names.items() if _loads(f"numba.np.ufunc.{module}")]


def _loads(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None and bool(__import__(module))
    except ImportError:  # built, but the library that it needs is not there
        return False


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("layer", layers())
def test_forked_children_and_threads_draw_the_same_numbers(layer: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = os.environ | {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2"}
    command = [sys.executable, str(program), layer]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
    assert done.stdout == "same\n", done.stderr


def test_every_system_has_a_layer() -> None:
    assert "workqueue" in layers()


@pytest.fixture
def two_workers():
    before = numba.get_num_threads()
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("one core")
    numba.set_num_threads(2)
    yield
    numba.set_num_threads(before)


def drawn() -> np.ndarray:
    return ln.UnitGrid(shape=(5, 5), channels=2).sample(300, seed=3)


@pytest.mark.parametrize("members", [0, 1, 2, 5])
def test_a_team_of_any_size_draws_the_same_numbers(members: int, two_workers: None) -> None:
    """A library may give fewer threads than it is asked for."""
    asked, own = [], drawn()

    def team(job, times):
        asked.append(times)
        for _ in range(members):
            job()

    with threads.on(team):
        assert np.array_equal(drawn(), own)
    drawn()
    assert asked == [2], "only within"


def test_what_a_team_raises_is_raised(two_workers: None) -> None:
    def team(job, times):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), threads.on(team):
        drawn()
    assert drawn().any()


def test_torchs_threads_draw_the_same_numbers(two_workers: None) -> None:
    torch = pytest.importorskip("torch")
    from localnoise.nn.team import torchs

    if torchs() is None:
        pytest.skip("torch has no OpenMP here whose threads can be used")
    own, ran = drawn(), []

    def team(job, times):
        def noted():
            ran.append(times)
            job()

        torchs()(noted, times)

    for _ in range(3):
        torch.rand(200, 200) @ torch.rand(200, 200)
        with threads.on(team):
            assert np.array_equal(drawn(), own)
    assert set(ran) == {2}

    def broken(worker, workers):
        raise ValueError(f"worker {worker}")

    with threads.on(torchs()), pytest.raises(ValueError, match="worker"):
        threads.Shared(broken)(parts=2)
