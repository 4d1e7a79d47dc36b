"""Wide layers on a chip: shared weights and links of a low rank, quantised, emulated, saved, counted."""

import h5py
import naive_narrow_chip as naive
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from narrow_chips import ALL, FORMS, NARROW, ODD, learned, made, small
from small_grids import SEED, formats

import localnoise as ln
from localnoise.errors import ArgumentError, FileFormatError
from localnoise.hardware import ChipGrid, Formats, load_chip, quantise, report
from localnoise.hardware.configuration import configure
from localnoise.hardware.export import export
from localnoise.hardware.fitting.fit import check_fits, fit
from localnoise.hardware.fitting.memory import memory_map
from localnoise.hardware.fitting.wiring import Wiring
from localnoise.hardware.narrow import NarrowWords


def activations(chip, count, seed=1):
    top = chip.formats.activation_limit
    shape = (count, chip.config.channels, chip.config.units)
    return np.random.default_rng(seed).integers(-top - 1, top + 1, shape).astype(np.int32)


@pytest.mark.parametrize("widths", [Formats(), ODD], ids=["usual", "odd"])
@pytest.mark.parametrize(("form", "signal"), ALL)
def test_words_and_innovations_are_those_of_the_integers(form, signal, widths):
    _, chip, _ = made(form, signal, widths)
    assert isinstance(chip.field, NarrowWords)
    h = activations(chip, 5) if signal == "local" else None
    shaped = None if h is None else h.reshape(5, chip.config.channels, *chip.config.shape)
    drawn = chip.words(5, seed=3, h=shaped).reshape(5, chip.config.channels, -1)
    np.testing.assert_array_equal(drawn, naive.words(chip, 5, 3, h))
    assert drawn.std() > 1
    top = widths.word_limit
    d = np.random.default_rng(2).integers(-top - 1, top + 1, drawn.shape)
    np.testing.assert_array_equal(chip.innovation_words(d, h), naive.innovations(chip, d, h))
    many = chip.words(150, seed=3)
    np.testing.assert_array_equal(np.concatenate([chip.words(70, 3), chip.words(80, 3, 70)]), many)


@pytest.mark.slow
@examples(60)
@given(wiring=NARROW, widths=formats(3), seed=SEED)
def test_any_small_narrow_grid_draws_in_its_accumulators(wiring, widths, seed):
    grid, h = small(**wiring)
    chip = quantise(grid, widths, h=h)
    shape, channels, signal = (wiring[name] for name in ("shape", "channels", "signal"))
    read = activations(chip, 3) if signal == "local" else None
    shaped = None if read is None else read.reshape(3, channels, *shape)
    drawn = chip.words(3, seed=seed, h=shaped).reshape(3, channels, -1)
    np.testing.assert_array_equal(drawn, naive.words(chip, 3, seed, read))


@pytest.mark.parametrize(("form", "signal"), ALL)
def test_the_law_is_the_grids(form, signal):
    """Covariance of the integers' values within 3 % at 8 bits, 0.1 % at 16; emulated second moments agree with it."""
    grid, chip, h = made(form, signal)
    wide = quantise(grid, Formats(weight_bits=16, word_bits=16, activation_bits=16, accumulator_bits=64), h=h)
    target = grid.covariance()
    for one, most in ((chip, 0.03), (wide, 1e-3)):
        assert np.linalg.norm(one.covariance() - target) < most * np.linalg.norm(target)
        if h is not None:
            near, far = one.mean(h[:100]), grid.mean(h[:100])
            assert np.sqrt(np.square(near - far).mean() / np.square(far).mean()) < 3 * most
    count = 40_000
    drawn = chip.sample(count, seed=1).reshape(count, -1)
    found, fourth = drawn.T @ drawn / count, np.sqrt(np.square(drawn).T @ np.square(drawn)) / count
    assert (np.abs(found - chip.covariance()) < 6 * fourth + 0.005).all()


def test_feedback_weighs_the_moments():
    """Few bits: what a row loses, its other weights make good; the predictions are nearer with feedback."""
    grid, _ = learned((6, 6), 6, share="places", parents=4, count=2000)
    d = grid.sample(500, seed=9)
    errors = []
    for feedback in (True, False):
        values = quantise(grid, Formats(weight_bits=3, word_bits=14), feedback=feedback).realised
        errors.append(np.square(residual(values, d) - residual(grid, d)).mean())
    assert errors[0] < errors[1]


def residual(grid, d):
    """What the neighbors do not say of d."""
    f = grid.field.widened()
    flat = d.reshape(len(d), grid.config.channels, -1) / f.gain
    out = flat.copy()
    for u in range(flat.shape[2]):
        above = f.parents[u][f.parents[u] >= 0]
        z = flat[:, :, above].transpose(0, 2, 1).reshape(len(d), -1)
        out[:, :, u] -= z @ f.B[u][:, : z.shape[1]].T
    return out * f.gain


@pytest.mark.parametrize(("form", "signal"), ALL)
def test_a_file_holds_what_the_chip_does(form, signal, tmp_path):
    _, chip, _ = made(form, signal)
    loaded = load_chip(chip.save(tmp_path / "chip.h5"))
    assert loaded.config == chip.config
    np.testing.assert_array_equal(loaded.words(20, 4), chip.words(20, 4))
    with h5py.File(tmp_path / "chip.h5") as file:
        assert file.attrs["schema"] == 2
        assert "G" not in file


def _put(name, where, value):
    def act(file):
        data = file[name][()]
        data[where] = value
        file[name][...] = data

    return act


DAMAGE = {
    "a class too many": (_put("kinds", 0, 99), r"kinds\[0\] is 99: expected 0 to"),
    "a weight out of range": (_put("past", (0, 0, 0), 200), r"past\[0, 0, 0\] is 200: expected -127 to 127"),
    "no noise": (_put("s", (0, 0), 0), r"s\[0, 0\] is 0: expected 1 to 127"),
    "a factor above the diagonal": (_put("factor", (0, 0, 1), 1), "factor: expected lower triangular"),
    "scales that differ": (_put("scale", 1, 3), "one scale for the words of all units"),
    "an accumulator that overflows": (_put("own", ..., 31), "accumulator of word values can reach"),
    "weights without a link": (_put("past", ..., 1), "past: expected no weight where there is no link"),
    "a bias of nothing": (_put("bias", (0, 0), 5), "bias: expected none where nothing is read"),
    "an order that cannot be": (_put("order", 0, 1), "order is no permutation"),
    "classes at odds": (_put("kinds", ..., 0), "links at the slots of its class"),
    "another schema": (lambda f: f.attrs.update(schema=9), "schema 9, this version reads 1 to 2"),
    "an array missing": (lambda f: f.pop("deep"), "deep is missing"),
    "classes without end": (
        lambda f: (f.pop("past"), f.create_dataset("past", (99, 3, 9), np.int32)),
        "one row for each of at most 16 classes",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_one_sentence(tmp_path, damage):
    _, chip, _ = made()
    path = chip.save(tmp_path / "chip.h5")
    act, message = DAMAGE[damage]
    with h5py.File(path, "r+") as file:
        act(file)
    with pytest.raises(FileFormatError, match=message):
        load_chip(path)


def test_what_cannot_be_narrow_on_a_chip(tmp_path):
    grid, chip, _ = made()
    with pytest.raises(ArgumentError, match=r"grid has gains of .* expected equal gains"):
        quantise(learned(parents=3, **FORMS["both"])[0].normalise(0.5, scope="local"))
    with pytest.raises(ArgumentError, match="d was given with a grid that has share or rank"):
        quantise(grid, d=grid.sample(10))
    with pytest.raises(ArgumentError, match=r"rule='lms': it writes weights for every unit alone"):
        chip.learn(grid.sample(10))
    with pytest.raises(ArgumentError, match="learner='lms': it writes weights for every unit alone"):
        fit(chip, "stm32f407", learner="lms")
    with pytest.raises(ArgumentError, match=r"accumulator_bits=16: .* expected"):
        quantise(grid, Formats(accumulator_bits=16, word_bits=14))
    with pytest.raises(ArgumentError, match=r"field is NarrowWords: expected an IntegerField"):
        ChipGrid(ln.UnitGrid((4, 4), 4).config, chip.formats, chip.field)
    for kind in ("verilog", "nir"):
        with pytest.raises(ArgumentError, match=f"kind='{kind}' holds no grid with share='places', rank=3: expected"):
            export(chip, tmp_path / kind, kind)
    bank = quantise(ln.Bank([grid, learned(seed=1, parents=3, **FORMS["both"])[0]]))
    assert np.ptp(bank.members[1].field.scale - bank.members[0].field.scale) == 0
    for kind in ("c99", "json"):
        with pytest.raises(ArgumentError, match="a bank was given with grids that have share='places', rank=3"):
            export(bank, tmp_path / "bank", kind)
    with pytest.raises(ArgumentError, match="units hold no weights of links by themselves"):
        list(configure(chip))


def test_a_report_compares_the_compact_with_its_grid():
    grid, chip, h = made("both", "local")
    found = report(grid, chip, h[:50], draws=64)
    assert 0 < found.whole_error < 0.03
    assert found.mean_error < 0.1
    assert found.units == 16


def test_what_is_shared_is_counted_once():
    _, chip, _ = made("both", shape=(8, 8))
    found, wiring, f = memory_map(chip), Wiring.of(chip), chip.field
    assert found.shared > 0
    assert found.regions["shared"] == found.shared
    assert f.shared == wiring.shared_weights
    assert chip.parameters == f.shared + f.weights.sum()
    links = sum(int(there.sum()) for there in f.links)
    assert wiring.shared_weights == links * 9 + 3 * 4 + len(f.factor) * 10
    untied = memory_map(quantise(learned((8, 8), 4, parents=3)[0]))
    assert found.flash < untied.flash / 2


def test_links_carry_directions_over_the_wires():
    one, other = (fit(quantise(learned((8, 8), 4, parents=3, **o)[0]), "loihi1", units_per_core=8) for o in (
        {"rank": 2}, {}
    ))  # fmt: skip
    assert one.demand.placement.multicast * 2 == other.demand.placement.multicast
    assert one.operations.messages * 2 == other.operations.messages
    assert one.demand.core_bytes >= one.memory.shared / 8


def test_a_chip_too_small_is_told_what_would_fit(tmp_path):
    _, chip, _ = made("both", shape=(8, 8))
    small = tmp_path / "small.toml"
    found = memory_map(chip, whole_bytes=True)
    said = 'source = "made up", status = "vendor-doc"'
    small.write_text(
        f'title = "small"\nkind = "microcontroller"\nclock = {{ value = 1000000, {said} }}\n[limits]\n'
        f"cores = {{ value = 1, {said} }}\nram = {{ value = 99999, {said} }}\n"
        f"flash = {{ value = {found.flash - 40}, {said} }}\n"
    )
    with pytest.raises(ArgumentError, match=r"flash=\d+: expected at most \d+ bytes; use parents=2 or .*rank=2"):
        check_fits(chip, small)
