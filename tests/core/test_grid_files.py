"""A grid's file: what comes back, and that nothing but a FileFormatError comes of a bad one."""

import json
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

import localnoise as ln
from localnoise.errors import ArgumentError, FileFormatError, ForgottenWarning

SHAPE, CHANNELS = (2, 3), 2
RULES = ["moments", "lms", "sign-lms"]


def data(count=40, seed=0):
    return np.random.default_rng(seed).normal(size=(2, count, CHANNELS, *SHAPE)).cumsum(axis=4).astype(np.float32)


def learned(rule="moments", **wiring):
    grid = ln.UnitGrid(SHAPE, CHANNELS, signal="local", **wiring)
    grid.learn(*data(), rule=rule).normalise(0.7, "local")
    grid.provenance = {"fingerprint": "abc", "seed": 3, "note": "Größe"}
    return grid


def content(grid):
    """Everything that a file must bring back, as bytes."""
    parts = [repr(grid.config), repr(grid.rule), json.dumps(grid.provenance, sort_keys=True)]
    parts += [
        getattr(grid.field, name).tobytes() for name in ("order", "parents", "readers", "a", "G", "B", "S", "gain")
    ]
    parts += [name + np.asarray(value).tobytes().hex() for name, value in sorted((grid.state or {}).items())]
    return parts


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return learned().save(tmp_path_factory.mktemp("saved") / "grid.h5")


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copy(saved, tmp_path / "copy.h5")


# What comes back


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


# What could not come back is refused


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


# Saving, all or nothing


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


# Damaged files


@given(st.data())
@examples(150, derandomize=True)
def test_a_truncated_file_is_recognised_wherever_it_ends(saved, data):
    raw = saved.read_bytes()
    length = data.draw(
        st.one_of(st.integers(0, len(raw) - 1), st.sampled_from([0, 1, 7, 8, 48, 512, 2048, len(raw) - 1]))
    )
    cut = saved.with_name("cut.h5")
    cut.write_bytes(raw[:length])
    with pytest.raises(FileFormatError, match=r"cut\.h5: damaged or not HDF5 .*; restore it or learn it again"):
        ln.load(cut)


@given(st.data())
@examples(300, derandomize=True)
def test_a_changed_byte_is_recognised_or_harmless(saved, data):
    """Checksums cover metadata and data; what they do not cover (gaps, unused fields) must change nothing."""
    raw = bytearray(saved.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place] ^= data.draw(st.integers(1, 255))
    bad = saved.with_name("bad.h5")
    bad.write_bytes(raw)
    try:
        loaded = ln.load(bad)
    except FileFormatError:
        return
    assert content(loaded) == content(ln.load(saved))


@pytest.mark.parametrize("name", ["order", "parents", "readers", "a", "G", "B", "S", "gain", "rule/pairs"])
def test_every_flipped_bit_of_the_data_is_recognised(copy, name):
    """In the middle of each array as it lies in the file."""
    with h5py.File(copy) as file:
        where = file[name].id.get_chunk_info(0)
    raw = bytearray(copy.read_bytes())
    raw[where.byte_offset + where.size // 2] ^= 1
    copy.write_bytes(raw)
    with pytest.raises(FileFormatError, match=r"copy\.h5: damaged"):
        ln.load(copy)


@pytest.mark.parametrize(
    "fragment", ["localnoise.grid", '"shape": [2, 3]', '"signal_radius": 1', '"fingerprint": "abc"', '"ridge": 0.0001']
)
def test_every_changed_character_of_the_metadata_is_recognised(copy, fragment):
    """JSON with another digit is still JSON: only a checksum tells."""
    raw = copy.read_bytes()
    assert raw.count(fragment.encode()) == 1
    start = raw.index(fragment.encode())
    for place in range(start, start + len(fragment)):
        bad = bytearray(raw)
        bad[place] ^= 1
        copy.write_bytes(bad)
        with pytest.raises(FileFormatError, match=r"copy\.h5: damaged"):
            ln.load(copy)


# Foreign and edited files


def test_files_of_other_kinds(tmp_path):
    with pytest.raises(
        FileFormatError,
        match=r"nowhere\.h5: no such file; expected a grid, a bank, a central noise, a repair, a surprise or a layer",
    ):
        ln.load(tmp_path / "nowhere.h5")
    with pytest.raises(FileFormatError, match="no such file"):
        ln.load(tmp_path)
    (tmp_path / "text.h5").write_text("order,parents\n1,2\n" * 100)
    (tmp_path / "empty.h5").touch()
    for name in ("text.h5", "empty.h5"):
        with pytest.raises(FileFormatError, match=f"{name}: damaged or not HDF5"):
            ln.load(tmp_path / name)
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["weights"] = np.zeros(3)
    with pytest.raises(FileFormatError, match=r"foreign\.h5: format None, expected 'localnoise\.grid'"):
        ln.load(tmp_path / "foreign.h5")


def test_a_file_format_error_is_an_os_error():
    assert issubclass(FileFormatError, OSError)


def edit(key, change):
    """Write a new array in an old one's place."""

    def apply(file):
        new = change(file[key][()])
        del file[key]
        file[key] = new

    return apply


def attribute(name, value, group="/"):
    def apply(file):
        file[group].attrs[name] = value

    return apply


def remove(name):
    return lambda file: file.__delitem__(name)


def with_value(value):
    def change(array):
        array = array.copy()
        array.flat[array.size // 2] = value
        return array

    return change


def marked_as_own(name, change):
    """As edited on purpose: the file says that its wires are its own."""

    def apply(file):
        edit(name, change)(file)
        file.attrs["wiring"] = np.bytes_("own")

    return apply


CONFIG = {"shape": [2, 3], "channels": 2, "signal": "local"}
TAMPERED = {
    "another format": (
        attribute("format", "localnoise.record"),
        "format 'localnoise.record', expected 'localnoise.grid'",
    ),
    "a later schema": (attribute("schema", 9), "schema 9, this version reads 2 and 3; use the version that wrote it"),
    "no schema": (lambda file: file.attrs.__delitem__("schema"), "schema None"),
    "no configuration": (lambda file: file.attrs.__delitem__("config"), "damaged"),
    "a configuration that is no JSON": (attribute("config", np.bytes_("{shape")), "damaged"),
    "a configuration that is no mapping": (attribute("config", np.bytes_("[2, 3]")), "damaged"),
    "a configuration that is a number": (attribute("config", 3), "damaged"),
    "an unknown option": (attribute("config", np.bytes_(json.dumps(CONFIG | {"colour": 1}))), "damaged.*colour"),
    "an impossible option": (attribute("config", np.bytes_(json.dumps(CONFIG | {"channels": 0}))), "channels=0"),
    "a larger grid": (attribute("config", np.bytes_(json.dumps(CONFIG | {"shape": [4, 3]}))), "S is .* expected"),
    "an enormous grid": (
        attribute("config", np.bytes_(json.dumps(CONFIG | {"shape": [10**9, 10**9]}))),
        "S is .* expected",
    ),
    "infinite sides": (attribute("config", np.bytes_('{"shape": [Infinity, 3]}')), "shape=.*inf"),
    "another order": (
        attribute("config", np.bytes_(json.dumps(CONFIG | {"order": "raster"}))),
        "is .* expected|differs",
    ),
    "another precision": (attribute("config", np.bytes_(json.dumps(CONFIG | {"dtype": "float64"}))), "S is float32"),
    "provenance that is a list": (attribute("provenance", np.bytes_("[1]")), "damaged"),
    "weights missing": (remove("B"), "damaged"),
    "a group in an array's place": (lambda file: (remove("B")(file), file.create_group("B")), "damaged"),
    "NaN in B": (edit("B", with_value(np.nan)), "B holds NaN or infinity; the file was edited or damaged"),
    "infinity in G": (edit("G", with_value(np.inf)), "G holds NaN or infinity"),
    "NaN in the gain": (edit("gain", with_value(np.nan)), "gain holds NaN"),
    "another shape of a": (edit("a", lambda a: a[:, :1]), r"a is float32 \(6, 1\), expected float32 \(6, 2\)"),
    "another dtype of S": (edit("S", lambda a: a.astype(np.float64)), "S is float64 .*, expected float32"),
    "another dtype of parents": (edit("parents", lambda a: a.astype(np.int64)), "parents is int64"),
    "altered parents": (edit("parents", lambda a: a[:, ::-1]), "parents differs from what its configuration implies"),
    "a parent that does not exist": (edit("parents", with_value(10**6)), "parents differs"),
    "own parents that come later": (marked_as_own("parents", lambda a: a[::-1]), "parents of unit .* hold|come before"),
    "an own order that is none": (marked_as_own("order", lambda a: 0 * a), "order is no permutation"),
    "own parents of another width": (marked_as_own("parents", lambda a: a[:, :1]), "B is .*, expected"),
    "own readers, none": (marked_as_own("readers", lambda a: a[:, :0]), "is .*, expected"),
    "altered readers": (edit("readers", with_value(0)), "readers differs"),
    "altered order": (edit("order", lambda a: a[::-1]), "order differs"),
    "a zero on the diagonal of S": (edit("S", lambda a: a * 0), "S or gain is not positive"),
    "a filled upper triangle of S": (edit("S", lambda a: a + 1), "S is not lower triangular"),
    "a negative gain": (edit("gain", lambda a: -a), "S or gain is not positive"),
    "an unknown rule": (attribute("name", np.bytes_("hebb"), "rule"), "rule 'hebb' is unknown.*moments, lms, sign-lms"),
    "a rule without a name": (lambda file: file["rule"].attrs.__delitem__("name"), "damaged"),
    "an unknown option of the rule": (attribute("options", np.bytes_('{"rate": 1}'), "rule"), "damaged.*rate"),
    "an impossible option of the rule": (attribute("options", np.bytes_('{"ridge": -1}'), "rule"), "ridge=-1"),
    "a negative count": (attribute("seen", -3, "rule"), "seen=-3"),
    "no count": (lambda file: file["rule"].attrs.__delitem__("seen"), "damaged"),
    "NaN in the pairs": (edit("rule/pairs", with_value(np.nan)), "pairs holds NaN"),
    "another shape of pairs": (edit("rule/pairs", lambda a: a[:1]), "pairs is float64 .*, expected float64"),
    "another dtype of pairs": (edit("rule/pairs", lambda a: a.astype(np.float32)), "pairs is float32"),
    "another rule's name": (attribute("name", np.bytes_("lms"), "rule"), "damaged"),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_an_edited_file_is_refused(copy, case):
    tamper, message = TAMPERED[case]
    with h5py.File(copy, "r+") as file:
        tamper(file)
    with pytest.raises(FileFormatError, match=rf"(?s)copy\.h5: .*{message}"):
        ln.load(copy)


def test_the_untouched_copy_is_not(copy, saved):
    assert content(ln.load(copy)) == content(ln.load(saved))
