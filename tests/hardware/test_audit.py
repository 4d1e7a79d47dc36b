"""A device's audit: each planted fault is found and named, and sound devices are left in peace."""

import json
from dataclasses import replace

import numpy as np
import pytest
from broken_devices import Broken, chip_of, words_of

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.hardware import ChipGrid, Formats, quantise
from localnoise.hardware.audit import DeviceAudit
from localnoise.hardware.audit.power import draws_needed
from localnoise.hardware.audit.residuals import Residuals

DRAWS = 4000


@pytest.fixture(scope="module")
def chip():
    return chip_of()[0]


def judged(chip, words, h=None, seed=None):
    return DeviceAudit(chip).observe(words, h).verdict(seed)


def test_the_reference_device_draws_the_emulators_words(chip):
    np.testing.assert_array_equal(words_of(chip, 50, seed=3), chip.words(50, seed=3))
    signal, h = chip_of(signal="local")
    words = signal.activation_words(h[:50])
    flat = words.reshape(50, 2, -1).astype(np.int64)
    np.testing.assert_array_equal(words_of(signal, 50, seed=3, h=flat), signal.words(50, seed=3, h=words))


def test_private_noise_is_taken_out_exactly(chip):
    """What is left of a word is s xi 2^lift and less than one step of rounding."""
    from localnoise.hardware.audit.streams import expected

    r, f = Residuals(chip), chip.field
    words = chip.words(200, seed=5).reshape(200, 2, -1).astype(np.int64)
    xi = expected(chip, 5, 0, 200)
    for unit, (e, _, _) in enumerate(r.of(words, None)):
        noise = xi[:, :, unit] * f.s[unit] * 2.0 ** f.lift[unit, 2]
        gap = (e * r.deviation[:, unit] - noise) / 2.0 ** f.fraction[unit]
        cut = np.abs(words[:, :, unit]) >= chip.formats.word_limit
        assert (np.abs(gap[~cut]) < 0.5 + 1e-9).all()


@pytest.mark.parametrize("rounding", ["half-up", "half-even", "stochastic"])
@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
@pytest.mark.parametrize("signal", ["none", "local"])
def test_sound_devices_of_every_format_pass(rounding, overflow, signal):
    formats = Formats(rounding=rounding, overflow=overflow, weight_bits=6, word_bits=8, generator="lfsr32")
    chip, h = chip_of(formats, signal)
    read = None if h is None else chip.activation_words(h[:2000])
    verdict = judged(chip, chip.words(2000, seed=9, h=read), read, seed=9)
    assert verdict.sound, verdict.sentence
    assert "no fault found; 2,000 draws show" in verdict.sentence


def test_values_are_words_as_well(chip):
    assert judged(chip, chip.sample(1000, seed=2), seed=2).sound


def test_chunks_give_what_the_whole_gives(chip):
    words = words_of(chip, 1200, 1, Broken("slow", unit=7))
    parts = DeviceAudit(chip)
    for part in np.split(words, [1, 3, 500]):
        parts.observe(part)
    whole = DeviceAudit(chip).observe(words)
    assert parts.verdict().sentence == whole.verdict().sentence
    np.testing.assert_allclose(parts.sums.lagged, whole.sums.lagged, atol=1e-9)


FAULTS = {
    "bit": (Broken("weight", unit=7, channel=1, link=2, bit=5), "link", "unit (1, 2), channel 1 has a link from"),
    "dead": (Broken("dead", unit=13, channel=0), "link", "unit (2, 3), channel 0 has a dead link from"),
    "gain": (Broken("gain", unit=8, size=0.1), "gain", "unit (1, 3), channel"),
    "noise": (Broken("noise", unit=3, size=0.1), "noise", "draws private noise whose deviation is off by +"),
    "stuck": (Broken("stuck", unit=11), "stuck", "unit (2, 1), channel 0 draws no noise: its generator is stuck"),
    "shared": (Broken("shared", unit=2, other=17), "shared", "they share a generator"),
    "slow": (Broken("slow", unit=7), "past", "draws noise that is not white: correlation +0.5"),
    "clipped": (Broken("clipped", unit=19), "", "unit (3, 4)"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_named(chip, name):
    fault, kind, said = FAULTS[name]
    if name == "dead":
        fault = replace(fault, link=int(np.abs(chip.field.B[13, 0]).argmax()))
    verdict = judged(chip, words_of(chip, DRAWS, 4, fault))
    assert not verdict.sound
    first = verdict.findings[0]
    assert kind in ("", first.kind)
    assert said in first.said
    place = divmod(fault.unit, 5)
    units = {one.unit for one in verdict.findings} | {one.other for one in verdict.findings}
    assert place in units
    assert len(units - {None, place, divmod(fault.other, 5) if kind == "shared" else place}) == 0, verdict.findings


def test_sizes_are_those_that_were_planted(chip):
    gain = judged(chip, words_of(chip, DRAWS, 4, Broken("gain", unit=8, size=0.1))).findings[0]
    assert gain.size == pytest.approx(0.1, abs=0.02)
    noise = judged(chip, words_of(chip, DRAWS, 4, Broken("noise", unit=3, size=0.1))).findings[0]
    assert noise.size == pytest.approx(0.1, abs=0.03)


def test_exchanged_seeds_are_seen_by_whoever_knows_the_seed(chip):
    words = words_of(chip, DRAWS, 4, Broken("exchanged", unit=6, other=13))
    assert judged(chip, words).sound  # the law is the same
    found = judged(chip, words, seed=4).findings
    assert [one.unit for one in found] == [(1, 1), (2, 3)]
    assert found[0].said == "unit (1, 1) does not draw its own stream of seed 4 but that of unit (2, 3)"


def test_another_seed_or_missing_draws_are_told(chip):
    words = chip.words(1000, seed=4)
    assert "another seed, or draws that are missing" in judged(chip, words, seed=5).sentence
    assert "another seed, or draws that are missing" in judged(chip, words[1:], seed=4).sentence
    assert DeviceAudit(chip).observe(words[1:]).verdict(4, start=1).sound


def test_replayed_noise_is_found(chip):
    words = np.tile(chip.words(700, seed=4), (3, 1, 1, 1))
    verdict = judged(chip, words)
    assert [one.kind for one in verdict.findings] == ["replay"]
    assert "draw 700 is draw 0 again, word for word, and 1,400 draws are such" in verdict.sentence


def test_noise_that_is_replayed_behind_other_activations_is_found():
    chip, h = chip_of(signal="local", shape=(6, 6), channels=4)
    h = np.random.default_rng(1).normal(size=(800, 4, 6, 6))
    words = chip.activation_words(h)
    noise = np.concatenate([chip.words(400, seed=4, h=words[:400]), chip.words(400, seed=4, h=words[400:])])
    verdict = judged(chip, noise, words)
    assert verdict.findings[0].kind == "replay"
    assert "has the private noise of draw" in verdict.sentence


def test_a_tiny_grids_draws_may_come_again_by_chance():
    d = np.random.default_rng(0).normal(size=(2000, 1, 1, 2)).astype(np.float32)
    chip = quantise(ln.UnitGrid((1, 2), parents=1).learn(d), Formats(word_bits=6))
    audit = DeviceAudit(chip).observe(chip.words(20_000, seed=1))
    assert audit.sums.repeated > 0
    assert audit.verdict(seed=1).sound


def test_words_of_another_grid_are_told(chip):
    other = chip_of(parents=2)[0]
    mixed = ChipGrid(other.config, other.formats, replace(other.field, scale=chip.field.scale))
    verdict = judged(chip, mixed.words(2000, seed=1))
    assert [one.kind for one in verdict.findings] == ["grid"]
    assert "of 20 units are off: these are not words of this grid" in verdict.sentence


def test_a_fault_of_the_stated_size_is_found_nine_times_of_ten(chip):
    """The power is a lower bound: Bonferroni's threshold instead of the procedure's."""
    needed = draws_needed(Residuals(chip), 0.1, 0.01)
    found = 0
    for seed in range(20):
        verdict = judged(chip, words_of(chip, needed, seed, Broken("noise", unit=3, size=0.1)))
        found += any(one.unit == (0, 3) and one.kind == "noise" for one in verdict.findings)
    assert found >= 16  # of 20 at .95 on both channels, less is a chance of 1e-3


@pytest.mark.parametrize("devices", [40, pytest.param(300, marks=pytest.mark.slow)])
def test_sound_devices_raise_no_more_alarms_than_stated(devices):
    chip = chip_of(shape=(3, 3))[0]
    alarms = sum(
        not DeviceAudit(chip, level=0.05).observe(chip.words(300, seed=k)).verdict(k).sound for k in range(devices)
    )
    assert alarms <= 0.05 * devices + 3 * np.sqrt(0.05 * devices)


def test_a_verdict_is_plain_for_a_file(chip):
    verdict = judged(chip, words_of(chip, DRAWS, 4, FAULTS["shared"][0]), seed=4)
    plain = json.loads(json.dumps(verdict.as_plain()))
    assert plain["sound"] is False
    assert plain["findings"][0]["unit"] == [0, 2]
    assert 0 < plain["power"]["bit_0"] <= plain["power"]["bit_7"] <= 1


def test_bad_input_gets_one_sentence(chip):
    audit = DeviceAudit(chip)
    with pytest.raises(ArgumentError, match=r"words has shape \(9, 2, 3, 3\): expected \(T, 2, 4, 5\)"):
        audit.observe(np.zeros((9, 2, 3, 3), np.int32))
    with pytest.raises(ArgumentError, match=r"values that are no words of this grid"):
        audit.observe(np.full((9, 2, 4, 5), 1 / 3))
    with pytest.raises(ArgumentError, match=r"whole numbers of 12 bits, -2048 to 2047"):
        audit.observe(np.full((9, 2, 4, 5), 5000))
    with pytest.raises(ArgumentError, match=r"h was given, but the grid reads no activation"):
        audit.observe(np.zeros((9, 2, 4, 5), np.int32), np.zeros((9, 2, 4, 5)))
    with pytest.raises(ArgumentError, match=r"words has 9 draws: expected at least 256; [\d,]+ show"):
        audit.observe(chip.words(9)).verdict()
    with pytest.raises(ArgumentError, match=r"level=0: expected a chance"):
        DeviceAudit(chip, level=0)
    with pytest.raises(ArgumentError, match=r"level='strict': expected a chance"):
        DeviceAudit(chip, level="strict")
    with pytest.raises(ArgumentError, match=r"grid is of type UnitGrid: expected a ChipGrid"):
        DeviceAudit(ln.UnitGrid((2, 2)))
    wide = quantise(ln.UnitGrid((4, 4), 2, share="places").learn(np.random.default_rng(0).normal(size=(500, 2, 4, 4))))
    with pytest.raises(ArgumentError, match=r"shares or reduces its weights"):
        DeviceAudit(wide)


def test_an_observation_that_was_interrupted_is_not_judged(chip, monkeypatch):
    audit = DeviceAudit(chip).observe(chip.words(300, seed=1))
    monkeypatch.setattr(type(audit.sums), "_remember", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        audit.observe(chip.words(300, seed=1, start=300))
    with pytest.raises(ArgumentError, match="observe was interrupted, and some sums lack its last draws: begin a new"):
        audit.verdict()
