"""What a repair is worth, and a second look, on a chip: as the oracle and floating point have them, kept in files."""

import warnings
from copy import copy
from dataclasses import replace

import h5py
import numpy as np
import pytest
from naive_repair_chip import activations, learned, looking_twice, repaired, told
from small_repair_chips import FORMATS, held, sample

from localnoise.errors import ArgumentError, RoundedWarning
from localnoise.hardware import ChipRepair, Formats, load_chips, quantise, repair_report
from localnoise.hardware.quantiser.repaired import densities, log_terms, rescored
from localnoise.hardware.repair_words import fraction_of
from localnoise.repair.worth import by_source


@pytest.fixture(scope="module", params=["none", "places"])
def repair(request):
    return learned(share=request.param)


@pytest.fixture(scope="module")
def chip(repair):
    return quantise(repair)


@pytest.fixture(scope="module")
def twice(repair):
    return looking_twice(copy(repair))


@pytest.mark.parametrize("formats", FORMATS)
def test_worth_and_a_second_look_are_those_of_the_oracle(twice, formats):
    chip = quantise(twice, FORMATS[formats])
    words = sample(chip, 12)
    expected, members = repaired(chip, words)
    fixed, member = chip.words(words)
    assert member.tolist() == members
    assert (fixed.reshape(expected.shape) == expected).all()
    word = np.arange(len(words)) % 4 - 1
    again = chip.likeliest(words, word)
    assert again.tolist() == [told(chip, *pair) for pair in zip(words, word, strict=True)]
    assert chip.verdict(again)[word < 0].tolist() == [-1] * int((word < 0).sum())


def test_integers_ask_what_a_repair_is_worth_as_floating_point_does(twice):
    chip, kinds = quantise(twice), held() | {"milder": 0.8 * activations(300, 2)}
    left = []
    for h in kinds.values():
        w = twice.weights(h)
        expected = np.where(w.sum(axis=1) > 0, w.argmax(axis=1), -1)
        member = chip.decide(chip.activation_words(h))
        assert np.mean(member == expected) > 0.97
        left.append(np.mean(member < 0))
    assert left[3] > 0.5 > left[2], "milder ones are left alone, learned ones are not"


@pytest.mark.parametrize("bits", [8, 4])
def test_worths_of_a_sources_own_activations_are_in_the_mean_what_floating_point_has(twice, bits):
    """Rounding moves all laws' densities, each source's in a way of its own; worths are differences of them."""
    chip = quantise(twice, Formats(weight_bits=bits))
    sources = [np.flatnonzero(chip.source_of == s) for s in range(len(chip.sources))]
    unit, terms = 2 * 4.0 ** fraction_of(chip.formats) * chip.config.neurons, log_terms(twice, chip)
    shifts = []
    for t, own in enumerate(sources):
        h = np.concatenate([twice.members[j].kept for j in own]).astype(np.float32)
        found, squares = twice.log_densities(h), chip.squares(chip.activation_words(h))
        slope = chip.field.worth[t].astype(float)
        scale = np.abs(slope).max() / max(np.abs(twice.worth.slope[t]).max(), 1e-30) * unit
        if not slope.any():
            continue
        expected = (twice.worth.excess[t] + by_source(found, sources) @ twice.worth.slope[t]).mean()
        assert chip.worths(squares)[:, t].mean() / scale == pytest.approx(expected, abs=1e-4)
        shifts.append(abs(densities(chip, squares, terms) - found).mean())
    assert max(shifts) > 1e-4, "else nothing had to be moved"


def test_a_chip_may_ask_by_its_own_densities(twice):
    """Worth that was learned by what integers say stands as it is; nothing else changes."""
    chip = quantise(twice)
    again = rescored(chip, twice, logs=log_terms(twice, chip))
    moved = rescored(chip, twice, twice)
    for name, array in chip.field.arrays.items():
        assert np.array_equal(getattr(moved.field, name), array), name
        assert np.array_equal(getattr(again.field, name), array) == (name != "worth_bias"), name


def test_a_chip_forgets_what_its_repair_no_longer_asks(twice):
    repair, chip = copy(twice), quantise(twice)
    repair.worth = None
    repair.decide_among()
    found, fresh = rescored(chip, repair), quantise(repair)
    for name, array in fresh.field.arrays.items():
        assert np.array_equal(getattr(found.field, name), array), name
    assert found.field.extra == (0, 0, 0)
    assert (found.field.among_multiplier, found.field.among_shift) == (0, 0)


def test_a_report_knows_that_both_leave_alone_what_does_not_pay(twice):
    chip, h = quantise(twice), held() | {"milder": 0.8 * activations(300, 2)}
    parts = repair_report(twice, chip, h).parts
    for part, own in zip(parts, h.values(), strict=True):
        w = twice.weights(own)
        expected = np.where(w.sum(axis=1) > 0, w.argmax(axis=1), -1)
        member, sources = chip.decide(chip.activation_words(own)), ["none", *chip.member_sources]
        assert part.equal == np.mean(member == expected) > 0.97
        same = [sources[1 + one] == sources[1 + other] for one, other in zip(member, expected, strict=True)]
        assert part.source_equal == np.mean(same)
        assert part.hard <= part.error


def test_integers_take_a_second_look_as_floating_point_does(twice):
    chip = quantise(twice)
    for h in held().values():
        word = np.random.default_rng(0).integers(0, 3, len(h))
        w = twice.weights(h, np.eye(3)[word])
        expected = np.where(w.sum(axis=1) > 0, w.argmax(axis=1), -1)
        assert np.mean(chip.likeliest(chip.activation_words(h), word) == expected) > 0.97
    h = held()["dim"]
    assert set(chip.source_of[chip.likeliest(chip.activation_words(h), "clean")]) == {0}, "a name is sure"


def test_worth_and_a_second_look_come_back_to_the_bit(twice, tmp_path):
    chip = quantise(twice)
    found = load_chips(chip.save(tmp_path / "twice.h5"))
    for name, array in chip.field.arrays.items():
        np.testing.assert_array_equal(getattr(found.field, name), array)
    assert found.field.among_multiplier == chip.field.among_multiplier > 0


def test_a_file_of_the_first_schema_has_neither(chip, tmp_path):
    path = chip.save(tmp_path / "old.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = 1
        for name in ("log", "worth", "worth_bias", "among", "among_bias"):
            del file[name]
        for name in ("among_multiplier", "among_shift"):
            del file.attrs[name]
    words = sample(chip)
    np.testing.assert_array_equal(load_chips(path).words(words)[0], chip.words(words)[0])


def test_worth_that_cannot_be_is_refused(twice):
    chip = quantise(twice)
    f = chip.field
    for changed, match in (
        ({"log": f.log[:0]}, "log is of 0 members, worth of 3 sources"),
        ({"worth": f.worth[:2, :2], "worth_bias": f.worth_bias[:2]}, "worth is of 2 sources: expected 3"),
        ({"worth_bias": np.full_like(f.worth_bias, 2**62)}, "worth could leave 64 bits"),
        ({"among": f.among * 0}, "among leaves out clean"),
        ({"among": f.among[:2]}, "among is of 2 sources: expected 3"),
        ({"among_shift": 99}, "among_shift=99"),
    ):
        with pytest.raises(ArgumentError, match=match):
            ChipRepair(chip.config, chip.formats, replace(f, **changed), chip.member_sources)


def test_worth_that_rounding_turns_is_warned_of(twice):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RoundedWarning)
        quantise(twice)
    turned = copy(twice)
    kept = by_source(twice.log_densities(twice.members[1].kept), [np.array([0]), np.array([1]), np.array([2])])
    slope = np.zeros_like(twice.worth.slope)
    slope[1, 1] = 50.0  # so that it is chance on which side of the threshold its own activations lie
    offset = twice.worth.offset.copy()
    offset[1] = twice.worth.least + twice.worth.more[1] - 50 * np.median(kept[:, 1])
    turned.worth = replace(twice.worth, offset=offset, slope=slope)
    with pytest.warns(RoundedWarning, match=r"are worth repair in integers or in floating point alone"):
        quantise(turned, Formats(weight_bits=3, activation_bits=4))
