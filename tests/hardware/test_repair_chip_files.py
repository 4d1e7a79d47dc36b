"""The file of a repair on a chip: it comes back to the bit, and damage is one sentence."""

import h5py
import numpy as np
import pytest
from naive_repair_chip import learned
from small_repair_chips import changed, sample

from localnoise.errors import FileFormatError
from localnoise.hardware import ChipRepair, load_chip, load_chips, quantise


@pytest.fixture(scope="module", params=["none", "places"])
def repair(request):
    return learned(share=request.param)


@pytest.fixture(scope="module")
def chip(repair):
    return quantise(repair)


def test_a_repair_comes_back_to_the_bit(chip, tmp_path):
    chip.provenance = {"note": "two"}
    path = chip.save(tmp_path / "repair.h5")
    loaded = load_chips(path)
    assert isinstance(loaded, ChipRepair)
    assert loaded.provenance["note"] == "two"
    assert loaded.member_sources == chip.member_sources
    words = sample(chip)
    for ours, theirs in zip(chip.words(words), loaded.words(words), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(FileFormatError, match=r"format 'localnoise.chiprepair', expected .*load_chips"):
        load_chip(path)
    with pytest.raises(FileFormatError, match="quantise it first"):
        load_chips(learned(count=300).save(tmp_path / "float.h5"))


def first(value):
    def act(array):
        array.reshape(-1)[0] = value
        return array

    return act


DAMAGE = {
    "a weight too large": (changed("law", first(500)), "law holds .*: expected -127 to 127"),
    "a reader beyond": (changed("readers", first(20)), "readers holds .* expected -1 to 19"),
    "a reader twice": (changed("readers", lambda r: np.where(r >= 0, 0, -1).astype(r.dtype)), "name one twice"),
    "a fraction too fine": (changed("way_bits", first(99)), "way_bits holds"),
    "a class of nobody": (changed("kinds", lambda k: np.zeros_like(k)), "kinds: expected every set of weights used"),
    "another type": (changed("centre", lambda c: c.astype(np.int64)), "centre is int64"),
    "an array missing": (lambda f: f.pop("low"), "low is missing"),
    "a range below zero": (changed("low", first(-1)), "low holds"),
    "an accumulator too small": (
        lambda f: f.attrs.update(formats=np.bytes_(f.attrs["formats"].decode().replace('its": 32', 'its": 18'))),
        "accumulator of the laws can reach .* quantise with more",
    ),
    "a way back of nobody": (changed("backs", first(1)), "backs=.*: expected -1 for the first"),
    "a multiplier too large": (lambda f: f.attrs.update(multiplier=2**20), "multiplier=1048576: expected"),
    "another schema": (lambda f: f.attrs.update(schema=9), "schema 9, this version reads 1 to 3"),
    "a name missing": (lambda f: f.attrs.update(sources=np.bytes_('["clean"]')), "expected 4 names"),
    "names that are none": (lambda f: f.attrs.update(sources=np.bytes_("[1, 2]")), "no list of names"),
}


def test_slots_of_shared_weights_hold_words_in_all_places_or_bends(tmp_path):
    """Else an accumulator that was bounded for words could overflow."""
    path = quantise(learned(share="places", radius=0, bends=0)).save(tmp_path / "bent.h5")
    with h5py.File(path, "r+") as file:
        assert int(file.attrs["schema"]) == 3
        file["readers"][19] = [19 + 20, 19]
    with pytest.raises(FileFormatError, match="kinds: expected every set of weights used, by units that read as many"):
        load_chips(path)


def test_a_repair_without_bends_is_read_by_earlier_versions(chip, tmp_path):
    with h5py.File(chip.save(tmp_path / "plain.h5")) as file:
        assert int(file.attrs["schema"]) == 2
        assert "activations" not in file.attrs


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_one_sentence(chip, tmp_path, damage):
    path = chip.save(tmp_path / "repair.h5")
    act, message = DAMAGE[damage]
    with h5py.File(path, "r+") as file:
        act(file)
    with pytest.raises(FileFormatError, match=message) as error:
        load_chips(path)
    assert "\n" not in str(error.value)
