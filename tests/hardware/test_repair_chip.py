"""A repair on a chip: integers as stated, close to the float repair, counted, held against chips."""

import numpy as np
import pytest
from naive_repair_chip import activations, dimmed, learned, read_golden, repaired, squares_of, undone
from small_repair_chips import FORMATS, held, sample

import localnoise as ln
from localnoise.errors import ArgumentError, UnknownNameError
from localnoise.hardware import ChipRepair, Formats, load_chips, quantise, repair_report
from localnoise.hardware.export import export, verify
from localnoise.hardware.export.repair_parts import plausible
from localnoise.hardware.fitting.repair import check_repair_fits, fit_repair


@pytest.fixture(scope="module", params=["none", "places", "none, bends", "places, bends"])
def repair(request):
    share, _, bends = request.param.partition(", ")
    return learned(share=share, bends=1 if bends else None)


@pytest.fixture(scope="module")
def chip(repair):
    return quantise(repair)


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
    assert [check.mismatch for check in verify(tmp_path / "c", 1100, ["host"])[0]] == [""] * 11
    alone = ln.Repair((4, 5), 2).learn("flip", tilted, h, way_back=False)
    export(quantise(alone), tmp_path / "alone")
    assert [check.mismatch for check in verify(tmp_path / "alone", 400, ["host"])[0]] == [""] * 11


def test_bends_of_sources_that_are_all_recognised_alone_compile(tmp_path):
    h = activations(600, 0)
    alone = ln.Repair((4, 5), 2, bends=1).learn("dim", dimmed(h), h, way_back=False)
    chip = quantise(alone)
    export(chip, tmp_path / "c")
    assert [check.mismatch for check in verify(tmp_path / "c", 200, ["host"])[0]] == [""] * 11
    assert (chip.stack, chip.ram) == (0, 160)


def test_numbers_of_weights_and_products_are_counted(chip, repair):
    m, units, parents = 2, 20, (chip.field.parents >= 0).sum()
    near, readers = ((chip.field.readers >= 0) & (chip.field.readers < units)).sum(), (chip.field.readers >= 0).sum()
    assert readers == (1 + chip.field.bends) * near
    assert near == sum(len(range(max(0, y - 1), min(4, y + 2))) for y in range(4)) * sum(
        len(range(max(0, x - 1), min(5, x + 2))) for x in range(5)
    )
    laws = parents * m * m + units * 3
    assert chip.multiplications == (4 * (laws + units * m + 1), readers * m * m)
    shared = repair.share == "places"
    assert (chip.field.way_weights < readers * m * m) == shared
    assert chip.ram == (8 if chip.field.bends else 4) * 40


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
