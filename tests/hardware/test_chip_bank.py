"""A bank on a chip: quantised, emulated, saved, exported to C and verified, to the bit, as a grid is."""

import h5py
import numpy as np
import pytest

import localnoise as ln
from localnoise.bank import hashes
from localnoise.errors import ArgumentError, FileFormatError
from localnoise.hardware import ChipBank, Formats, load_chip, load_chips, quantise
from localnoise.hardware.export import export, verify

SHAPE, CHANNELS = (3, 3), 2


def learned(axis, signal="none", variance=0.5, **wiring):
    h, white = np.random.default_rng(axis).normal(size=(2, 400, CHANNELS, *SHAPE))
    d = white.cumsum(axis=axis) + (0.5 * h if signal == "local" else 0)
    grid = ln.UnitGrid(SHAPE, CHANNELS, signal=signal, **wiring)
    return grid.learn(d, h if signal == "local" else None).normalise(variance)


def activations(count=400):
    return np.random.default_rng(9).normal(size=(count, CHANNELS, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module", params=["none", "local"])
def bank(request):
    signal = request.param
    members = [learned(axis, signal, variance) for axis, variance in ((1, 0.2), (2, 0.5), (3, 1.0))]
    return ln.Bank(members, clean=0.2, shares=[1, 2, 5])


@pytest.fixture(scope="module")
def chip(bank):
    return quantise(bank, h=activations() if bank.members[0].field.signal else None)


def naive_turns(thresholds, seed, positions):
    """In Python's unbounded integers."""
    out = []
    for position in positions:
        z = (position + 0x9E3779B97F4A7C15 * (seed + 1)) % 2**64
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        r = (z ^ z >> 31) >> 32
        out.append(sum(r >= edge for edge in thresholds) - 1)
    return out


@pytest.mark.parametrize("seed", [0, 7, 2**64 - 1])
def test_turns_are_integers_and_those_of_the_bank(bank, chip, seed):
    positions = np.array([0, 1, 5, 2**40, 2**62])
    assert chip.turns(5, seed, positions).tolist() == naive_turns(chip.thresholds.tolist(), seed, positions.tolist())
    np.testing.assert_array_equal(chip.turns(50_000, seed), bank.turns(50_000, seed))
    assert (hashes(3, seed, 4) == hashes(7, seed, 0)[4:]).all()


def test_each_draw_is_its_members_own(chip):
    turns, words = chip.turns(200, 3, 50), chip.words(200, 3, 50)
    assert set(turns.tolist()) == {-1, 0, 1, 2}
    each = np.stack([*(member.words(200, 3, 50) for member in chip.members), np.zeros_like(words)])
    np.testing.assert_array_equal(words, each[turns, np.arange(200)])
    np.testing.assert_array_equal(np.concatenate([chip.words(70, 3, 50), chip.words(130, 3, 120)]), words)


def test_a_quantised_bank_draws_as_the_bank_does(bank, chip):
    """Second moments of 20,000 draws: within five standard errors of those of as many float draws, and rounding."""
    count = 20_000
    near, far = (noise.sample(count, seed=2).reshape(count, -1) for noise in (chip, bank))
    moments = [each.T @ each / count for each in (near, far)]
    fourth = np.sqrt(np.square(far).T @ np.square(far) / count / count)
    assert (np.abs(moments[0] - moments[1]) <= 5 * np.sqrt(2) * fourth + 0.02).all()
    h = activations(50)
    np.testing.assert_allclose(chip.mean(h), bank.mean(h), atol=0.1)
    assert chip.perturb(h, 4).shape == h.shape
    assert chip.pull_back(h, 4).shape == h.shape
    assert chip.parameters == sum(member.parameters for member in chip.members)
    assert "ChipBank(3 members, clean 0.2" in repr(chip)


def test_members_share_scales_of_the_loudest(bank, chip):
    alone = [quantise(m, h=activations() if m.field.signal else None) for m in bank.members]
    np.testing.assert_array_equal(chip.members[0].field.scale, np.min([one.field.scale for one in alone], axis=0))


def test_a_bank_comes_back_to_the_bit(chip, tmp_path):
    chip.provenance = {"note": "three"}
    path = chip.save(tmp_path / "bank.h5")
    loaded = load_chips(path)
    assert isinstance(loaded, ChipBank)
    assert loaded.provenance["note"] == "three"
    assert loaded.thresholds.tolist() == chip.thresholds.tolist()
    np.testing.assert_array_equal(loaded.words(100, 5), chip.words(100, 5))
    with pytest.raises(FileFormatError, match=r"format 'localnoise.chipbank', expected .*load_chips"):
        load_chip(path)
    one = chip.members[0].save(tmp_path / "chip.h5")
    np.testing.assert_array_equal(load_chips(one).words(5), chip.members[0].words(5))


def _thresholds(value):
    def act(file):
        del file["thresholds"]
        file["thresholds"] = value

    return act


DAMAGE = {
    "thresholds that fall": (_thresholds(np.array([3, 2, 1], np.uint64)), "expected 3 whole numbers .* rising"),
    "thresholds too large": (_thresholds(np.array([1, 2, 2**32], np.uint64)), "expected 3 whole numbers"),
    "thresholds of another type": (_thresholds(np.array([1, 2, 3])), "thresholds is int64"),
    "a member missing": (lambda f: f.pop("2"), "2 is missing"),
    "a member of another kind": (lambda f: f["2"].attrs.update(format=np.bytes_("localnoise.grid")), "quantise it"),
    "another schema": (lambda f: f.attrs.update(schema=7), "schema 7"),
    "members at odds": (
        lambda f: f["1"]["scale"].write_direct(f["1"]["scale"][()] + 1),
        "members.1. has other scales of words",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_one_sentence(chip, tmp_path, damage):
    path = chip.save(tmp_path / "bank.h5")
    act, message = DAMAGE[damage]
    with h5py.File(path, "r+") as file:
        act(file)
    with pytest.raises(FileFormatError, match=message):
        load_chips(path)


def test_what_cannot_be_a_bank_on_a_chip(bank):
    d = activations()
    with pytest.raises(ArgumentError, match=r"members\[1\] is CentralNoise: expected grids"):
        quantise(ln.Bank([ln.UnitGrid(SHAPE, CHANNELS), ln.central.full(d)]))
    with pytest.raises(ArgumentError, match="d was given with a bank"):
        quantise(ln.Bank([ln.UnitGrid(SHAPE, CHANNELS)]), d=d)
    one, other = quantise(learned(1, variance=0.1)), quantise(learned(1, variance=30.0))
    with pytest.raises(ArgumentError, match=r"members\[1\] has other scales of words"):
        ChipBank([one, other], [0, 5])
    with pytest.raises(ArgumentError, match=r"members\[1\] has other formats"):
        ChipBank([one, quantise(learned(1, variance=0.1), Formats(weight_bits=6))], [0, 5])
    for wrong in ([], [1], [5, 5], [5, 1], [0, 2**32], [-1, 3], ["a", "b"]):
        with pytest.raises(ArgumentError, match="expected 2 whole numbers from 0 to"):
            ChipBank([one, one], wrong)
    assert ChipBank([one], [0]).turns(1000).tolist() == [0] * 1000


def test_exports_that_hold_no_bank(chip, tmp_path):
    for kind in ("verilog", "json", "hdf5", "nir"):
        with pytest.raises(ArgumentError, match=f"kind='{kind}' holds no bank: expected c99"):
            export(chip, tmp_path / kind, kind)
    apart = [learned(1), learned(2, order="raster")]
    with pytest.raises(ArgumentError, match=r"members\[1\] has another order than members\[0\]: expected"):
        export(quantise(ln.Bank(apart)), tmp_path / "apart")
    assert not list(tmp_path.iterdir())


@pytest.mark.toolchain
@pytest.mark.parametrize(
    "formats",
    [Formats(), Formats(rounding="stochastic", generator="lfsr24", overflow="wrap", accumulator_bits=40, word_bits=9)],
    ids=["usual", "stochastic"],
)
def test_an_exported_bank_is_the_emulators_to_the_bit(bank, formats, tmp_path):
    signal = bank.members[0].field.signal
    chip = quantise(bank, formats, h=activations() if signal else None)
    export(chip, tmp_path / "bank", seed=11, name="mine")
    checks, costs = verify(tmp_path / "bank", 3_000)
    assert {check.name for check in checks} == {"draw", "draw, seeded"} | ({"perturb"} if signal else set())
    assert {check.backend for check in checks} == {"host", "cortex-m"}
    assert [check.mismatch for check in checks] == [""] * len(checks)
    assert "of state" in costs["cortex-m"]


@pytest.mark.toolchain
def test_a_wrong_threshold_is_found(bank, tmp_path, monkeypatch):
    chip = quantise(bank, h=activations() if bank.members[0].field.signal else None)
    export(chip, tmp_path / "bank")
    honest = ChipBank.turns
    monkeypatch.setattr(ChipBank, "turns", lambda self, *where: np.maximum(honest(self, *where), 0))
    checks, _ = verify(tmp_path / "bank", 2_000, ["host"])
    assert all(check.mismatch for check in checks)


@pytest.mark.parametrize("kind", ["chip bank", "bank of chips"])
def test_a_state_dict_holds_it(chip, kind):
    import torch

    from localnoise.nn import NoiseLayer

    noise = chip if kind == "chip bank" else ln.Bank(chip.members, 0.3)
    layer, other = NoiseLayer(noise, seed=5), NoiseLayer(ln.UnitGrid(SHAPE, CHANNELS))
    other.load_state_dict(layer.state_dict())
    assert type(other.noise) is type(noise)
    h = torch.from_numpy(activations(30))
    assert torch.equal(other(h), layer(h))
