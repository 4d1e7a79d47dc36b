"""A bank on a chip: quantised, emulated, saved, held against chips, to the bit, as a grid is."""

import h5py
import numpy as np
import pytest
from chip_banks import CHANNELS, SHAPE, activations, learned

import localnoise as ln
from localnoise.bank import hashes
from localnoise.errors import ArgumentError, FileFormatError
from localnoise.hardware import ChipBank, Formats, OnChip, load_chip, load_chips, quantise
from localnoise.hardware.export import export
from localnoise.hardware.fitting.blocks import memories
from localnoise.hardware.fitting.fit import check_fits, fit
from localnoise.hardware.fitting.memory import memory_map
from localnoise.hardware.fitting.wiring import Wiring


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


def test_a_bank_has_one_set_of_wires(tmp_path):
    """Other wires are told in one sentence, by every format and by the fit; so is what is of a grid alone."""
    apart = quantise(ln.Bank([learned(1), learned(2, order="raster")]))
    message = r"members\[1\] has another order than members\[0\]: expected the same wires on a chip"
    for kind in ("c99", "verilog", "json", "hdf5", "nir"):
        with pytest.raises(ArgumentError, match=message):
            export(apart, tmp_path / kind, kind)
    with pytest.raises(ArgumentError, match=message):
        fit(apart, "stm32f407")
    bank = quantise(ln.Bank([learned(1), learned(2)]))
    for kind in ("c99", "json", "hdf5", "nir"):
        with pytest.raises(ArgumentError, match="learner was given with a bank, which does not learn on a chip"):
            export(bank, tmp_path / kind, kind, learner=OnChip(rule="lms"))
    with pytest.raises(ArgumentError, match="learner='lms': a bank does not learn on a chip; expected 'none'"):
        fit(bank, "stm32f407", learner="lms")
    with pytest.raises(ArgumentError, match="loaded=True was given with a bank"):
        export(bank, tmp_path / "loaded", "verilog", loaded=True)
    assert not list(tmp_path.iterdir())


def test_memory_of_all_members_by_hand(bank, chip):
    one, every = memory_map(chip.members[0]), memory_map(chip)
    for region in ("weights", "biases", "shifts"):
        assert every.regions[region] == 3 * one.regions[region]
    for region in ("topology", "words", "learner"):
        assert every.regions[region] == one.regions[region]
    assert every.generator == one.generator + 64  # from which the turn follows
    assert every.shared == 3 * 32  # a threshold each
    assert every.bits == sum(every.regions.values())


def small_chip(path, **limits):
    """A microcontroller of as much memory."""
    said = 'source = "made up", status = "vendor-doc"'
    rows = "".join(f"{name} = {{ value = {value}, {said} }}\n" for name, value in limits.items())
    path.write_text(
        f'title = "small"\nkind = "microcontroller"\nclock = {{ value = 1000000, {said} }}\n[limits]\n'
        f"cores = {{ value = 1, {said} }}\n{rows}"
    )
    return path


def test_a_chip_too_small_for_all_members(chip, tmp_path):
    one = memory_map(chip.members[0], whole_bytes=True)
    room = one.flash + (one.weights + one.biases + one.shifts) // 8 + 16  # for two of three
    small = small_chip(tmp_path / "small.toml", flash=room, ram=9999)
    assert all(check_fits(member, small).fits for member in chip.members)
    with pytest.raises(ArgumentError, match=rf"the bank of 3 needs flash=\d+: expected at most {room}.*use members=2"):
        check_fits(chip, small)
    found = fit(chip, small)
    assert {row.limit: row.verdict for row in found.rows}["flash"] == "exceeds"
    assert found.operations == fit(chip.members[0], small).operations  # one member draws at a time
    larger = small_chip(tmp_path / "larger.toml", flash=found.memory.flash, ram=9999)
    assert check_fits(chip, larger).fits


def test_a_bank_on_many_cores_and_in_blocks(chip):
    one, every = (fit(noise, "loihi1", units_per_core=3) for noise in (chip.members[0], chip))
    assert every.demand.core_bytes > 2 * one.demand.core_bytes
    assert every.demand.placement.multicast == one.demand.placement.multicast
    several, single = (memories(Wiring.of(noise), chip.formats) for noise in (chip, chip.members[0]))
    assert several["weights"][1] == 3 * single["weights"][1]
    assert several["units"][1] == 3 * single["units"][1]
    assert several["links"] == single["links"]


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
