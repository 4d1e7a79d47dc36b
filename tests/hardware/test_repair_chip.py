"""A repair on a chip: integers as stated, close to the float repair, saved, held against chips, exported to the bit."""

from contextlib import closing
from copy import copy
from dataclasses import replace

import h5py
import numpy as np
import pytest
from naive_repair_chip import (
    activations,
    blurred,
    dimmed,
    learned,
    looking_twice,
    read_golden,
    repaired,
    squares_of,
    told,
    undone,
)

import localnoise as ln
from localnoise.errors import ArgumentError, FileFormatError, UnknownNameError
from localnoise.hardware import ChipRepair, Formats, OnChip, load_chip, load_chips, quantise, repair_report
from localnoise.hardware.export import export, verify
from localnoise.hardware.export.repair_machines import RepairCortexM, RepairHost
from localnoise.hardware.export.repair_parts import plausible
from localnoise.hardware.fitting.repair import check_repair_fits, fit_repair

FORMATS = {
    "usual": Formats(),
    "few bits": Formats(weight_bits=4, word_bits=8, activation_bits=5),
    "many bits": Formats(weight_bits=16, word_bits=16, activation_bits=14, accumulator_bits=56),
    "least": Formats(weight_bits=2, word_bits=4, activation_bits=2),
}


@pytest.fixture(scope="module", params=["none", "places"])
def repair(request):
    return learned(share=request.param)


@pytest.fixture(scope="module")
def chip(repair):
    return quantise(repair)


def sample(chip, count=9, seed=0):
    """Activation words (2 count, m, N): some as each member expects them, and any."""
    rng, top = np.random.default_rng(seed), chip.formats.activation_limit + 1
    near = plausible(chip, count, rng)
    return np.concatenate([near, rng.integers(-top, top, near.shape)])


def held():
    h = activations(300, 1)
    return {"clean": h, "blur": blurred(h), "dim": np.concatenate([dimmed(h[:150]), 0.5 * h[150:]])}


@pytest.mark.parametrize("formats", FORMATS)
def test_integers_are_those_of_the_oracle(repair, formats):
    chip = quantise(repair, FORMATS[formats])
    words = sample(chip)
    Q = chip.squares(words)
    assert Q.tolist() == [[squares_of(chip, one, j) for j in range(chip.field.members)] for one in words]
    fixed, member = chip.words(words)
    expected, members = repaired(chip, words)
    assert member.tolist() == members
    assert (fixed.reshape(expected.shape) == expected).all()
    told = np.arange(len(words)) % chip.field.members
    again = chip.words(words, told)[0].reshape(expected.shape)
    assert (again == np.stack([undone(chip, *pair) for pair in zip(words, told, strict=True)])).all()


def test_what_is_compared_is_of_every_member(chip):
    assert set(chip.decide(plausible(chip, 80, np.random.default_rng(1))).tolist()) == {0, 1, 2, 3}


def test_golden_vectors_are_kept():
    chip, said = read_golden()
    words = np.array(said["activations"])
    assert set(said["members"]) >= {0, 1, 2}
    fixed, member = chip.words(words)
    assert member.tolist() == said["members"]
    assert fixed.reshape(words.shape).tolist() == said["repaired"]


def test_eight_bits_decide_and_repair_as_floating_point_does(repair, chip):
    found = repair_report(repair, chip, held())
    assert found.equal > 0.98
    assert found.hard <= found.error < found.hard + 0.005
    assert [part.source for part in found.parts] == ["clean", "blur", "dim"]
    for name, h in held().items():
        fixed, member = chip(h)
        clean = held()["clean"]
        before, after = np.square(h - clean).mean(), np.square(fixed - clean).mean()
        if name != "dim":  # two causes, whose truth is another one each
            assert after < {"clean": 0.001, "blur": 0.75 * before}[name]
        assert np.mean([chip.member_sources[j] == name for j in member]) > 0.9


def test_bits_lessen_the_error(repair):
    h = held()["blur"]
    wanted = np.clip(repair(h, "blur")[0], -1, 1)  # words saturate
    made = [quantise(repair, Formats(weight_bits=bits, activation_bits=10)) for bits in (3, 5, 8)]
    errors = [np.square(one(h, "blur")[0] - wanted).mean() for one in made]
    assert errors[0] > 4 * errors[1] > 16 * errors[2]


@pytest.mark.parametrize("bits", [3, 4, 5])
def test_feedback_pays(repair, bits):
    formats = Formats(weight_bits=bits, activation_bits=10)
    fed, plain = (repair_report(repair, quantise(repair, formats, feedback=on), held()).error for on in (True, False))
    assert fed < plain


def test_what_no_member_expects_is_left_as_it_is(chip):
    for strange in (
        activations(40, 3) * -9,
        np.random.default_rng(2).normal(size=(40, 2, 4, 5)),
        np.zeros((2, 2, 4, 5)),
    ):
        fixed, member = chip(strange)
        assert not member.any()
        np.testing.assert_array_equal(chip.activation_words(fixed), chip.activation_words(strange))


def test_a_source_that_is_known_is_undone(chip):
    h = activations(50, 4)
    words = chip.activation_words(dimmed(h))
    fixed, member = chip(dimmed(h), "dim")
    assert set(member.tolist()) <= {2, 3}
    np.testing.assert_array_equal(chip.activation_words(fixed), chip.words(words, member)[0])
    assert not chip(dimmed(h), "clean")[1].any()
    assert chip(h, "blur")[1].tolist() == [1] * 50
    assert chip.sources == ["clean", "blur", "dim"]
    assert chip.member_sources == ["clean", "blur", "dim", "dim"]
    assert chip.decide(words[:0]).shape == (0,)


def test_a_source_that_is_recognised_alone_is_named_and_left_as_it_is(tmp_path):
    """Each activation's source may be known, too: as an index, such as from an earlier layer's chip."""
    h, tilted = activations(900, 0), np.flip(activations(900, 0), 2)
    repair = ln.Repair((4, 5), 2, radius=1).learn("dim", dimmed(h), h)
    chip = quantise(repair.learn("flip", tilted * 0.6, h, way_back=False))
    assert chip.field.backs.tolist() == [-1, 0, -1]
    words = sample(chip)
    fixed, member = chip.words(words)
    expected, members = repaired(chip, words)
    assert member.tolist() == members
    assert 2 in members
    assert (fixed.reshape(expected.shape) == expected).all()
    assert (fixed[member == 2].reshape(-1, 2, 20) == words[member == 2]).all()
    told = np.array([0, 1, 2] * 3)
    assert chip(h[:9], told)[1].tolist() == told.tolist()
    assert load_chips(chip.save(tmp_path / "repair.h5")).field.backs.tolist() == [-1, 0, -1]
    export(chip, tmp_path / "c")
    assert [check.mismatch for check in verify(tmp_path / "c", 800, ["host"])[0]] == [""] * 8
    alone = ln.Repair((4, 5), 2).learn("flip", tilted, h, way_back=False)
    export(quantise(alone), tmp_path / "alone")
    assert [check.mismatch for check in verify(tmp_path / "alone", 400, ["host"])[0]] == [""] * 8


def test_numbers_of_weights_and_products_are_counted(chip, repair):
    m, units, parents = 2, 20, (chip.field.parents >= 0).sum()
    readers = (chip.field.readers >= 0).sum()
    assert readers == sum(len(range(max(0, y - 1), min(4, y + 2))) for y in range(4)) * sum(
        len(range(max(0, x - 1), min(5, x + 2))) for x in range(5)
    )
    laws = parents * m * m + units * 3
    assert chip.multiplications == (4 * (laws + units * m + 1), readers * m * m)
    shared = repair.share == "places"
    assert (chip.field.way_weights < readers * m * m) == shared
    assert chip.ram == 4 * 40


# Files


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


def changed(name, change):
    def act(file):
        array = file[name][()]
        del file[name]
        file[name] = change(array)

    return act


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
    "another schema": (lambda f: f.attrs.update(schema=9), "schema 9, this version reads 1 and 2"),
    "a name missing": (lambda f: f.attrs.update(sources=np.bytes_('["clean"]')), "expected 4 names"),
    "names that are none": (lambda f: f.attrs.update(sources=np.bytes_("[1, 2]")), "no list of names"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_one_sentence(chip, tmp_path, damage):
    path = chip.save(tmp_path / "repair.h5")
    act, message = DAMAGE[damage]
    with h5py.File(path, "r+") as file:
        act(file)
    with pytest.raises(FileFormatError, match=message) as error:
        load_chips(path)
    assert "\n" not in str(error.value)


# What cannot be


def test_what_cannot_be_a_repair_on_a_chip(repair, chip, tmp_path):
    h = activations(5, 0)
    with pytest.raises(ArgumentError, match="h was given with a repair, which holds what it is calibrated on"):
        quantise(repair, h=h)
    with pytest.raises(ArgumentError, match="rounding='stochastic': a repair on a chip has 'half-up' alone"):
        quantise(repair, Formats(rounding="stochastic"))
    with pytest.raises(ArgumentError, match="activation_bits=15: expected at most 14"):
        quantise(repair, Formats(activation_bits=15))
    with pytest.raises(ArgumentError, match=r"the law of 'clean', unit 0: .* does not fit weight_bits=8"):
        quantise(repair, Formats(accumulator_bits=16))
    with pytest.raises(ArgumentError, match="nothing is learned yet"):
        quantise(ln.Repair((2, 2)))
    bare = ln.load(repair.save(tmp_path / "bare.h5", state=False))
    with pytest.raises(ArgumentError, match=r"no held-out activations of 'clean'.*saved with its state"):
        quantise(bare)
    with pytest.raises(ArgumentError, match=r"h is float64 .*: expected activation words .*use activation_words"):
        chip.words(h.astype(float))
    for shape in ((2, 4, 5, 2), (2, 5, 4, 2), (2, 20, 2), (40,)):
        with pytest.raises(ArgumentError, match=r"h is int64 .*: expected activation words .*channels first"):
            chip.words(np.zeros(shape, int))
    with pytest.raises(ArgumentError, match="h holds 0 to 200: expected words of -128 to 127"):
        chip.words(np.array([[0, 200] * 20]))
    with pytest.raises(ArgumentError, match=r"member has shape \(1,\): expected a whole number of 0 to 3"):
        chip.words(np.zeros((2, 2, 4, 5), int), [7])
    with pytest.raises(ArgumentError, match=r"source has shape \(1,\): expected a name, or a whole number of 0 to 2"):
        chip(h, [1])
    with pytest.raises((ArgumentError, UnknownNameError), match="source='blurr'"):
        chip(h, "blurr")
    with pytest.raises(ArgumentError, match="h has 0 activations of 'blur'"):
        repair_report(repair, chip, {"blur": h[:0]})
    with pytest.raises(ArgumentError, match="'clean' first and only there"):
        ChipRepair(chip.config, chip.formats, chip.field, ["blur", "clean", "dim", "dim"])


def test_a_repair_fits_or_one_sentence_says_why_not(chip, tmp_path):
    found = check_repair_fits(chip, "stm32f407")
    assert found.fits
    assert found.instructions > sum(chip.multiplications)
    assert found.milliseconds == pytest.approx(found.instructions / 168e3)
    assert fit_repair(chip, "ideal").fits
    with pytest.raises(ArgumentError, match=r"chip='ice40up5k': flash and RAM .* are not published"):
        check_repair_fits(chip, "ice40up5k")
    said = 'source = "made up", status = "vendor-doc"'
    small = tmp_path / "small.toml"
    small.write_text(
        f'title = "Small"\nkind = "microcontroller"\nclock = {{ value = 1000, {said} }}\n[limits]\n'
        f"cores = {{ value = 1, {said} }}\nflash = {{ value = 5000, {said} }}\nram = {{ value = 100, {said} }}\n"
    )
    with pytest.raises(
        ArgumentError, match=r"chip='small': the repair takes .* bytes of flash, it has 5,000: expected"
    ):
        check_repair_fits(chip, small)


# Exports


def test_exports_that_hold_no_repair(chip, tmp_path):
    for kind in ("verilog", "json", "hdf5", "nir"):
        with pytest.raises(ArgumentError, match=f"kind='{kind}' holds no repair: expected c99"):
            export(chip, tmp_path / kind, kind)
    with pytest.raises(ArgumentError, match="learner was given with a repair"):
        export(chip, tmp_path / "learner", learner=OnChip())
    assert not list(tmp_path.iterdir())


# Worth, and a second look


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


@pytest.mark.parametrize("formats", ["usual", "many bits"])
def test_exported_c_asks_and_looks_twice_to_the_bit(twice, formats, tmp_path):
    export(quantise(twice, FORMATS[formats]), tmp_path / "c", name="mine")
    checks, _ = verify(tmp_path / "c", 4_000, ["host"])
    assert [check.mismatch for check in checks] == [""] * 8


@pytest.mark.toolchain
def test_a_cortex_m_asks_and_looks_twice_to_the_bit(twice, tmp_path):
    made = quantise(twice)
    export(made, tmp_path / "c")
    checks, _ = verify(tmp_path / "c", 4_000)
    assert [check.mismatch for check in checks] == [""] * 16
    with closing(RepairCortexM(tmp_path / "c", tmp_path, made)) as machine:
        assert made.flash <= machine.footprint.tables <= made.flash + 1024
        assert machine.footprint.code <= 4096


@pytest.mark.parametrize("formats", FORMATS)
def test_exported_c_is_the_emulators_to_the_bit(repair, formats, tmp_path):
    made = quantise(repair, FORMATS[formats])
    export(made, tmp_path / "c", seed=3, name="mine")
    checks, _ = verify(tmp_path / "c", 1_000, ["host"])
    assert {check.name.partition(":")[0] for check in checks} == {
        "undo",
        "squares",
        "repair",
        "repair, any words",
        "repair, told",
    }
    assert [check.mismatch for check in checks] == [""] * 8
    words = sample(made)
    with closing(RepairHost(tmp_path / "c", tmp_path, made, "mine")) as machine:
        member, fixed = machine.repair(words)
    expected, members = repaired(made, words)
    assert member.tolist() == members
    np.testing.assert_array_equal(fixed, expected)


@pytest.mark.toolchain
@pytest.mark.parametrize("formats", FORMATS)
def test_a_cortex_m_repairs_to_the_bit(repair, formats, tmp_path):
    made = quantise(repair, FORMATS[formats])
    export(made, tmp_path / "c")
    checks, costs = verify(tmp_path / "c", 4_000)
    assert {check.backend for check in checks} == {"host", "cortex-m"}
    assert [check.mismatch for check in checks] == [""] * 16
    assert "instructions to decide" in costs["cortex-m"]
    with closing(RepairCortexM(tmp_path / "c", tmp_path, made)) as machine:
        assert made.flash <= machine.footprint.tables <= made.flash + 1024  # and what the linker adds
        assert machine.footprint.code <= 4096  # `fitting.repair.PROGRAM`


@pytest.mark.parametrize("name", ["centre", "law", "way", "way_bias", "bias", "low"])
def test_a_changed_number_is_found(chip, tmp_path, name, monkeypatch):
    export(chip, tmp_path / "c")
    honest, array = chip.field.arrays[name], chip.field.arrays[name].copy()
    if name == "bias":
        array[0] += 10**9
    elif name == "low":
        array[:] = chip.field.high
    else:
        array.reshape(-1)[np.flatnonzero(honest.reshape(-1))[0]] += 64 if name == "centre" else 1
    if name == "way_bias":
        array[...] = honest + 128
    other = ChipRepair(chip.config, chip.formats, replace(chip.field, **{name: array}), chip.member_sources)
    monkeypatch.setattr("localnoise.hardware.export.comparison.load_chips", lambda _: other)
    checks, _ = verify(tmp_path / "c", 4_000, ["host"])
    assert any(check.mismatch for check in checks)


def test_a_back_end_that_runs_no_repair_says_so(chip, tmp_path):
    export(chip, tmp_path / "c")
    with pytest.raises(ArgumentError, match="on='verilator': does not run c99"):
        verify(tmp_path / "c", 10, ["verilator"])
