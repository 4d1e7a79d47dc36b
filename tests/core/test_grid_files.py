"""Grid files: what comes back, what could not is refused, and a save is whole or not at all."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from grid_files import CHANNELS, SHAPE, content, data, learned

import localnoise as ln
from localnoise.errors import ArgumentError, ForgottenWarning

RULES = ["moments", "lms", "sign-lms"]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "wiring",
    [
        {},
        {"dtype": "float64", "boundary": "periodic"},
        {"order": "raster", "radius": 2, "parents": 3, "signal_radius": 0},
    ],
    ids=str,
)
def test_a_grid_comes_back_to_the_bit(tmp_path, rule, wiring):
    grid = learned(rule, **wiring)
    loaded = ln.load(grid.save(tmp_path / "grid.h5"))
    before, after = content(grid), content(loaded)
    assert before[:2] == after[:2]
    assert before[3:] == after[3:]
    h = data()[1]
    np.testing.assert_array_equal(loaded.sample(50, seed=4), grid.sample(50, seed=4))
    np.testing.assert_array_equal(loaded.perturb(h, seed=4), grid.perturb(h, seed=4))
    assert loaded.sample(1).dtype == grid.config.dtype
    assert repr(loaded) == repr(grid)


@pytest.mark.parametrize("rule", RULES)
def test_learning_goes_on_as_if_it_had_never_been_away(tmp_path, rule):
    grid = learned(rule)
    loaded = ln.load(grid.save(tmp_path / "grid.h5"))
    more = data(seed=5)
    for each in (grid, loaded):
        each.learn(*more, rule=rule)
    assert content(grid)[3:] == content(loaded)[3:]
    assert loaded.state["seen"] == 80


def test_a_grid_that_has_learned_nothing(tmp_path):
    grid = ln.UnitGrid((3, 3), order="raster")
    loaded = ln.load(grid.save(tmp_path / "grid.h5"))
    assert content(loaded)[3:] == content(grid)[3:]
    assert loaded.rule is None
    assert loaded.state is None


def test_rules_keep_their_options(tmp_path):
    grid = ln.UnitGrid(SHAPE, CHANNELS).learn(data()[0], rule="lms", rate=0.25, ridge=0.5)
    assert ln.load(grid.save(tmp_path / "grid.h5")).rule == ln.LMS(rate=0.25, ridge=0.5)


def test_provenance_is_kept_and_says_what_wrote_the_file(saved, tmp_path):
    loaded = ln.load(saved)
    given = {"fingerprint": "abc", "seed": 3, "note": "Größe"}
    assert given.items() <= loaded.provenance.items()
    assert {"localnoise", "numpy", "numba", "h5py", "python", "written"} <= set(loaded.provenance)
    assert loaded.provenance["h5py"] == h5py.__version__
    again = ln.load(loaded.save(tmp_path / "again.h5"))
    assert given.items() <= again.provenance.items()


def test_without_its_state_the_file_is_small_and_learning_starts_afresh(tmp_path):
    grid = ln.UnitGrid((6, 6), 3, signal="local").learn(*np.random.default_rng(0).normal(size=(2, 100, 3, 6, 6)))
    whole, weights = grid.save(tmp_path / "whole.h5"), grid.save(tmp_path / "weights.h5", state=False)
    assert weights.stat().st_size < 0.5 * whole.stat().st_size
    loaded = ln.load(weights)
    np.testing.assert_array_equal(loaded.sample(9), grid.sample(9))
    assert loaded.state is None
    assert loaded[0, 0].statistics == {"seen": 0}
    more = np.random.default_rng(1).normal(size=(2, 100, 3, 6, 6))
    fresh = ln.UnitGrid((6, 6), 3, signal="local").learn(*more)
    with pytest.raises(ArgumentError, match="merging would forget it"):
        loaded.merge(fresh)
    np.testing.assert_array_equal(loaded.field.B, grid.field.B)
    with pytest.warns(ForgottenWarning, match="rule 'moments' begins anew and forgets it"):
        loaded.learn(*more)
    np.testing.assert_array_equal(loaded.field.B, fresh.field.B)


def test_configurations_of_numpy_numbers_are_written(tmp_path):
    grid = ln.UnitGrid(np.array([2, 3]), np.int64(2), order="raster", radius=np.uint8(1), parents=2.0)
    assert ln.load(grid.save(tmp_path / "grid.h5")).config == grid.config


def test_save_returns_the_path_and_makes_folders(tmp_path):
    path = learned().save(str(tmp_path / "a" / "b" / "grid.h5"))
    assert path == tmp_path / "a" / "b" / "grid.h5"
    assert ln.load(str(path)).config.shape == SHAPE


class Hebb(ln.Moments):
    """A user's own rule."""

    name = "hebb"


class Borrowed(ln.Moments):
    """Another rule under the name of one of ours."""


@pytest.mark.parametrize("rule", [Hebb(), Borrowed()])
def test_a_rule_that_load_does_not_know_is_refused_and_its_weights_are_not(tmp_path, rule):
    grid = ln.UnitGrid(SHAPE, CHANNELS).learn(data()[0], rule=rule)
    with pytest.raises(ArgumentError, match=rf"rule '{rule.name}' is not one of localnoise's.*state=False"):
        grid.save(tmp_path / "grid.h5")
    assert not list(tmp_path.iterdir())
    loaded = ln.load(grid.save(tmp_path / "grid.h5", state=False))
    np.testing.assert_array_equal(loaded.sample(9), grid.sample(9))
    assert loaded.provenance["rule"] == rule.name
    assert "rule" not in grid.provenance


@pytest.mark.parametrize("rate", [np.float32(0.25), np.float64(0.25), np.array(0.25)])
def test_options_of_numpy_numbers_are_written(tmp_path, rate):
    grid = ln.UnitGrid(SHAPE, CHANNELS).learn(data()[0], rule="lms", rate=rate)
    assert ln.load(grid.save(tmp_path / "grid.h5")).rule == ln.LMS(rate=0.25)


def rewired(grid):
    """Drop each unit's first parent, and read one activation less."""
    f = grid.field
    f.parents[:, :-1], f.parents[:, -1] = f.parents[:, 1:].copy(), -1
    f.readers[2, 1] = -1
    return grid


def narrowed(grid):
    f = grid.field
    grid.field = replace(f, parents=f.parents[:, :2].copy(), B=f.B[:, :, : 2 * CHANNELS].copy())
    return grid


def reordered(grid):
    """Keep the parents, and sweep the units in another order that they allow."""
    f = grid.field
    wires = f.wires
    grid.field = replace(f, order=wires.fronts[0])
    return grid


@pytest.mark.parametrize("change", [rewired, narrowed, reordered])
@pytest.mark.parametrize("rule", [None, *RULES])
def test_own_wires_come_back(tmp_path, change, rule):
    grid = change(ln.UnitGrid(SHAPE, CHANNELS, signal="local"))
    if rule is not None:
        grid.learn(*data(), rule=rule)
    loaded = ln.load(grid.save(tmp_path / "grid.h5"))
    assert content(grid)[3:] == content(loaded)[3:]
    np.testing.assert_array_equal(loaded.perturb(data()[1], seed=4), grid.perturb(data()[1], seed=4))
    more = data(seed=5)
    for each in (grid, loaded):
        each.learn(*more, rule=rule or "moments")
    assert content(grid)[3:] == content(loaded)[3:]
    again = ln.load(loaded.save(tmp_path / "again.h5"))
    assert content(again)[3:] == content(loaded)[3:]


def test_wires_edited_after_learning_are_drawn_by_and_saved_without_their_statistics(tmp_path):
    """What kernels derive from wires is made anew: at a stale order of fronts a parent would not be drawn yet."""
    grid, twin = learned(), ln.UnitGrid(SHAPE, CHANNELS, signal="local")
    grid.sample(3)
    rewired(grid)
    rewired(twin).field.assign(grid.field.weights, grid.field.S)
    twin.field.gain[:] = grid.field.gain
    np.testing.assert_array_equal(grid.sample(5, seed=1), twin.sample(5, seed=1))
    for call in (lambda: grid.learn(*data()), lambda: grid.save(tmp_path / "grid.h5")):
        with pytest.raises(ArgumentError, match=r"the wires were edited after .*grid\.state = None"):
            call()
    assert ln.load(grid.save(tmp_path / "grid.h5", state=False)).state is None
    grid.state = None
    grid.learn(*data())
    np.testing.assert_array_equal(
        grid.field.B, rewired(ln.UnitGrid(SHAPE, CHANNELS, signal="local")).learn(*data()).field.B
    )


def spoil(array, value, place=0):
    array.flat[place] = value


def transplant(grid, **arrays):
    grid.field = replace(grid.field, **arrays)


SPOILED = {
    "NaN in B": ("field.B holds NaN or infinity", lambda g: spoil(g.field.B, np.nan)),
    "an infinite gain": ("field.gain holds NaN", lambda g: spoil(g.field.gain, np.inf)),
    "no private noise": ("field.S or gain is not positive", lambda g: spoil(g.field.S, 0)),
    "a filled upper triangle": ("field.S is not lower triangular", lambda g: spoil(g.field.S, 1, 1)),
    "a negative gain": ("field.S or gain is not positive", lambda g: spoil(g.field.gain, -1)),
    "another precision": ("field.S is float64", lambda g: setattr(g, "field", g.field.astype(np.float64))),
    "another shape": (r"field.gain is float32 \(1,\)", lambda g: transplant(g, gain=g.field.gain[:1])),
    "parents of another type": ("field.parents is int64", lambda g: transplant(g, parents=g.field.parents.astype(int))),
    "a parent that does not exist": (
        "field.parents names units that do not exist",
        lambda g: spoil(g.field.parents, 6),
    ),
    "a reader that does not exist": ("field.readers names units", lambda g: spoil(g.field.readers, -2)),
    "a parent that comes later": (
        "field.parents of unit .* do not all come before it",
        lambda g: g.field.parents[g.field.order[0]].fill(g.field.order[-1]),
    ),
    "a gap": (
        "field.parents of unit .* hold -1 before a parent",
        lambda g: spoil(g.field.parents[g.field.order[-1]], -1),
    ),
    "a unit twice": ("field.order is no permutation", lambda g: spoil(g.field.order, g.field.order[1])),
    "NaN in the statistics": ("state: pairs holds NaN", lambda g: spoil(g.state["pairs"], np.nan)),
    "statistics missing": ("state holds .*: expected", lambda g: g.state.pop("pairs")),
    "half a count": (r"state\['seen'\]=0.5", lambda g: g.state.update(seen=0.5)),
    "provenance that is a list": ("provenance is list: expected a dict", lambda g: setattr(g, "provenance", [])),
    "provenance that is no JSON": (
        r"provenance\['x'\] cannot be written as JSON",
        lambda g: g.provenance.update(x={1}),
    ),
}


@pytest.mark.parametrize("case", SPOILED)
def test_what_load_would_refuse_is_refused_at_save(tmp_path, case):
    message, change = SPOILED[case]
    grid = learned()
    change(grid)
    with pytest.raises(ArgumentError, match=message) as told:
        grid.save(tmp_path / "grid.h5")
    assert not list(tmp_path.iterdir())
    assert len(str(told.value)) <= 400


@pytest.mark.parametrize("case", [case for case in SPOILED if "parent" in case or case in ("a gap", "a unit twice")])
def test_a_grid_with_impossible_wires_draws_nothing(case):
    """A kernel would read what is not there, or not drawn yet."""
    grid = ln.UnitGrid(SHAPE, CHANNELS, signal="local")
    SPOILED[case][1](grid)
    if "type" not in case:
        for call in (grid.sample, lambda count: grid.covariance(), lambda count: grid.pull_back(data()[0])):
            with pytest.raises(ArgumentError, match=SPOILED[case][0]):
                call(3)


@pytest.mark.parametrize("moment", ["localnoise.saving.write_array", "os.fsync", "pathlib.Path.replace"])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, moment):
    path = learned().save(tmp_path / "grid.h5")
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(moment, fail)
    with pytest.raises(OSError, match="disk full"):
        learned("lms").save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_save_that_fails_halfway_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    from localnoise import saving

    path, write, calls = learned().save(tmp_path / "grid.h5"), saving.write_array, []
    before = path.read_bytes()

    def tire(*arguments):
        calls.append(arguments)
        if len(calls) == 7:
            raise KeyboardInterrupt
        write(*arguments)

    monkeypatch.setattr(saving, "write_array", tire)
    with pytest.raises(KeyboardInterrupt):
        learned("lms").save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_provenance_that_cannot_be_written_leaves_the_old_file(tmp_path):
    grid = learned()
    path = grid.save(tmp_path / "grid.h5")
    before = path.read_bytes()
    grid.provenance["data"] = np.zeros(3)
    with pytest.raises(TypeError, match="not JSON serializable"):
        grid.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_never_sees_half_a_file(tmp_path, monkeypatch):
    """While the new file is being written, the old one is what `load` finds."""
    from localnoise import saving

    old = learned()
    path, write, seen = old.save(tmp_path / "grid.h5"), saving.write_array, []

    def watch(*arguments):
        seen.append(ln.load(path).rule)
        write(*arguments)

    monkeypatch.setattr(saving, "write_array", watch)
    learned("lms").save(path)
    assert set(map(repr, seen)) == {repr(old.rule)}
    assert isinstance(ln.load(path).rule, ln.LMS)
