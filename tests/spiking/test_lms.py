"""`lms` as synaptic plasticity in Brian2 learns what the grid's own kernel learns, from what a synapse can see."""

from dataclasses import asdict

import numpy as np
import pytest
from brian2 import ms, mV

import localnoise as ln
from localnoise.errors import ArgumentError, TooLargeError
from localnoise.spiking.lms import learn_lms
from localnoise.spiking.lms_network import SynapticLMS
from localnoise.spiking.target import on

GRIDS = {
    "raster": {"order": "raster", "radius": 1},
    "multiscale": {"order": "multiscale", "parents": 3},
    "periodic": {"order": "raster", "radius": 1, "boundary": "periodic"},
    "signal": {"order": "multiscale", "parents": 3, "signal": "local"},
    "own signal": {"order": "raster", "radius": 1, "signal": "local", "signal_radius": 0},
}
SHAPE, CHANNELS = (3, 4), 2
RULE = ln.LMS(rate=0.2, floor=0.01, memory=2.0, ridge=1e-3)


def untaught(name, dtype="float64"):
    return ln.UnitGrid(SHAPE, CHANNELS, dtype=dtype, **GRIDS[name])


def stream(count, seed=0):
    rng = np.random.default_rng(seed)
    d, h = rng.normal(size=(2, count, CHANNELS, *SHAPE))
    return d + 0.8 * np.roll(d, 1, 2) + 0.6 * np.roll(d, 1, 3) + 0.5 * np.roll(d, 1, 1) + 0.4 * h + 0.2, h


def read(grid, h):
    return h if grid.field.signal else None


def check_equal(found, expected, dtype="float64"):
    """Numbers of order 1 to 10 after at most 100 steps, each of which contracts: 1e3 units in the last place."""
    atol = 1e3 * np.finfo(dtype).eps
    for name in ("a", "G", "B", "S", "gain"):
        actual = getattr(found.field, name)
        np.testing.assert_allclose(actual, getattr(expected.field, name), rtol=0, atol=atol, err_msg=name)
        assert actual.dtype == dtype
    assert found.state["seen"] == expected.state["seen"]
    for name in ("W", "W_mean", "residual", "power"):
        np.testing.assert_allclose(found.state[name], expected.state[name], rtol=0, atol=10 * atol, err_msg=name)


@pytest.mark.parametrize("name", GRIDS)
def test_it_learns_what_the_kernel_learns(name):
    d, h = stream(60)
    grid = untaught(name)
    found = learn_lms(grid, d, read(grid, h), RULE, target="numpy")
    assert not grid.field.B.any()  # left as it was
    assert found.config == grid.config
    check_equal(found, grid.learn(d, read(grid, h), rule=RULE))
    assert np.abs(found.field.B).max() > 0.1


@pytest.mark.toolchain
@pytest.mark.parametrize(("target", "name"), [("cython", "raster"), ("cpp_standalone", "signal")])  # to compile less
def test_compiled_targets_learn_the_same(target, name):
    d, h = stream(60)
    grid, told = untaught(name), []
    found = learn_lms(grid, d, read(grid, h), RULE, target=target, progress=lambda *heard: told.append(heard))
    check_equal(found, grid.learn(d, read(grid, h), rule=RULE))
    assert told[-1] == (60, 60)


def test_own_wires_are_kept():
    d, h = stream(60)
    grid = untaught("signal")
    parents, readers = grid.field.parents, grid.field.readers
    parents[:, :-1], parents[:, -1], readers[2, 1] = parents[:, 1:].copy(), -1, -1
    found = learn_lms(grid, d, h, RULE, target="numpy")
    np.testing.assert_array_equal(found.field.parents, parents)
    check_equal(found, grid.learn(d, h, rule=RULE))


def test_a_float32_grid_learns_to_its_own_rounding():
    d, _ = stream(60)
    grid = untaught("raster", "float32")
    check_equal(learn_lms(grid, d, rule=RULE, target="numpy"), grid.learn(d, rule=RULE), "float32")


@pytest.mark.parametrize("first", ["here", "there"])
def test_either_goes_on_where_the_other_stopped(first):
    d, h = stream(50)
    whole = untaught("signal").learn(d, h, rule=RULE)
    if first == "here":
        found = learn_lms(untaught("signal"), d[:20], h[:20], RULE, target="numpy").learn(d[20:], h[20:], rule=RULE)
    else:
        begun = untaught("signal").learn(d[:20], h[:20], rule=RULE)
        found = learn_lms(begun, d[20:], h[20:], RULE, target="numpy")
    check_equal(found, whole)


def test_another_rule_s_weights_are_where_it_starts():
    d, h = stream(200)
    grid = untaught("signal").learn(d, h)
    found = learn_lms(grid, d[:10], h[:10], RULE, target="numpy")
    check_equal(found, grid.learn(d[:10], h[:10], rule=RULE))


def test_a_single_unit_without_parents_learns_its_spread():
    d = stream(30)[0][:, :, :1, :1]
    found = learn_lms(ln.UnitGrid((1, 1), CHANNELS, dtype="float64"), d, rule=RULE, target="numpy")
    check_equal(found, ln.UnitGrid((1, 1), CHANNELS, dtype="float64").learn(d, rule=RULE))


def test_the_duration_of_a_presentation_changes_nothing():
    d, _ = stream(40)
    one, other = (learn_lms(untaught("raster"), d, rule=RULE, dt=dt, target="numpy") for dt in (1 * ms, 0.3 * ms))
    np.testing.assert_array_equal(one.field.B, other.field.B)
    np.testing.assert_array_equal(one.field.S, other.field.S)


def test_it_converges_to_the_regression_as_one_over_root_t():
    """The regression of each unit on its parents over the same draws, by the normal equations."""
    truth = ln.UnitGrid((2, 2), 3, order="raster", radius=1, dtype="float64")
    parents, rng = truth.field.parents, np.random.default_rng(0)
    there = np.repeat(parents >= 0, 3, axis=1)[:, None]
    truth.field.B[:] = rng.normal(0, 0.25, truth.field.B.shape) * there
    d, error = truth.sample(6400, seed=1), {}
    for T in (100, 6400):
        found = learn_lms(ln.UnitGrid((2, 2), 3, order="raster", radius=1, dtype="float64"), d[:T], target="numpy")
        flat, squares = d[:T].reshape(T, 3, 4), []
        for unit in range(4):
            above = parents[unit][parents[unit] >= 0]
            z = flat[:, :, above].transpose(0, 2, 1).reshape(T, -1)
            B, *_ = np.linalg.lstsq(z, flat[:, :, unit], rcond=None)
            squares.append(np.square(found.field.B[unit][:, there[unit, 0]] - B.T).ravel())
        error[T] = np.sqrt(np.concatenate(squares).mean())
    assert error[6400] < error[100] / 4  # an eighth is expected; over seeds it is a fifth to a seventh
    np.testing.assert_allclose(
        found.field.S, truth.field.S, atol=0.06
    )  # five standard errors of a second moment's root


@pytest.mark.parametrize("name", ["raster", "signal"])
def test_a_unit_learns_from_itself_and_its_neighbours_alone(name):
    d, h = stream(30)
    grid, changed = untaught(name), 6
    heard = (grid.field.parents == changed).any(1)
    heard[changed] = True
    other = d.copy()
    other.reshape(30, CHANNELS, -1)[:, :, changed] += np.random.default_rng(1).normal(size=(30, CHANNELS))
    one, two = (learn_lms(grid, values, read(grid, h), RULE, target="numpy").field for values in (d, other))
    for part in ("a", "G", "B", "S"):
        before, after = getattr(one, part), getattr(two, part)
        np.testing.assert_array_equal(after[~heard], before[~heard])
    assert all((two.S[u] != one.S[u]).any() for u in np.flatnonzero(heard))
    assert 1 < heard.sum() < len(heard)


def test_a_unit_reads_the_activation_of_its_readers_alone():
    d, h = stream(30)
    grid, changed = untaught("signal"), 0
    heard = (grid.field.readers == changed).any(1)
    other = h.copy()
    other.reshape(30, CHANNELS, -1)[:, :, changed] += 1.0
    one, two = (learn_lms(grid, d, values, RULE, target="numpy").field for values in (h, other))
    np.testing.assert_array_equal(two.G[~heard], one.G[~heard])
    assert all((two.G[u] != one.G[u]).any() for u in np.flatnonzero(heard))
    assert 1 < heard.sum() < len(heard)


def test_without_the_residual_the_weights_are_the_same():
    d, h = stream(20)
    states = []
    for residual in (True, False):
        with on("numpy"):
            synaptic = SynapticLMS(untaught("signal"), d, h, RULE, residual=residual)
            synaptic.run()
            states.append(synaptic.state())
    np.testing.assert_array_equal(states[1]["W_mean"], states[0]["W_mean"])
    assert "residual" not in states[1]


D = np.zeros((5, CHANNELS, *SHAPE))
BAD = [
    ({"dt": 1e-3}, r"dt=0\.001 has no unit: expected a time, such as 1\. ms"),
    ({"dt": 1 * mV}, r"dt=.* is in V: expected a time"),
    ({"dt": 0 * ms}, "dt=0.*and > 0"),
    ({"d": D[0]}, r"d has shape \(2, 3, 4\): expected \(T, 2, 3, 4\).*pass d\[None\]"),
    ({"d": D[:0]}, "d has 0 samples: expected at least 1"),
    ({"d": D + np.nan}, "d has 120 values that are NaN"),
    ({"d": D.astype(complex)}, "d has dtype complex128: expected real numbers"),
    ({"d": iter([D])}, "d has"),
    ({"h": D}, "h was given, but signal='none'"),
    ({"grid": untaught("signal")}, "h is missing, but signal='local'"),
    ({"grid": untaught("signal"), "h": D[:4]}, "h has 4 presentations, d has 5"),
    ({"grid": "grid.h5"}, "grid is str: expected a UnitGrid"),
    ({"rule": "lms"}, r"rule='lms': expected an LMS.*LMS\(rate="),
    ({"rule": ln.Moments()}, "expected an LMS"),
    ({"target": "c++"}, "target='c\\+\\+': expected one of"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input_is_one_clear_sentence(change, message):
    arguments = {"grid": untaught("raster"), "d": D, "h": None, "target": "numpy"} | change
    with pytest.raises(ArgumentError, match=message):
        learn_lms(**arguments)


def test_too_large_is_refused_before_anything_is_built():
    with pytest.raises(TooLargeError, match=r"24 neurons and .* synapses would take .*raise max_bytes"):
        learn_lms(untaught("raster"), D, target="numpy", max_bytes=1000)
    large = ln.UnitGrid((256, 256), 16, order="raster", radius=1)
    with pytest.raises(TooLargeError, match=r"1,048,576 neurons"):
        learn_lms(large, np.broadcast_to(np.float32(0), (1, 16, 256, 256)), target="numpy")


def test_a_singular_residual_is_refused_as_by_the_grid():
    d = np.zeros((5, CHANNELS, *SHAPE))
    rule = ln.LMS(ridge=0.0)
    with pytest.raises(ArgumentError, match="ridge=0: the second moment of unit 0") as ours:
        learn_lms(untaught("raster"), d, rule=rule, target="numpy")
    with pytest.raises(ArgumentError) as grids:
        untaught("raster").learn(d, rule=rule)
    assert str(ours.value) == str(grids.value)


def test_what_was_learned_is_said_in_the_file(tmp_path):
    found = learn_lms(untaught("raster"), stream(5)[0], target="numpy")
    again = ln.load(found.save(tmp_path / "grid.h5"))
    assert "Brian2" in again.provenance["learned by"]
    assert asdict(again.config) == asdict(found.config)
    np.testing.assert_array_equal(again.field.B, found.field.B)
