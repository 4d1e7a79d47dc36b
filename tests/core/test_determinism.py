"""A draw is a pure function of (seed, position); learning of its data. Threads, tiles and chunks change no bit."""

import itertools
import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.pairwise

two_threads = pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two threads")


@pytest.fixture(scope="module")
def grid(build):
    return build((3, 4), 3, signal="local")


@pytest.fixture(scope="module")
def stream(grid):
    """300 draws, and the activations that go with them."""
    h = np.random.default_rng(0).normal(size=(300, 3, 3, 4)).astype(np.float32)
    return {"h": h, "sample": grid.sample(300, seed=8), "perturb": grid.perturb(h, seed=8)}


@two_threads
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 40, 300, 1000])
def test_thread_counts_do_not_matter(build, white, threads, wiring, count, dtype):
    """1,000 draws are tiles of 128 for one thread and for two; 40 are one tile of 48, or two of 32."""
    grid = build(channels=3, dtype=dtype, **wiring)
    signal = wiring["signal"] == "local"
    h, d = white(grid, count), white(grid, count, seed=2)
    results = []
    for workers in (1, 2):
        threads(workers)
        learned = build(channels=3, dtype=dtype, **wiring)
        for rule in ("moments", "lms", "sign-lms"):
            learned.learn(d, h if signal else None, rule=rule)
        results.append(
            [
                grid.sample(count),
                grid.perturb(h),
                grid.mean(h),
                grid.pull_back(d),
                grid.innovations(d, h if signal else None),
                grid.mahalanobis(d, through_mean=True),
                grid.covariance(),
                learned.field.G,
                learned.field.B,
                learned.field.S,
            ]
        )
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


@two_threads
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_a_few_samples_are_drawn_unit_by_unit_on_all_cores(build, white, threads, wiring, monkeypatch, count, channels):
    """Front after front of units whose parents are done, instead of sample by sample: the same bits."""
    grid = build((6, 7), channels, **wiring)
    h = white(grid, count)
    expected = [grid.sample(count, start=5), grid.perturb(h), grid.mean(h)]
    units, starts = grid.field.fronts
    generation = np.empty(42, int)
    generation[units] = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    for u, parents in enumerate(grid.field.parents):
        assert all(generation[p] < generation[u] for p in parents if p >= 0)
    monkeypatch.setattr("localnoise.drawing._LARGE", 1)
    for workers in (1, 2):
        threads(workers)
        for drawn, tiled in zip([grid.sample(count, start=5), grid.perturb(h), grid.mean(h)], expected, strict=True):
            np.testing.assert_array_equal(drawn, tiled)


@pytest.mark.parametrize("boundary", ["clipped", "periodic"])
@pytest.mark.parametrize("signal", ["none", "local"])
def test_a_ring_of_the_last_units_gives_the_same_draw(build, white, boundary, signal):
    """A raster of 30 x 9 units looks 10 units back and holds 64 of 270; on a torus, 269 back, it holds all."""
    grid = build((30, 9), 3, order="raster", radius=1, boundary=boundary, signal=signal)
    h = white(grid, 20)
    assert grid.field.ring == (63 if boundary == "clipped" else -1)
    short = [grid.sample(20), grid.perturb(h)]
    vars(grid.field)["ring"] = -1
    for ring, whole in zip(short, [grid.sample(20), grid.perturb(h)], strict=True):
        np.testing.assert_array_equal(ring, whole)


def test_another_process_draws_the_same(grid, stream, tmp_path):
    """And with another number of threads at its start."""
    grid.save(tmp_path / "grid.h5")
    code = "import localnoise as ln; print(ln.load('grid.h5').sample(300, seed=8).tobytes().hex()[:4000])"
    env = os.environ | {"NUMBA_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == stream["sample"].tobytes().hex()[:4000], done.stderr


@given(cuts=st.lists(st.integers(0, 300), max_size=4))
@examples(40, derandomize=True)
def test_a_stream_can_be_cut_anywhere(grid, stream, cuts):
    edges = [0, *sorted(cuts), 300]
    pieces = list(itertools.pairwise(edges))
    drawn = [grid.sample(b - a, seed=8, start=a) for a, b in pieces]
    np.testing.assert_array_equal(np.concatenate(drawn), stream["sample"])
    perturbed = [grid.perturb(stream["h"][a:b], seed=8, start=a) for a, b in pieces]
    np.testing.assert_array_equal(np.concatenate(perturbed), stream["perturb"])


@given(st.lists(st.integers(0, 299), max_size=40))
@examples(40, derandomize=True)
def test_positions_can_be_named_in_any_order(grid, stream, positions):
    at = np.array(positions, dtype=np.int64)
    np.testing.assert_array_equal(grid.sample(len(at), seed=8, start=at), stream["sample"][at])
    np.testing.assert_array_equal(grid.perturb(stream["h"][at], seed=8, start=at), stream["perturb"][at])


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 128, 129])
def test_the_first_k_of_a_longer_draw(grid, stream, count):
    drawn = grid.sample(count, seed=8)
    assert drawn.shape == (count, 3, 3, 4)
    np.testing.assert_array_equal(drawn, stream["sample"][:count])


def test_every_draw_differs(stream):
    flat = stream["sample"].reshape(300, -1)
    assert len(np.unique(flat, axis=0)) == 300
    assert not np.array_equal(stream["sample"], stream["perturb"])


@pytest.mark.parametrize("dtype", [np.uint64, np.int32, np.uint8])
def test_positions_of_any_integer_dtype(grid, stream, dtype):
    np.testing.assert_array_equal(
        grid.sample(3, seed=8, start=np.array([7, 2, 200], dtype)), stream["sample"][[7, 2, 200]]
    )


def test_far_positions_are_reached_directly(grid):
    last = 2**63 - 5
    np.testing.assert_array_equal(grid.sample(5, start=last)[3:], grid.sample(2, start=last + 3))


@pytest.mark.parametrize("seed", [0, np.uint64(5), 2**64 - 1])
def test_seeds_of_any_integer_type(grid, seed):
    np.testing.assert_array_equal(grid.sample(2, seed=seed), grid.sample(2, seed=int(seed)))


def test_a_draw_is_written_where_the_caller_says(grid, stream):
    memory = np.full((40, 3, 3, 4), np.nan, np.float32)
    assert grid.sample(40, seed=8, out=memory) is not None
    np.testing.assert_array_equal(memory, stream["sample"][:40])
    drawn = grid.perturb(stream["h"][:40], seed=8, out=memory)
    assert np.shares_memory(drawn, memory)
    np.testing.assert_array_equal(memory, stream["perturb"][:40])


def test_a_grid_is_not_changed_by_drawing(grid, stream):
    np.testing.assert_array_equal(grid.sample(300, seed=8), stream["sample"])
    grid.normalise(1.0)
    changed = grid.sample(300, seed=8)
    assert (changed != stream["sample"]).any()


def test_samples_belong_to_the_caller(grid):
    """Writing into a result changes no later one."""
    first = grid.sample(3)
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(grid.sample(3), kept)
