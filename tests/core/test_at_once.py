"""Learning, normalising and assigning change a grid at once: who stops them, or reads meanwhile, has old or new."""

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import numpy as np
import pytest
from interrupting import Interruption

import localnoise as ln
from localnoise.local import LocalLayer

SHAPE, CHANNELS = (2, 3), 2
d, h = np.random.default_rng(0).normal(size=(2, 60, CHANNELS, *SHAPE)).cumsum(axis=4).astype(np.float32)


def grid(signal="local"):
    return ln.UnitGrid(SHAPE, CHANNELS, signal=signal).learn(d, h if signal == "local" else None)


def content(grid):
    """All that a grid holds, as one value."""
    state = sorted((name, np.asarray(value).tobytes()) for name, value in (grid.state or {}).items())
    arrays = [getattr(grid.field, name).tobytes() for name in ("a", "G", "B", "S", "gain")]
    return arrays, state, repr(grid.rule)


def assigned(grid):
    other = ln.UnitGrid(SHAPE, CHANNELS, signal="local").learn(2 * d, h)
    W, S = other.field.weights, other.field.S
    return lambda: grid.field.assign(W, S)


def louder(grid):
    def change():
        grid[1, 1].gain = 3.0

    return change


def reinforced(grid):
    eta, rewards = grid.perturb(h, seed=1), np.arange(60.0)
    how = {"rule": "three-factor", "rewards": rewards}
    deepcopy(grid).learn(eta, h, **how)  # what the first call imports is not counted
    return lambda: grid.learn(eta, h, **how)


CHANGES = {
    "learn from rewards": reinforced,
    "learn": lambda grid: lambda: grid.learn(3 * d, h),
    "learn by another rule": lambda grid: lambda: grid.learn(d, h, rule="lms"),
    "normalise": lambda grid: lambda: grid.normalise(2.0),
    "normalise, local": lambda grid: lambda: grid.normalise(2.0, "local"),
    "assign": assigned,
    "gain of a unit": louder,
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_interruption_at_every_line_leaves_the_old_or_the_new(change):
    base = grid()
    told = deepcopy(base)
    call = CHANGES[change](told)
    old = content(told)
    with Interruption(0) as counted:
        call()
    new = content(told)
    assert new != old
    assert counted.seen > 3
    found = set()
    for line in range(1, counted.seen + 1):
        told = deepcopy(base)
        call = CHANGES[change](told)
        with pytest.raises(KeyboardInterrupt), Interruption(line):
            call()
        now = content(told)
        assert now in (old, new), line
        found.add(now == old)
    assert True in found


def repair():
    made = ln.Repair(SHAPE, CHANNELS, radius=1).learn("dim", 0.3 * h, h).learn("loud", 3 * h, h)
    made.calibrate(h)
    density = made.log_densities(h)
    made.expect_worth(density, density.argmax(axis=1), np.sign(density[:, 0]))
    made.fitted_gate  # noqa: B018  # kept from now on
    return made


def content_of_repair(made):
    """What decides and repairs, as one value; a gate that is fitted anew is none."""
    members = [(one.source, one.law.field.B.tobytes(), one.kept.tobytes()) for one in made.members]
    fitted = [None if one is None else one.bias.tobytes() for one in (made._gate, made._among_gate)]
    worth = None if made.worth is None else made.worth.slope.tobytes()
    return members, fitted, worth, made.margin, made.margins, made.among


REPAIRS = {
    "learn": lambda made: made.learn("dim", 0.5 * h, h),
    "adapt": lambda made: made.adapt("dim", 0.5 * h, h),
    "calibrate": lambda made: made.calibrate(h, 0.5),
    "decide among": lambda made: made.decide_among("dim"),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", REPAIRS)
def test_an_interruption_at_every_line_leaves_a_repair_old_or_new(change):
    """Members with a gate or a worth of others would decide wrongly, without a word."""
    base, call = repair(), REPAIRS[change]
    told, old = deepcopy(base), content_of_repair(base)
    with Interruption(0) as counted:
        call(told)
    new = content_of_repair(told)
    assert new != old
    for line in range(1, counted.seen + 1):
        told = deepcopy(base)
        with pytest.raises(KeyboardInterrupt), Interruption(line):
            call(told)
        assert content_of_repair(told) in (old, new), line


@pytest.mark.parametrize("rule", ["local-heads", "softhebb"])
def test_an_interruption_at_every_line_leaves_a_layer_old_or_new(rule):
    y = np.arange(60) % 3
    base = LocalLayer(SHAPE, 4, (CHANNELS, *SHAPE), rule=rule, classes=0 if rule == "softhebb" else 3).learn(h, y)

    def held(layer):
        return layer.W.tobytes(), [(name, np.asarray(value).tobytes()) for name, value in layer.state.items()]

    told = deepcopy(base)
    with Interruption(0) as counted:
        told.learn(d, y)
    old, new, found = held(base), held(told), set()
    for line in range(1, counted.seen + 1):
        told = deepcopy(base)
        with pytest.raises(KeyboardInterrupt), Interruption(line):
            told.learn(d, y)
        assert held(told) in (old, new), line
        found.add(held(told) == old)
    assert True in found


READERS = {
    "sample": lambda grid: grid.sample(40, seed=1),
    "perturb": lambda grid: grid.perturb(h, seed=1),
    "mean": lambda grid: grid.mean(h),
    "innovations": lambda grid: grid.innovations(d, h),
    "log_density": lambda grid: grid.log_density(d, h),
    "mahalanobis": lambda grid: grid.mahalanobis(d, through_mean=True),
    "covariance": lambda grid: grid.covariance(),
}


@pytest.mark.parametrize("reader", READERS)
def test_concurrent_readers_see_the_old_or_the_new(reader):
    """Weights ten times as large, factors too: a mixture of them is neither."""
    shared, read = grid(), READERS[reader]
    weights = [(shared.field.weights, shared.field.S), (10 * shared.field.weights, 10 * shared.field.S)]
    legal = set()
    for pair in weights:
        shared.field.assign(*pair)
        legal.add(np.asarray(read(shared)).tobytes())
    assert len(legal) == 2

    def write():
        for turn in range(100):
            shared.field.assign(*weights[turn % 2])

    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(write)
        while not writing.done():
            assert np.asarray(read(shared)).tobytes() in legal
        writing.result()


@pytest.mark.parametrize("reader", ["log_density", "mahalanobis"])
def test_what_is_learned_within_a_call_does_not_reach_it(reader, monkeypatch):
    shared, read, calls = grid(), READERS[reader], []
    old = read(shared)
    draw, whiten = ln.UnitGrid._draw, ln.UnitGrid._innovations

    def learning_first(method):
        def call(now, *arguments, **more):
            if not calls:
                calls.append(shared.learn(50 * d, h).normalise(9.0))
            return method(now, *arguments, **more)

        return call

    monkeypatch.setattr(ln.UnitGrid, "_innovations", learning_first(whiten))
    monkeypatch.setattr(ln.UnitGrid, "_draw", learning_first(draw))
    np.testing.assert_array_equal(read(shared), old)
    assert calls


def test_a_long_draw_into_a_data_set_is_of_one_grid(tmp_path, monkeypatch):
    import h5py

    monkeypatch.setattr("localnoise.streams._MOST", 16)
    shared = grid("none")
    old = shared.sample(64, seed=2)
    with h5py.File(tmp_path / "o.h5", "w") as file:
        out = file.create_dataset("o", old.shape, "float32")
        shared.sample(64, seed=2, out=out, progress=lambda done, _: shared.normalise(done))
        np.testing.assert_array_equal(out[:], old)
