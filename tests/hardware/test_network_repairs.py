"""Repairs of several layers of a network in integers: one decides, the later ones follow, to the bit."""

from dataclasses import replace

import h5py
import naive_repair_chip as naive
import numpy as np
import pytest
import torch
from torch import nn

from localnoise import UnitGrid
from localnoise import nn as lnn
from localnoise.errors import ArgumentError, FileFormatError
from localnoise.hardware import ChipRepair, load_chips
from localnoise.hardware import quantise as to_chip
from localnoise.hardware.export import export, manifest, verify
from localnoise.hardware.fitting.cycles import shares
from localnoise.hardware.fitting.network import fit_network
from localnoise.hardware.network import (
    ChipDefense,
    calibrated_again,
    defend,
    expecting_again,
    repair_behind,
    repairs_behind,
)

PLACES = ["1", "2", "7", "8"]  # a convolution, what is pooled of it, a dense layer, the logits


def dark(x):
    return 0.3 * x


def tilted(x):
    return 0.8 * torch.flip(x, (2,))


def milder(x):
    return 0.8 * x


KINDS = {"clean": lambda x: x, "dark": dark, "tilted": tilted}


def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(4, 3, 3), nn.Tanh(), nn.Flatten(),
            nn.Linear(36, 8), nn.Tanh(), nn.Linear(8, 3),
        ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def learned():
    """A network, its repairs, which ask for worth and look twice, and inputs that nothing was learned from."""
    model = network()
    x = torch.rand(1500, 1, 10, 12, generator=torch.Generator().manual_seed(1))
    held = x[900:]
    repairs = lnn.learn_repairs(model, PLACES, x[:900], {"dark": dark, "tilted": tilted}, radius=1, bends=1, parents=2)
    repairs["2"].decide_among("tilted")
    lnn.calibrate_repairs(model, repairs, held)
    lnn.expect_worth(model, repairs, [(change(held), held) for change in (*KINDS.values(), milder)])
    return model, repairs, held


@pytest.fixture(scope="module")
def chips(learned):
    model, repairs, held = learned
    inputs = {name: [change(held[:300])] for name, change in KINDS.items()}
    inputs["dark"] = [dark(held[:150]), dark(held[150:300])]  # causes that these repairs do not tell apart
    return repairs_behind(model, held[:200], repairs, inputs, bounds=(0, 1))


@pytest.fixture(scope="module")
def made(learned, chips):
    model, _, held = learned
    later = {name: chips[name] for name in PLACES[1:]}
    return defend(model, held[:200], chips["1"], "1", later=later, bounds=(0, 1))


def test_each_repair_is_told_what_the_one_before_decided(learned, made):
    """Image by image, layer by layer, repairs by the oracle in Python's integers."""
    program, ends = made.program, [*made.program.mixes, len(made.program.layers)]
    seen = set()
    for name, change in KINDS.items():
        words = program.input_words(change(learned[2][300:302]))
        logits, said = made.decided(words)
        for image, expected, source in zip(words, logits, said, strict=True):
            h, at, word = image[None], 0, None
            for chip, end in zip(made.repairs, ends, strict=True):
                values = {at: h}
                h = h if end == at else [*program.through(values, at, end)][-1]
                top = 2 ** (chip.formats.activation_bits - 1)
                own = np.clip(h[0].astype(int), -top, top - 1).reshape(chip.config.channels, -1)
                member = naive.decided(chip, own) if word is None else naive.told(chip, own, word)
                word = -1 if member < 0 else chip.sources.index(chip.member_sources[member])
                h, at = naive.undone(chip, own, member).reshape(h.shape).astype(np.int16), end + 1
            assert h.reshape(-1).tolist() == expected.tolist()
            assert word == source
            seen.add((name, int(source)))
    assert len({source for _, source in seen}) > 1, "else nothing was decided"


def test_integers_decide_and_answer_as_the_float_network_does(learned, made):
    model, repairs, held = learned
    mended = lnn.attach_repairs(model, repairs)
    few = held[300:]
    for change in KINDS.values():
        with torch.no_grad():
            expected = mended(change(few)).argmax(1).numpy()
        posterior = mended.get_submodule("2").noise.posterior
        word = torch.where(posterior.sum(1) > 0, posterior.argmax(1), -1).numpy()
        logits, said = made.decided(made.program.input_words(change(few)))
        assert np.mean(said == word) > 0.85  # the toy's worths lie near the bound
        assert np.mean(logits.argmax(1) == expected) > 0.9


def test_a_layer_alone_asks_what_it_is_worth_as_among_others(learned, chips):
    model, repairs, held = learned
    inputs = {
        "clean": held[:300],
        "dark": torch.cat([dark(held[:150]), dark(held[150:300])]),
        "tilted": tilted(held[:300]),
    }
    alone = repair_behind(model, held[:200], repairs["1"], "1", inputs, bounds=(0, 1))
    assert len(alone.field.worth) == 3
    for name in ("worth", "worth_bias", "log", "bias"):
        assert np.array_equal(getattr(alone.field, name), getattr(chips["1"].field, name)), name


def test_what_is_left_alone_goes_through_as_without_repairs(learned, made):
    words = made.program.input_words(learned[2][300:])
    logits, said = made.decided(words)
    *_, h = made.program.through({0: words}, 0, made.program.mix)
    left = (made.chip.decide(h) <= 0) & (said <= 0)
    alone = made.program.words(words)[left]
    top = 2 ** (made.later[-1].formats.activation_bits - 1)
    assert np.mean(left) > 0.5
    assert np.array_equal(logits[left], np.clip(alone, -top, top - 1))


def test_it_comes_back_to_the_bit_and_counts_its_parts(learned, made, tmp_path):
    found = load_chips(made.save(tmp_path / "defense.h5"))
    words = made.program.input_words(learned[2][:40])
    assert np.array_equal(found.scores(words), made.scores(words))
    assert [len(one.field.worth) for one in found.repairs] == [3, 3, 0, 0]
    assert [len(one.field.among) for one in found.repairs] == [0, 3, 0, 0]
    fit = fit_network(made, "stm32f407")
    assert fit.fits
    assert fit.flash["noise or repair"] == sum(one.flash for one in made.repairs)
    own = [one.what for one in shares(made)]
    assert [what for what in own if what.startswith(("decide", "repair"))] == [
        "decide, layer 1 of 4", "repair, layer 1 of 4", "decide, layer 2 of 4", "repair, layer 2 of 4",
        "repair, layer 3 of 4", "repair, layer 4 of 4",
    ]  # fmt: skip


def test_exported_c_is_the_emulators_to_the_bit(made, tmp_path):
    folder = export(made, tmp_path / "c", name="mine", seed=5)
    checks, _ = verify(folder, backends=("host",), images=40)
    assert [check.name for check in checks] == ["self-test", "logits", "class", "scores", "class, defended"]
    assert not any(check.mismatch for check in checks)
    assert len(manifest.read(folder)["defense"]["later"]) == 3


@pytest.mark.toolchain
def test_a_cortex_m_repairs_several_layers_to_the_bit(made, tmp_path):
    checks, costs = verify(export(made, tmp_path / "c"), images=40)
    assert len(checks) == 10
    assert not any(check.mismatch for check in checks)
    assert "repair" in costs["cortex-m"]


def test_margins_grow_on_what_integers_decide(learned, made):
    """At most a share of the integer network's own decisions changes; no margin becomes less."""
    few = learned[2][300:]
    words = made.program.input_words(few)
    alone = made.program.words(words).argmax(axis=1)
    strict, loose = (calibrated_again(made, few, most) for most in (0.0, 0.05))
    changed = [np.mean(one.decided(words)[0].argmax(axis=1) != alone) for one in (strict, loose)]
    assert changed[0] == 0
    assert changed[1] <= 0.05
    for before, after in ((made, loose), (loose, strict)):
        assert (after.chip.field.bias <= before.chip.field.bias).all()
        assert (after.later[0].field.among_bias <= before.later[0].field.among_bias).all()
    assert strict.chip.field.bias[0] == made.chip.field.bias[0]
    assert np.array_equal(calibrated_again(made, few, 0.99).scores(words), made.scores(words))


def test_worth_is_learned_by_what_integers_decide(learned, made):
    """Clean decisions stay as they are; repairs win no less than with the worth of floating point, moved."""
    held = learned[2]
    pairs = [(change(held), held) for change in (*KINDS.values(), milder)]
    again = expecting_again(made, pairs, most=0.01)
    words = [made.program.input_words(change(held)) for change in (*KINDS.values(), milder)]
    right = made.program.words(words[0]).argmax(axis=1)

    def gained(defense):
        return [float(np.mean(defense.decided(own)[0].argmax(axis=1) == right)) for own in words]

    assert gained(again)[0] >= 0.99
    assert sum(gained(again)) >= sum(gained(calibrated_again(made, held, 0.01)))
    assert sum(gained(again)[1:3]) > 0.05 + sum(
        np.mean(made.program.words(own).argmax(1) == right) for own in words[1:3]
    )
    changed = [name for name in ("worth", "worth_bias") if not _same(made.chip, again.chip, name)]
    assert changed == ["worth", "worth_bias"]
    for name in ("law", "way", "log", "low", "high", "centre"):
        assert _same(made.chip, again.chip, name), name
    assert [len(one.field.worth) for one in again.repairs] == [3, 3, 0, 0]
    alone = expecting_again(made, pairs, least=0.999)
    assert (alone.decided(words[1])[1] <= 0).all(), "nothing is worth so much"
    assert _same(expecting_again(made, iter(pairs), most=0.01).chip, again.chip, "worth_bias")


def test_a_network_that_asks_for_no_worth_cannot_learn_it_anew(learned, made):
    held = learned[2]
    field = replace(
        made.chip.field, log=np.zeros(0, np.int64), worth=np.zeros((0, 0), np.int32), worth_bias=np.zeros(0, int)
    )
    bare = ChipRepair(made.chip.config, made.chip.formats, field, made.chip.member_sources)
    with pytest.raises(ArgumentError, match=r"do not ask for worth: .* call localnoise.nn.expect_worth before"):
        expecting_again(ChipDefense(made.program, bare, 1, later=made.later), [(held, held)])
    with pytest.raises(ArgumentError, match="pairs is empty"):
        expecting_again(made, [])
    with pytest.raises(ArgumentError, match=r"altered, .* unaltered: expected the same inputs twice"):
        expecting_again(made, [(held[:9], held[:8])])
    for pair, words in {"ab": "pairs holds str", None: "pairs holds NoneType"}.items():
        with pytest.raises(ArgumentError, match=words):
            expecting_again(made, [pair])
    second = made.later[0]
    field = replace(second.field, log=field.log, worth=field.worth, worth_bias=field.worth_bias)
    bare = ChipRepair(second.config, second.formats, field, second.member_sources)
    with pytest.raises(ArgumentError, match="do not ask for worth"):
        expecting_again(ChipDefense(made.program, made.chip, 1, later=[bare, *made.later[1:]]), [(held, held)])
    with pytest.raises(ArgumentError, match=r"most=1\.0"):
        expecting_again(made, [(held, held)], most=1.0)


def _same(one, other, name):
    return np.array_equal(getattr(one.field, name), getattr(other.field, name))


def test_what_does_not_belong_together_is_refused(learned, made, chips, tmp_path):
    model, repairs, held = learned
    noise = to_chip(UnitGrid(shape=(10, 12), channels=4).learn(np.random.default_rng(0).normal(size=(200, 4, 10, 12))))
    with pytest.raises(ArgumentError, match="later holds 1 chips behind ChipGrid: expected repairs, behind a repair"):
        ChipDefense(defend(model, held[:50], noise, "1").program, noise, later=[chips["2"]])
    with pytest.raises(ArgumentError, match="expected one for each, and at most one of the output"):
        ChipDefense(made.program, made.chip, later=made.later[:1])
    other = to_chip(repairs["2"].only("dark"))
    with pytest.raises(ArgumentError, match="a later repair knows clean, dark: expected the sources of the first"):
        ChipDefense(made.program, made.chip, later=[other, *made.later[1:]])
    with pytest.raises(ArgumentError, match="units lie on"):
        ChipDefense(made.program, made.chip, later=[made.later[1], *made.later[1:]])
    with pytest.raises(ArgumentError, match="the network's last layer"):
        defend(model, held[:50], chips["1"], "8")
    with pytest.raises(ArgumentError, match="expected one that repairs"):
        calibrated_again(defend(model, held[:50], noise, "1"), held[:50])
    with pytest.raises(ArgumentError, match="inputs has 0 inputs"):
        calibrated_again(made, held[:0])
    path = made.save(tmp_path / "defense.h5")
    with h5py.File(path, "r+") as file:
        del file["later 2"]
    with pytest.raises(FileFormatError, match="later 2 is missing"):
        load_chips(path)


def test_what_bends_take_of_the_stack_is_part_of_the_budget(made):
    most = max(4 * one.config.neurons for one in made.repairs)
    assert made.stack == most == 4 * 4 * 120
    fit = fit_network(made, "stm32f407")
    assert fit.ram["stack"] == 1024 + most
