"""Formats, back ends and chips of somebody else's, and chip grids whose wires are the user's own."""

import json
from contextlib import closing
from copy import copy
from typing import ClassVar

import naive_chip
import numpy as np
import pytest

import localnoise as ln
from localnoise import plugins
from localnoise.errors import ArgumentError, FileFormatError, MissingDependencyError, PluginError, PluginWarning
from localnoise.hardware import Formats, load_chip, quantise
from localnoise.hardware.chips import load_profile, profile_names
from localnoise.hardware.configuration import read_json
from localnoise.hardware.export import export, manifest, verify
from localnoise.hardware.export.backends import BACKENDS, backends_of
from localnoise.hardware.export.exporters import EXPORTERS
from localnoise.hardware.fitting import fit
from localnoise.hardware.fitting.pruning import prune
from localnoise.orders import ORDERS


class Words:
    """Write the first draws, and nothing else."""

    options: ClassVar = ("count",)

    @staticmethod
    def write(chip, folder, seed, learner, *, count=8):
        if learner is not None:
            raise ArgumentError("learner: the format words does not learn; expected none")
        (folder / "words.json").write_text(json.dumps(chip.words(count, seed).tolist()))


class Reader:
    """Read them back."""

    formats: ClassVar = ("words",)
    functions: ClassVar = ()
    off: ClassVar = 0

    @staticmethod
    def require():
        pass

    def __init__(self, folder, build, chip, name):
        assert build.is_dir()
        shape = (-1, chip.config.channels, chip.config.units)
        self.words, self.drawn = np.array(json.loads((folder / "words.json").read_text())).reshape(shape), 0

    def close(self):
        self.words = None

    def cost(self):
        return "a file"

    def draw(self, count):
        self.drawn += count
        return self.words[self.drawn - count : self.drawn] + self.off


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setenv(plugins.VARIABLE, "")
    EXPORTERS.register("words")(Words)
    BACKENDS.register("reader")(Reader)
    yield
    for registry, name in ((EXPORTERS, "words"), (BACKENDS, "reader")):
        registry._parts.pop(name, None)


@pytest.fixture(scope="module")
def chip():
    grid, h = naive_chip.learned(shape=(2, 3), channels=2, signal="none")
    return quantise(grid, Formats(), h=h)


def test_ours_are_listed():
    assert list(EXPORTERS) == ["c99", "verilog", "json", "hdf5", "nir"]
    assert list(BACKENDS) == ["host", "cortex-m", "verilator", "file"]
    assert backends_of("c99") == ("host", "cortex-m")
    assert [backends_of(kind) for kind in ("verilog", "json", "nope")] == [("verilator",), ("file",), ()]
    assert all(EXPORTERS.is_ours(kind) for kind in EXPORTERS)


def test_a_format_and_a_back_end_are_exported_to_and_verified(registered, chip, tmp_path):
    folder = export(chip, tmp_path / "a", "words", seed=3, count=20)
    said = manifest.read(folder)
    assert said["kind"] == "words"
    assert said["plugin"]["module"] == Words.__module__
    assert sorted(said["files"]) == ["chip.h5", "words.json"]
    checks, costs = verify(folder, words=100)
    assert [(check.backend, check.name, check.mismatch) for check in checks] == [("reader", "draw", "")]
    assert costs == {"reader": "a file"}
    with pytest.raises(ArgumentError, match="count=3: not of format c99; expected with words"):
        export(chip, tmp_path / "b", "c99", count=3)
    with pytest.raises(ArgumentError, match="on='host': does not run words; expected reader"):
        verify(folder, backends=["host"])
    assert "plugin" not in manifest.read(export(chip, tmp_path / "c", "json"))


def test_a_wrong_word_is_found(registered, chip, tmp_path, monkeypatch):
    monkeypatch.setattr(Reader, "off", 1)
    checks, _ = verify(export(chip, tmp_path / "a", "words"), words=50)
    assert "unit 0, channel 0, step 0" in checks[0].mismatch


def test_an_artefact_whose_format_is_missing_says_what_to_install(registered, chip, tmp_path):
    folder = export(chip, tmp_path / "a", "words")
    BACKENDS._parts.pop("reader")
    with pytest.raises(ArgumentError, match="kind='words': no back end runs it"):
        verify(folder)
    EXPORTERS._parts.pop("words")
    with pytest.raises(
        MissingDependencyError, match=r"format 'words' is of module .*, which is not here: load it with"
    ):
        verify(folder)
    said = json.loads((folder / manifest.NAME).read_text())
    for plugin, error, told in (
        ({"module": "a b"}, FileFormatError, r"manifest.json: plugin: module is 'a b'"),
        (3, FileFormatError, r"manifest.json: .*mapping"),
        (None, ArgumentError, r"kind='words': expected one of 'c99'"),
    ):
        (folder / manifest.NAME).write_text(json.dumps(said | {"plugin": plugin}))
        with pytest.raises(error, match=told):
            verify(folder)


def test_what_does_not_follow_the_protocols_is_refused():
    with pytest.raises(PluginError, match=r"format 'half' of .* has no options and no write: .*follows Exporter"):
        EXPORTERS.register("half")(object())
    with pytest.raises(PluginError, match=r"backend 'half' of .*Words has no formats and .*follows Verifier"):
        BACKENDS.register("half")(Words)


TOML = """
title = "A chip of a plug-in"
kind = "microcontroller"
clock = { status = "unknown" }
[limits]
cores = { value = 1, source = "a test", status = "third-party" }
flash = { value = 1_000_000, source = "a test", status = "third-party" }
ram = { value = 500, source = "a test", status = "third-party" }
"""


def test_chips_of_installed_packages_are_found_by_name(tmp_path, monkeypatch, chip):
    before = profile_names()
    package = tmp_path / "my_chips"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('profiles are data')")
    (package / "my_chip.toml").write_text(TOML)
    (package / "loihi1.toml").write_text("not = 'ours'")
    info = tmp_path / "my_chips-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-chips\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[localnoise.chips]\nmine = my_chips\ngone = my_gone_chips\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.warns(PluginWarning, match="chips 'gone' of my-chips: 'my_gone_chips' is no package"):
        assert profile_names() == sorted([*before, "my_chip"])
    with pytest.warns(PluginWarning):
        assert load_profile("my_chip").limit("ram") == 500
    with pytest.warns(PluginWarning):
        assert fit(chip, "my_chip").profile.title == "A chip of a plug-in"
    assert load_profile("loihi1").kind == "neuromorphic"
    with pytest.warns(PluginWarning), pytest.raises(ArgumentError, match=r"profile='my_chp': .*did you mean 'my_chip'"):
        load_profile("my_chp")


SPIRAL = [4, 5, 2, 1, 0, 3]


def previous(positions, order, boundary):
    parents = np.full((6, 2), -1)
    for place, unit in enumerate(order):
        parents[unit, : min(place, 2)] = order[max(0, place - 2) : place][::-1]
    return parents


@pytest.fixture(scope="module")
def own():
    rng = np.random.default_rng(0)
    d, h = rng.normal(size=(2, 300, 2, 2, 3))
    grid = ln.UnitGrid((2, 3), 2, order=SPIRAL, parents=previous, signal="local").learn(d, h)
    return grid, quantise(grid, Formats(), h=h, d=d), d, h


def test_own_wires_reach_the_chip_and_every_format(own, tmp_path):
    grid, chip, _, _ = own
    assert "own, signal local" in repr(chip)
    assert chip.field.order.tolist() == SPIRAL
    loaded = load_chip(chip.save(tmp_path / "chip.h5"))
    np.testing.assert_array_equal(loaded.words(9, 1), chip.words(9, 1))
    np.testing.assert_array_equal(chip.words(9, 1).reshape(9, 2, 6), naive_chip.words(chip, 9, 1))
    assert chip.realised.config.order == "own"
    difference = chip.realised.covariance() - grid.covariance()
    assert np.abs(difference).max() < 0.1 * grid.covariance().max()
    for name in ("ideal", "loihi2", "stm32f407", "ice40up5k"):
        assert not [row.limit for row in fit(chip, name).rows if row.verdict == "does not fit"]
    for kind in EXPORTERS:
        assert load_chip(export(chip, tmp_path / kind, kind) / "chip.h5").field.order.tolist() == SPIRAL
    assert read_json(tmp_path / "json" / "configuration.json").chip.config.order == "own"
    checks, _ = verify(tmp_path / "json", words=60)
    assert not any(check.mismatch for check in checks)


def test_own_wires_are_pruned_and_learned_on_the_chip(own):
    grid, chip, d, h = own
    pruned = prune(grid, fan_in=1)
    assert (pruned.field.parents >= 0).sum(axis=1).max() == 1
    assert pruned.config.order == "own"
    taught = copy(chip).learn(d, h, rule="sign-lms")
    assert (taught.field.B != chip.field.B).any()


def test_a_chip_of_a_plugins_order_needs_no_plugin(own, tmp_path):
    _, _, d, _ = own
    ORDERS.register("spiral")(lambda shape, boundary: SPIRAL)
    try:
        named = ln.UnitGrid((2, 3), 2, order="spiral", parents=2).learn(d)
        chip = quantise(named, Formats())
        chip.save(tmp_path / "chip.h5")
        export(chip, tmp_path / "json", "json")
    finally:
        ORDERS._parts.pop("spiral")
    loaded = load_chip(tmp_path / "chip.h5")
    assert loaded.config.order == "spiral"
    np.testing.assert_array_equal(loaded.words(5, 2), chip.words(5, 2))
    assert quantise(ln.UnitGrid.of_field(named.config, named.field), Formats()).field.order.tolist() == SPIRAL
    found = read_json(tmp_path / "json" / "configuration.json")
    assert found.chip.config.order == "spiral"
    with closing(BACKENDS["file"](tmp_path / "json", tmp_path, chip)) as running:
        np.testing.assert_array_equal(running.draw(5), chip.words(5, 0).reshape(5, 2, 6))
