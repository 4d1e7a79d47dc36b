"""Learning from rewards in integers: as Python's integers, from own activity alone, and the way the float rule goes."""

import h5py
import naive_chip_learning as naive
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

import localnoise as ln
from localnoise.errors import ArgumentError, FileFormatError
from localnoise.hardware import Formats, load_chip, quantise
from localnoise.hardware.fixedpoint import to_words
from localnoise.hardware.rewarding import OnChipReward, begin, observe_rewards, reward_words

SHAPE, N = (2, 3), 6


def chip_of(channels=2, signal="none", formats=None, shape=SHAPE):
    rng = np.random.default_rng(0)
    d = rng.normal(size=(400, channels, *shape)).cumsum(axis=3).astype(np.float32)
    h = None if signal == "none" else np.tanh(rng.normal(size=d.shape)).astype(np.float32)
    grid = ln.UnitGrid(shape, channels, parents=3, signal=signal)
    return quantise(grid.learn(d, h), formats, d=d, h=h), h


def drawn(chip, h, count, seed=0):
    return chip.sample(count, seed=seed) if h is None else chip.perturb(h[:count], seed=seed)


@examples(25)
@given(
    rate=st.integers(0, 14), extra=st.integers(1, 16), stochastic=st.booleans(), channels=st.integers(1, 3),
    signal=st.sampled_from(["none", "local"]), weight_bits=st.integers(4, 16),
)  # fmt: skip
def test_kernel_equals_pythons_integers(rate, extra, stochastic, channels, signal, weight_bits):
    chip, h = chip_of(channels, signal, Formats(weight_bits=weight_bits, accumulator_bits=56))
    how = OnChipReward(rate=rate, extra=extra, stochastic=stochastic, seed=3)
    words = to_words(drawn(chip, h, 12).reshape(12, channels, N), chip.field.scale, chip.formats.word_bits)
    seen = words[:, :, :0] if h is None else chip.activation_words(h[:12]).reshape(12, channels, N)
    told = reward_words(np.random.default_rng(1).normal(size=12), 12)
    state = begin(chip.field, chip.formats, how)
    before = {name: value.copy() for name, value in state.items()}
    observe_rewards(chip.field, chip.formats, how, state, words, seen, told)
    for u in range(N):
        V, generator = naive.reward_unit(chip.field, chip.formats, how, before, u, words, seen, told)
        assert np.array_equal(state["V"][u], V), u
        assert state["states"][u] == generator
        assert state["seen"][u] == 12


def test_a_unit_reads_its_own_and_its_parents_draws_and_the_reward_alone():
    chip, h = chip_of(2, "local", shape=(4, 4))
    unit = 5
    near = {unit, *chip.field.parents[unit], *chip.field.readers[unit]}
    far = [u for u in range(16) if u not in near]
    assert far
    words = to_words(drawn(chip, h, 50).reshape(50, 2, 16), chip.field.scale, chip.formats.word_bits)
    seen, told = chip.activation_words(h[:50]).reshape(50, 2, 16), reward_words(np.arange(50.0), 50)

    def learned(words, seen, told):
        state = begin(chip.field, chip.formats, OnChipReward())
        observe_rewards(chip.field, chip.formats, OnChipReward(), state, words, seen, told)
        return state["V"][unit].tobytes()

    other, elsewhere = words.copy(), seen.copy()
    other[:, :, far] //= -3
    elsewhere[:, :, far] = 7
    assert learned(other, elsewhere, told) == learned(words, seen, told)
    assert learned(words, seen, told[::-1]) != learned(words, seen, told)


def test_it_climbs_a_reward_as_the_float_rule_does():
    """Neighbours shall move together: their correlations rise, as those of the float grid do."""

    def reward(eta):
        return -np.square(np.diff(eta[:, 0, 0], axis=1)).sum(axis=1)

    def correlation(noise):
        return float(np.corrcoef(noise.sample(4000, seed=99)[:, 0, 0].T)[np.arange(5), np.arange(1, 6)].mean())

    grid = ln.UnitGrid((1, 6), 1, order="raster")
    chip = quantise(grid, Formats(weight_bits=12, accumulator_bits=40), d=2 * grid.sample(500, seed=5))
    before = correlation(chip)
    for turn in range(10):
        for noise, options in ((grid, {"rate": 0.3}), (chip, {"rate": 9})):
            eta = noise.sample(2000, seed=turn)
            noise.learn(eta, rule="three-factor", rewards=reward(eta), **options)
    assert abs(before) < 0.05
    assert correlation(grid) > 0.3
    assert correlation(chip) > 0.3
    assert chip.rule is None


def test_masters_go_on_from_call_to_call_and_weights_outlive_them(tmp_path):
    chip, _ = chip_of()
    rewards = np.random.default_rng(0).normal(size=200)
    eta = chip.sample(200, seed=1)
    _, first = chip.learn(eta, rule="three-factor", rewards=rewards, rate=20).rewarded
    _, again = chip.learn(eta, rule="three-factor", rewards=rewards, rate=20).rewarded
    assert first["V"].tolist() != again["V"].tolist()
    assert again["seen"].tolist() == [400] * N, "steps far below a weight's unit add up"
    before = chip.field
    chip.learn(eta)  # by lms, from the weights that there are
    assert chip.field is not before
    assert chip.rewarded is None, "masters stand behind other weights"
    _, anew = chip.learn(chip.sample(50), rule="three-factor", rewards=rewards[:50]).rewarded
    assert anew["seen"].tolist() == [50] * N


def learned_chip():
    """One that has moved its masters, by steps below a weight's unit too."""
    chip, _ = chip_of()
    rewards = np.random.default_rng(0).normal(size=200)
    return chip.learn(chip.sample(200, seed=1), rule="three-factor", rewards=rewards, rate=14)


def test_a_file_keeps_masters_and_learning_goes_on_from_it_to_the_bit(tmp_path):
    chip, rewards = learned_chip(), np.random.default_rng(1).normal(size=100)
    found = load_chip(chip.save(tmp_path / "chip.h5"))
    small = load_chip(chip.save(tmp_path / "small.h5", state=False))
    eta = chip.sample(100, seed=2)
    for one in (chip, found, small):
        assert np.array_equal(one.field.B, chip.field.B) or one is small
        one.learn(eta, rule="three-factor", rewards=rewards, rate=14)
    for name, value in chip.rewarded[1].items():
        assert np.array_equal(found.rewarded[1][name], value), name
    assert np.array_equal(found.field.B, chip.field.B)
    assert small.rewarded[1]["seen"].tolist() == [100] * N
    assert not np.array_equal(small.rewarded[1]["V"], chip.rewarded[1]["V"])


@pytest.mark.parametrize(
    ("name", "place", "value", "match"),
    [
        ("V", (0, 0, 0), 2**30, "the learner's V"),
        ("V", (3, 0, 0), None, "expected masters whose rounded values are the weights"),
        ("states", (0,), 0, "the learner's states"),
        ("seen", (0,), -1, "the learner's seen"),
    ],
)
def test_masters_that_no_learning_left_are_refused(tmp_path, name, place, value, match):
    chip = learned_chip()
    path = chip.save(tmp_path / "chip.h5")
    with h5py.File(path, "r+") as file:
        data = file["rewarded"][name]
        array = data[()]
        array[place] = array[place] + (3 << 12) if value is None else value
        data[...] = array
    with pytest.raises(FileFormatError, match=match):
        load_chip(path)


def test_options_of_any_kind_are_kept_as_pythons_numbers(tmp_path):
    chip, _ = chip_of()
    options = {"rate": np.int64(5), "extra": 8.0, "seed": np.uint8(2)}
    chip.learn(chip.sample(50), rule="three-factor", rewards=np.arange(50), **options)
    rule = load_chip(chip.save(tmp_path / "chip.h5")).rewarded[0]
    assert rule == chip.rewarded[0] == OnChipReward(rate=5, extra=8, seed=2)


def test_what_says_nothing_is_refused():
    chip, _ = chip_of()
    eta = chip.sample(20)
    before = chip.field
    for options, match in (
        ({"rule": "three-factor"}, r"rewards, and none were given: expected learn\(eta, rule='three-factor'"),
        ({"rule": "three-factor", "rewards": np.ones(20)}, "a constant reward says nothing"),
        ({"rule": "three-factor", "rewards": np.arange(19)}, r"rewards has shape \(19,\)"),
        ({"rule": "three-factor", "rewards": np.arange(20), "rate": 25}, "rate=25: expected 0 to 24"),
        ({"rule": "lms", "rewards": np.arange(20)}, "rewards were given with rule='lms', which reads none"),
    ):
        with pytest.raises(ArgumentError, match=match):
            chip.learn(eta, **options)
    assert chip.field is before
