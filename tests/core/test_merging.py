"""Grids that learned apart are as one that learned everything, whatever the order of the parts."""

import dask.array as da
import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError, ForgottenWarning

SHAPE, CHANNELS = (4, 5), 2


def displaced(count, seed=0):
    rng = np.random.default_rng(seed)
    h = np.tanh(rng.normal(size=(count, CHANNELS, *SHAPE)).cumsum(axis=3)).astype(np.float32)
    return (0.3 * h + 0.1 * rng.normal(size=h.shape).cumsum(axis=2)).astype(np.float32), h


def grid(signal="none", **options):
    return ln.UnitGrid(SHAPE, CHANNELS, signal=signal, **options)


def close(one, other):
    """Blocks that are no multiples of 1,024 cut the sums in float32 elsewhere: 2^-24 of 1,024 terms of either sign."""
    scale = np.abs(other.state["pairs"]).max()
    return np.abs(one.state["pairs"] - other.state["pairs"]).max() < 2e-6 * scale


def given(signal, d, h):
    return (d, h) if signal == "local" else (d,)


@pytest.mark.parametrize("options", [{}, {"order": "raster", "radius": 1}, {"rank": 1}, {"share": "places"}])
@pytest.mark.parametrize("signal", ["none", "local"])
def test_parts_in_any_order_are_the_whole(signal, options):
    """Sums of float64: an entry moves by (parts - 1) roundings of its terms' magnitudes at most."""
    d, h = displaced(4096)
    whole = grid(signal, **options).learn(*given(signal, d, h))
    cuts = [slice(0, 1024), slice(1024, 2048), slice(2048, 3072), slice(3072, 4096)]
    for order in ((0, 1, 2, 3), (2, 0, 3, 1)):
        parts = [grid(signal, **options).learn(*given(signal, d[cuts[k]], h[cuts[k]])) for k in order]
        merged = grid(signal, **options).merge(*parts)
        assert merged.state["seen"] == 4096
        large = np.abs(whole.state["pairs"]).max() * 4
        assert np.abs(merged.state["pairs"] - whole.state["pairs"]).max() <= 3 * 2.0**-53 * large
        assert np.allclose(merged.sample(20, seed=3), whole.sample(20, seed=3), atol=1e-5)
        assert merged.rule == whole.rule


def test_a_grid_that_learned_goes_on_after_others_joined_it():
    d, _ = displaced(3000)
    one = grid().learn(d[:1000]).merge(grid().learn(d[1000:2000])).learn(d[2000:])
    assert np.allclose(one.field.B, grid().learn(d).field.B, atol=1e-6)
    assert one.state["seen"] == 3000
    assert one.field.gain[0] == 1


def test_others_are_left_as_they_were_and_a_failed_merge_changes_nothing():
    d, _ = displaced(2000)
    here, there = grid().learn(d[:1000]), grid().learn(d[1000:])
    before, own = there.state["pairs"].copy(), here.state["pairs"].copy()
    here.merge(there)
    assert np.array_equal(there.state["pairs"], before)
    wrong = ln.UnitGrid(SHAPE, CHANNELS, order="raster", radius=1).learn(d)
    kept = here.field.B.copy()
    with pytest.raises(ArgumentError, match="other wires"):
        here.merge(there, wrong)
    assert np.array_equal(here.field.B, kept)
    assert not np.array_equal(here.state["pairs"], own)


@pytest.mark.parametrize("signal", ["none", "local"])
def test_dask_arrays_are_learned_block_by_block(signal):
    d, h = displaced(1500)
    blocks = [da.from_array(x, chunks=((400, 0, 700, 400), 1, 2, 5)) for x in (d, h)]
    seen = []
    one = grid(signal).learn(*given(signal, *blocks), progress=lambda done, total: seen.append((done, total)))
    whole = grid(signal).learn(*given(signal, d, h))
    assert seen == [(1500, 1500)]
    assert one.state["seen"] == 1500
    assert close(one, whole)
    assert np.allclose(one.sample(20, seed=3), whole.sample(20, seed=3), atol=1e-5)


@pytest.mark.slow
def test_processes_of_a_cluster_learn_one_grid():
    """Each block is summed in a process of its own, the sums travel."""
    from distributed import Client, LocalCluster

    d, h = displaced(3000)
    whole = grid("local").learn(d, h)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster),
    ):
        one = grid("local").learn(da.from_array(d, chunks=(500, 2, 4, 5)), da.from_array(h, chunks=(500, 2, 4, 5)))
    assert one.state["seen"] == 3000
    assert close(one, whole)
    assert np.allclose(one.field.G, whole.field.G, atol=1e-4)


def bad(d):
    unknown = da.from_array(d, chunks=200)
    return unknown[unknown[:, 0, 0, 0] > 0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda g, d: g.merge(), "given no grids"),
        (lambda g, d: g.merge(g), "the grid itself"),
        (lambda g, d: g.merge("grid.h5"), "is str"),
        (lambda g, d: g.merge(grid()), "no statistics"),
        (lambda g, d: g.merge(grid().learn(d, rule="lms")), "cannot be joined"),
        (lambda g, d: g.merge(ln.UnitGrid((5, 4), 2).learn(d.transpose(0, 1, 3, 2))), "expected the shape"),
        (lambda g, d: g.merge(ln.UnitGrid(SHAPE, 2, dtype="float64").learn(d)), "dtype"),
        (lambda g, d: g.merge(grid(parents=2).learn(d)), "other wires"),
        (lambda g, d: grid(parents="auto").merge(g), "is not chosen yet"),
        (lambda g, d: grid().learn(da.from_array(d), rule="lms"), "cannot be joined"),
        (lambda g, d: grid().learn(da.from_array(d), ridge="auto"), "ridge='auto' with a dask array"),
        (lambda g, d: grid("local").learn(da.from_array(d), d), "expected a dask array"),
        (lambda g, d: grid().learn(da.from_array(d), d), "h was given"),
        (lambda g, d: grid().learn(da.from_array(d)[:, :1]), "d has shape"),
        (lambda g, d: grid().learn(da.from_array(d)[:0]), "0 samples"),
        (lambda g, d: grid().learn(bad(d)), "unknown length"),
        (lambda g, d: grid().learn(da.from_array(np.full_like(d, np.nan))), "NaN"),
    ],
)
def test_bad_input_is_one_sentence(call, words):
    d, _ = displaced(900)
    learned = grid().learn(d)
    with pytest.raises(ArgumentError, match=words) as caught:
        call(learned, d)
    assert "\n" not in str(caught.value)


def test_blocks_that_lie_elsewhere_forget_no_grid_in_silence(tmp_path):
    d, _ = displaced(600)
    small = ln.load(grid().learn(d).save(tmp_path / "small.h5", state=False))
    with pytest.warns(ForgottenWarning, match="rule 'moments' begins anew"):
        small.learn(da.from_array(d, chunks=(300, *d.shape[1:])))
    assert small.state["seen"] == 600
