"""A rule of somebody else's: learned with, saved, loaded where it is and where it is not."""

import json
from dataclasses import dataclass
from typing import ClassVar

import h5py
import numpy as np
import pytest

import localnoise as ln
from localnoise import plugins
from localnoise.errors import ArgumentError, FileFormatError, MissingDependencyError, PluginError
from localnoise.rules import RULES
from localnoise.rules.base import residual_factor

SHAPE, CHANNELS = (2, 3), 2


@dataclass(frozen=True, kw_only=True)
class Diagonal:
    """Each channel's own variance: the shortest rule that there is."""

    name: ClassVar[str] = "diagonal"
    ridge: float = 0.5
    note: str = ""

    def start(self, field):
        return {"seen": 0, "power": np.zeros(field.a.shape)}

    def observe(self, field, state, d, h):
        state["power"] += np.square(d, dtype=np.float64).sum(axis=0).T
        state["seen"] += len(d)

    def settle(self, field, state):
        power = state["power"] / state["seen"]
        S = power[:, :, None] * np.eye(field.channels)
        field.assign(np.zeros_like(field.weights), residual_factor(S, power, self.ridge, np.float64))

    def statistics(self, field, state, unit):
        return {"seen": state["seen"], "power": state["power"][unit]}


@pytest.fixture
def registered(monkeypatch):
    """Register the rule; forget it after the test, and in between where a test calls what this returns."""
    monkeypatch.setenv(plugins.VARIABLE, "")
    RULES.register("diagonal")(Diagonal)
    yield lambda: RULES._parts.pop("diagonal")
    RULES._parts.pop("diagonal", None)


def data(seed=0):
    return np.random.default_rng(seed).normal(size=(300, CHANNELS, *SHAPE))


def learned(**options):
    return ln.UnitGrid(SHAPE, CHANNELS).learn(data(), rule="diagonal", **options)


def test_a_rule_is_found_by_its_name_and_goes_on_from_a_file(registered, tmp_path):
    grid = learned(ridge=0.25, note="mine")
    assert grid.rule == Diagonal(ridge=0.25, note="mine")
    assert "diagonal, 300 seen" in repr(grid)
    np.testing.assert_allclose(grid.variance(), data().var(axis=0) + data().mean(axis=0) ** 2 + 0.25, rtol=1e-5)
    loaded = ln.load(grid.save(tmp_path / "g.h5"))
    assert loaded.rule == grid.rule
    for each in (grid, loaded):
        each.learn(data(1), rule="diagonal", ridge=0.25)
    assert grid[0, 1].statistics["seen"] == loaded[0, 1].statistics["seen"] == 600
    np.testing.assert_array_equal(loaded.field.S, grid.field.S)
    with pytest.raises(ArgumentError, match=r"option of rule 'diagonal'='rigde': .*did you mean 'ridge'"):
        learned(rigde=1)


def test_the_file_says_where_the_rule_is_from(registered, tmp_path):
    with h5py.File(learned().save(tmp_path / "g.h5")) as file:
        said = json.loads(file["rule"].attrs["plugin"])
    assert said == {"module": Diagonal.__module__, "distribution": "", "version": ""}
    with h5py.File(ln.UnitGrid(SHAPE, CHANNELS).learn(data()).save(tmp_path / "ours.h5")) as file:
        assert "plugin" not in file["rule"].attrs


def edited(path, **said):
    """Let the file name another plug-in."""
    with h5py.File(path, "r+") as file:
        plugin = json.loads(file["rule"].attrs["plugin"]) | said
        file["rule"].attrs["plugin"] = np.bytes_(json.dumps(plugin))
    return path


def test_where_the_rule_is_missing_the_error_says_what_to_install(registered, tmp_path):
    grid = learned()
    path = edited(grid.save(tmp_path / "g.h5"), module="my_rules.diagonal", distribution="my-rules", version="2.0")
    registered()
    with pytest.raises(MissingDependencyError) as told:
        ln.load(path)
    assert str(told.value) == (
        f"{path}: rule 'diagonal' is of my-rules 2.0 (module my_rules.diagonal), which is not here: install my-rules, "
        'or load it with --plugin my_rules.diagonal, or localnoise.plugins.load("my_rules.diagonal") in Python; or '
        "read the weights alone, load(path, state=False)"
    )
    weights = ln.load(path, state=False)
    np.testing.assert_array_equal(weights.sample(9), grid.sample(9))
    assert weights.rule is None
    assert weights.provenance["rule"] == "diagonal"
    assert ln.load(weights.save(tmp_path / "again.h5")).provenance["rule"] == "diagonal"


def test_a_script_that_registered_a_rule_is_named_as_that(registered, tmp_path):
    path = edited(learned().save(tmp_path / "g.h5"), module="__main__")
    registered()
    with pytest.raises(MissingDependencyError, match="import the script that registers it first; or read the weights"):
        ln.load(path)


def test_weights_alone_need_no_rule(registered, tmp_path):
    grid = learned()
    path = grid.save(tmp_path / "g.h5", state=False)
    assert ln.load(path).rule == grid.rule
    registered()
    loaded = ln.load(path)
    assert loaded.rule is None
    np.testing.assert_array_equal(loaded.sample(9), grid.sample(9))
    loaded.learn(data())


def test_weights_alone_of_a_rule_of_ours(tmp_path):
    grid = ln.UnitGrid(SHAPE, CHANNELS).learn(data(), rule="lms", rate=0.5)
    loaded = ln.load(grid.save(tmp_path / "g.h5"), state=False)
    assert loaded.state is None
    assert loaded.rule == ln.LMS(rate=0.5)
    np.testing.assert_array_equal(loaded.sample(9), grid.sample(9))


def test_another_version_that_does_not_read_the_file_is_named(registered, tmp_path):
    path = edited(learned(note="x").save(tmp_path / "g.h5"), module="my_rules", distribution="my-rules", version="0.9")
    registered()

    @dataclass(frozen=True, kw_only=True)
    class Newer(Diagonal):
        weight: float = 1.0

        def start(self, field):
            raise RuntimeError("no such option")

    RULES.register("diagonal")(Newer)
    with pytest.raises(FileFormatError, match=r"does not read what my-rules 0.9 .* wrote \(no such option\); install"):
        ln.load(path)
    assert isinstance(ln.load(path, state=False).rule, Newer)


def test_the_rule_of_another_package_is_not_taken_for_it(registered, tmp_path, monkeypatch):
    path = edited(learned().save(tmp_path / "g.h5"), module="my_rules", distribution="my-rules", version="0.9")
    monkeypatch.setitem(RULES._distributions, "diagonal", "numpy")
    with pytest.raises(FileFormatError, match=r"rule 'diagonal' is of my-rules 0.9 .*installed is of numpy"):
        ln.load(path)


@pytest.mark.parametrize("said", [{"module": "a b"}, {"version": "1\nrm"}, {"more": 1}])
def test_a_file_cannot_put_words_into_the_message(registered, tmp_path, said):
    path = edited(learned().save(tmp_path / "g.h5"), **said)
    registered()
    with pytest.raises(FileFormatError, match="damaged"):
        ln.load(path)


def test_a_rule_that_is_no_dataclass_or_says_another_name_is_refused(registered):
    class Plain:
        name = "plain"
        start = observe = settle = statistics = None

    with pytest.raises(PluginError, match=r"rule 'plain' of .* is no dataclass: expected a class under @dataclass"):
        RULES.register("plain")(Plain)
    with pytest.raises(PluginError, match=r"rule 'other' of .*Diagonal says name = 'diagonal': expected"):
        RULES.register("other")(Diagonal)


class NoSeen(Diagonal):
    def start(self, field):
        return {"power": np.zeros(field.a.shape)}


class Texts(Diagonal):
    def start(self, field):
        return {"seen": 0, "power": "none"}


class Singular(Diagonal):
    def settle(self, field, state):
        field.S[:] = 0


class Narrow(Diagonal):
    def settle(self, field, state):
        vars(field)["S"] = np.ones((1, 1, 1), np.float32)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (NoSeen(), "rule 'diagonal': start returned a dict without 'seen': expected a dict of arrays"),
        (Texts(), "rule 'diagonal': start returned 'power' as str: expected an array of numbers"),
        (Singular(), "rule 'diagonal' left field.S or gain is not positive"),
        (Narrow(), r"rule 'diagonal' left field.S is float32 \(1, 1, 1\), expected float32 \(6, 2, 2\)"),
    ],
)
def test_a_rule_that_breaks_the_protocol_is_named_and_the_grid_is_as_it_was(rule, told):
    grid = ln.UnitGrid(SHAPE, CHANNELS)
    with pytest.raises(ArgumentError, match=told):
        grid.learn(data(), rule=rule)
    assert grid.rule is None
    np.testing.assert_array_equal(grid.field.S, ln.UnitGrid(SHAPE, CHANNELS).field.S)


def test_an_object_that_follows_the_protocol_learns_without_being_registered(tmp_path):
    grid = ln.UnitGrid(SHAPE, CHANNELS).learn(data(), rule=Diagonal(ridge=1.0))
    assert grid.rule == Diagonal(ridge=1.0)
    with pytest.raises(ArgumentError, match=r"register its class, @localnoise.rules.register\('diagonal'\), or save"):
        grid.save(tmp_path / "g.h5")
    with pytest.raises(ArgumentError, match=r"rule=.*it has no observe, no settle, no statistics\): expected one of"):
        grid.learn(data(), rule=type("Half", (), {"name": "half", "start": None})())


def test_an_order_of_a_plugin_is_kept_by_name_and_loads_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv(plugins.VARIABLE, "")
    from localnoise.orders import ORDERS

    ORDERS.register("backwards")(lambda shape, boundary: np.arange(shape[0] * shape[1])[::-1])
    try:
        grid = ln.UnitGrid(SHAPE, CHANNELS, order="backwards").learn(data())
        assert (grid.config.order, grid.config.parents) == ("backwards", 4)
        assert grid.provenance["order"]["name"] == "backwards"
        path = grid.save(tmp_path / "g.h5")
        assert ln.load(path).config == grid.config
    finally:
        ORDERS._parts.pop("backwards")
    loaded = ln.load(path)
    assert loaded.config.order == "backwards"
    assert "backwards" in repr(loaded)
    np.testing.assert_array_equal(loaded.sample(9), grid.sample(9))
    assert ln.load(loaded.save(tmp_path / "again.h5")).field.wires == grid.field.wires
    assert loaded.blank().field.wires == grid.field.wires
    with pytest.raises(ArgumentError, match="order='backwards': expected one of 'raster', 'multiscale'"):
        ln.UnitGrid(SHAPE, order="backwards")
    with h5py.File(path, "r+") as file:
        del file.attrs["wiring"]
    with pytest.raises(FileFormatError, match="order 'backwards' is unknown to this version; expected one of raster"):
        ln.load(path)


def test_a_repair_that_follows_by_an_own_rule_is_refused_or_comes_back(registered, tmp_path):
    h = np.tanh(data() + np.roll(data(), 1, 3))

    def followed(rule):
        repair = ln.Repair(SHAPE, CHANNELS, radius=1).learn("dim", 0.3 * h, h)
        return repair.adapt("dim", 0.2 * h[:100], h[:100], rule=rule)

    repair = followed("diagonal")
    loaded = ln.load(repair.save(tmp_path / "r.h5"))
    np.testing.assert_array_equal(loaded(0.2 * h)[0], repair(0.2 * h)[0])
    registered()
    with pytest.raises(ArgumentError, match="rule 'diagonal' is not one of localnoise's or a plug-in's"):
        followed(Diagonal()).save(tmp_path / "own.h5")
    with pytest.raises(MissingDependencyError, match="rule 'diagonal' is of"):
        ln.load(tmp_path / "r.h5")
    np.testing.assert_array_equal(ln.load(tmp_path / "r.h5", state=False)(0.2 * h)[0], repair(0.2 * h)[0])
