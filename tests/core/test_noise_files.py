"""Files of central noises and banks: what comes back, and that nothing but one sentence comes of a bad one."""

import shutil

import h5py
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

import localnoise as ln
from localnoise.errors import ArgumentError, FileFormatError, TooLargeError
from localnoise.loading import load_grid

SHAPE, CHANNELS = (2, 3), 2


@pytest.fixture(scope="module")
def data():
    return np.random.default_rng(0).normal(size=(2, 60, CHANNELS, *SHAPE)).cumsum(axis=4)


@pytest.fixture(scope="module")
def noises(data, build):
    d, h = data
    grid = ln.UnitGrid(SHAPE, CHANNELS, signal="local").learn(d, h)
    some = {
        "grid": grid,
        "full": ln.central.full(d),
        "diagonal": ln.central.diagonal(d),
        "identity": ln.central.identity(d),
        "none": ln.central.none(d),
        "shuffled": ln.central.shuffled(d, seed=3),
        "affine": ln.central.affine(d, h),
    }
    some["bank"] = ln.Bank(list(some.values()), clean=0.1, shares=[1, 2, 3, 1 / 3, 1, 1, 0.7])
    for name, noise in some.items():
        noise.provenance = {"note": name}
    return some


NAMES = ["grid", "full", "diagonal", "identity", "none", "shuffled", "affine", "bank"]


@pytest.mark.parametrize("name", NAMES)
def test_a_noise_comes_back_to_the_bit(noises, data, name, tmp_path):
    noise, h = noises[name], data[1].astype(np.float32)
    path = noise.save(tmp_path / "noise.h5")
    loaded = ln.load(path)
    assert type(loaded) is type(noise)
    assert loaded.provenance["note"] == name
    assert "written" in loaded.provenance
    assert (loaded.parameters, loaded.bytes_per_unit) == (noise.parameters, noise.bytes_per_unit)
    for draw in (
        lambda each: each.sample(40, 3, 7),
        lambda each: each.perturb(h, 3, 7),
        lambda each: each.mean(h),
        lambda each: each.pull_back(h, 3, 7) if name == "bank" else each.pull_back(h),
    ):
        np.testing.assert_array_equal(draw(loaded), draw(noise))
    assert repr(loaded).partition(" object")[0] == repr(noise).partition(" object")[0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["noise.h5"], "written aside, and renamed"


def test_a_bank_keeps_whose_turn_it_is_and_what_its_grids_learned(noises, tmp_path, data):
    bank = noises["bank"]
    loaded = ln.load(bank.save(tmp_path / "bank.h5"))
    np.testing.assert_array_equal(loaded.turns(10_000, 5), bank.turns(10_000, 5))
    assert loaded.members[0].state["seen"] == 60
    assert ln.load(bank.save(tmp_path / "small.h5", state=False)).members[0].state is None
    assert ln.load(tmp_path / "bank.h5", state=False).members[0].state is None


def test_kinds_do_not_stand_in_for_each_other(noises, tmp_path):
    path = noises["full"].save(tmp_path / "full.h5")
    with pytest.raises(FileFormatError, match=r"format 'localnoise.central', expected 'localnoise.grid'; it holds"):
        load_grid(path)
    with h5py.File(noises["bank"].save(tmp_path / "bank.h5"), "r+") as file:
        file.copy(file, file, "7")  # a bank in a bank
        file.attrs["members"] = 8
        del file["shares"]
        file["shares"] = np.full(8, 1 / 8)
    with pytest.raises(FileFormatError, match=r"format 'localnoise.bank', expected 'localnoise.grid', or one of"):
        ln.load(tmp_path / "bank.h5")


def test_members_without_a_file_are_named(noises, tmp_path):
    class Own:
        channels, shape, provenance = CHANNELS, SHAPE, {}

        def perturb(self): ...

    with pytest.raises(ArgumentError, match="a member is Own: expected grids or central noises"):
        ln.Bank([noises["full"], Own()]).save(tmp_path / "bank.h5")
    assert not list(tmp_path.iterdir())


def _edit(act):
    def edited(path):
        with h5py.File(path, "r+") as file:
            act(file)

    return edited


def _replace(name, change):
    def act(file):
        value = change(file[name][()])
        del file[name]
        file[name] = value

    return _edit(act)


DAMAGE = {
    "no such schema": (_edit(lambda f: f.attrs.update(schema=9)), "schema 9, this version reads 1"),
    "another format": (_edit(lambda f: f.attrs.update(format=np.bytes_("x"))), "format 'x', expected"),
    "a chip's": (_edit(lambda f: f.attrs.update(format=np.bytes_("localnoise.chip"))), "load_chip"),
    "no members": (_edit(lambda f: f.attrs.update(members=0)), "members=0"),
    "a member missing": (_edit(lambda f: f.pop("3")), "3 is missing"),
    "too many members": (_edit(lambda f: f.attrs.update(members=10**9)), "1,000,000,000 members"),
    "shares": (_replace("shares", lambda v: 2 * v), "shares do not sum to 1"),
    "shares of another type": (_replace("shares", lambda v: v.astype("f4")), "shares is float32"),
    "negative shares": (_replace("shares", lambda v: -v), "shares="),
    "clean": (_edit(lambda f: f.attrs.update(clean=1.5)), "clean=1.5"),
    "a factor of another size": (_replace("1/factor", lambda v: v[:-1]), r"factor is float32 \(77,\)"),
    "a factor that is none": (_replace("1/factor", lambda v: v * np.nan), "leaves the range"),
    "a factor of nothing": (_edit(lambda f: f["1"].pop("factor")), "a full noise, and its factor"),
    "a map that is none": (_replace("6/G", lambda v: v * np.inf), "G holds NaN or infinity"),
    "another layout": (_edit(lambda f: f["1"].attrs.update(layout=np.bytes_(b'{"kind": 3}'))), "damaged"),
    "a link away": (
        _edit(lambda f: (f.pop("3"), f.update({"3": h5py.ExternalLink("other.h5", "/")}))),
        "links are not followed",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_one_sentence(noises, tmp_path, damage):
    path = noises["bank"].save(tmp_path / "bank.h5")
    act, message = DAMAGE[damage]
    act(path)
    with pytest.raises(FileFormatError, match=message) as raised:
        ln.load(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.fixture(scope="module")
def saved(noises, tmp_path_factory):
    return noises["bank"].save(tmp_path_factory.mktemp("saved") / "bank.h5")


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
@examples(60, derandomize=True)
def test_a_damaged_byte_is_found_or_changes_nothing(saved, noises, tmp_path_factory, where, bit, cut):
    path = tmp_path_factory.mktemp("damaged") / "bank.h5"
    content = bytearray(saved.read_bytes())
    at = int(where * len(content))
    content[at] ^= 1 << bit
    path.write_bytes(content[:at] if cut else content)
    loaded = error = None
    try:
        loaded = ln.load(path)
    except FileFormatError as raised:
        error = str(raised)
    assert error is None or "\n" not in error
    if loaded is not None:
        np.testing.assert_array_equal(loaded.sample(40, 3), noises["bank"].sample(40, 3))


def test_what_a_file_declares_is_held_against_a_budget(noises, tmp_path):
    path = shutil.copy(noises["full"].save(tmp_path / "full.h5"), tmp_path / "copy.h5")
    with pytest.raises(TooLargeError, match="raise max_bytes"):
        ln.load(path, max_bytes=100)
