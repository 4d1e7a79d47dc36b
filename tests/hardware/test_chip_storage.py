"""A chip grid comes back from its file to the bit; a file that is none, or was edited, gets one sentence."""

import h5py
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

import localnoise as ln
from localnoise.errors import FileFormatError
from localnoise.hardware import Formats, load_chip, quantise


@pytest.fixture(scope="module")
def chip():
    rng = np.random.default_rng(0)
    h = np.tanh(rng.normal(size=(400, 2, 3, 4))).astype(np.float32)
    d = rng.normal(size=h.shape) + h
    grid = ln.UnitGrid(shape=(3, 4), channels=2, parents=3, signal="local").learn(d, h)
    chip = quantise(grid, Formats(rounding="stochastic", generator="lfsr24"), h=h)
    chip.provenance = {"source": "rotate"}
    return chip


def test_round_trip(chip, tmp_path):
    back = load_chip(chip.save(tmp_path / "chip.h5"))
    assert (back.config, back.formats) == (chip.config, chip.formats)
    assert back.provenance["source"] == "rotate"
    for name, array in chip.field.arrays.items():
        assert np.array_equal(getattr(back.field, name), array)
        assert getattr(back.field, name).dtype == array.dtype
    h = np.random.default_rng(1).uniform(-1, 1, (5, 2, 3, 4))
    assert np.array_equal(back.perturb(h, seed=3), chip.perturb(h, seed=3))


def test_learning_goes_on_after_a_power_cycle(tmp_path):
    d = np.random.default_rng(0).normal(size=(300, 2, 3, 3)).astype(np.float32)
    grid = ln.UnitGrid(shape=(3, 3), channels=2, parents=3)
    whole, first = quantise(grid, d=d).learn(d), quantise(grid, d=d).learn(d[:100])
    second = load_chip(first.save(tmp_path / "chip.h5")).learn(d[100:])
    for name, array in whole.field.arrays.items():
        assert np.array_equal(getattr(second.field, name), array), name
    assert load_chip(first.save(tmp_path / "small.h5", state=False)).state is None


@pytest.mark.parametrize(
    ("name", "index", "value", "message"),
    [
        ("parents", (0, 0), 99, r"parents of unit \(0, 0\) holds 99: expected -1 to 11"),
        ("order", 0, 5, "no permutation"),
        ("B", (0, 0, 0), 4000, r"B of unit \(0, 0\) holds 4000: expected -127 to 127"),
        ("s", (0, 0), 0, r"s of unit \(0, 0\) holds 0: expected 1 to 127"),
        ("lift", (0, 0), -1, r"lift of unit \(0, 0\) holds -1: expected 0 to 31"),
    ],
)
def test_an_edited_file_is_refused(chip, tmp_path, name, index, value, message):
    path = chip.save(tmp_path / "chip.h5")
    with h5py.File(path, "r+") as file:
        array = file[name][()]
        array[index] = value
        file[name][...] = array
    with pytest.raises(FileFormatError, match=message):
        load_chip(path)


def test_a_parent_later_in_the_order_is_refused(chip, tmp_path):
    path = chip.save(tmp_path / "chip.h5")
    with h5py.File(path, "r+") as file:
        parents = file["parents"][()]
        parents[chip.field.order[0], 0] = chip.field.order[-1]
        file["parents"][...] = parents
    with pytest.raises(FileFormatError, match="earlier in the order"):
        load_chip(path)


def test_foreign_and_missing_files(chip, tmp_path):
    with pytest.raises(FileFormatError, match="no such file"):
        load_chip(tmp_path / "none.h5")
    grid = ln.UnitGrid(shape=(2, 2)).learn(np.random.default_rng(0).normal(size=(50, 1, 2, 2)))
    with pytest.raises(FileFormatError, match="quantise it first"):
        load_chip(grid.save(tmp_path / "grid.h5"))
    with pytest.raises(FileFormatError, match=r"format 'localnoise\.chip', expected 'localnoise.grid'"):
        ln.load(chip.save(tmp_path / "chip.h5"))
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(FileFormatError, match="damaged or not HDF5"):
        load_chip(tmp_path / "text.h5")
    with h5py.File(tmp_path / "chip.h5", "r+") as file:
        file.attrs["schema"] = 7
    with pytest.raises(FileFormatError, match="schema 7, this version reads 1"):
        load_chip(tmp_path / "chip.h5")


@examples(60)
@given(where=st.floats(0, 1), bit=st.integers(0, 7))
def test_a_damaged_byte_never_passes_unseen(chip, tmp_path_factory, where, bit):
    path = chip.save(tmp_path_factory.mktemp("damaged") / "chip.h5")
    content = bytearray(path.read_bytes())
    content[int(where * (len(content) - 1))] ^= 1 << bit
    path.write_bytes(bytes(content))
    try:
        back = load_chip(path)
    except FileFormatError:
        return
    same = all(np.array_equal(getattr(back.field, n), a) for n, a in chip.field.arrays.items())
    assert same
    assert (back.formats, back.field.activation_scale) == (chip.formats, chip.field.activation_scale)
