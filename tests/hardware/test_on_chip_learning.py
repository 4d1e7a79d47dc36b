"""Learning in integers: the kernel does what Python's integers do, from local activity alone, and learns the field."""

from copy import deepcopy

import naive_chip_learning as naive
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from interrupting import Interruption

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.hardware import Formats, OnChip, load_chip, quantise
from localnoise.hardware.fixedpoint import to_words
from localnoise.hardware.learning import observe, start


def smooth(count, channels, height, width, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, channels, height + 2, width + 2))
    y = sum(x[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3)) / 3
    return np.einsum("ij,tjhw->tihw", np.tril(np.ones((channels, channels))), y).astype(np.float32)


def untaught(shape, channels, d, formats=None, signal="none", h=None, **wiring):
    grid = ln.UnitGrid(shape=shape, channels=channels, signal=signal, **wiring)
    return quantise(grid, formats, h=h, d=d)


@examples(25)
@given(
    rule=st.sampled_from(["lms", "sign-lms"]),
    stochastic=st.booleans(),
    rate=st.integers(0, 12),
    extra=st.integers(1, 16),
    channels=st.integers(1, 3),
    signal=st.sampled_from(["none", "local"]),
    weight_bits=st.integers(3, 16),
    seen=st.integers(0, 5000),
)
def test_kernel_equals_pythons_integers(rule, stochastic, rate, extra, channels, signal, weight_bits, seen):
    d = smooth(12, channels, 2, 3)
    h = np.tanh(smooth(12, channels, 2, 3, seed=1)) if signal == "local" else None
    formats = Formats(weight_bits=weight_bits, accumulator_bits=56)
    chip = untaught((2, 3), channels, d, formats, signal, h, parents=3)
    how = OnChip(rule=rule, stochastic=stochastic, rate=rate, extra=extra, halving=64, seed=3)
    words = to_words(d.reshape(12, channels, 6), chip.field.scale, formats.word_bits)
    activation = words[:, :, :0] if h is None else chip.activation_words(h).reshape(12, channels, 6)
    state = start(chip.field, formats, how)
    state["seen"] = seen
    before = {name: np.array(value) for name, value in state.items()} | {"seen": seen}
    observe(chip.field, formats, how, state, words, activation)
    for u in range(6):
        expected = naive.learn_unit(chip.field, formats, how, before, u, words, activation)
        names = ("V", "bias", "mean", "mean_bias", "power", "states")
        for name, value in zip(names, expected, strict=True):
            assert np.array_equal(state[name][u], value), (name, u)


@pytest.mark.parametrize("rule", ["lms", "sign-lms"])
def test_a_unit_reads_its_own_and_its_parents_activity_alone(rule):
    d, h = smooth(200, 2, 4, 4), np.tanh(smooth(200, 2, 4, 4, seed=1))
    chip = untaught((4, 4), 2, d, signal="local", h=h, parents=3)
    unit = 5
    near = {unit, *chip.field.parents[unit], *chip.field.readers[unit]}
    far = [u for u in range(16) if u not in near]
    assert far

    def learned(d, h):
        state = start(chip.field, chip.formats, OnChip(rule=rule))
        words = to_words(d.reshape(200, 2, 16), chip.field.scale, 12)
        read = chip.activation_words(h.reshape(200, 2, 4, 4)).reshape(200, 2, 16)
        observe(chip.field, chip.formats, OnChip(rule=rule), state, words, read)
        return {name: np.array(state[name][unit]) for name in ("V", "bias", "mean", "power", "states")}

    other_d, other_h = d.reshape(200, 2, 16).copy(), h.reshape(200, 2, 16).copy()
    other_d[:, :, far] *= -3
    other_h[:, :, far] = 0.5
    one, two = learned(d, h), learned(other_d, other_h)
    assert all(np.array_equal(one[name], two[name]) for name in one)
    other_d[:, :, chip.field.parents[unit][0]] += 1
    assert not np.array_equal(one["V"], learned(other_d, h)["V"])


@pytest.mark.parametrize(("rule", "rate", "within"), [("lms", 1, 0.10), ("sign-lms", 1, 0.16)])
def test_it_converges_to_the_float_rules_optimum(rule, rate, within):
    d = smooth(20_000, 2, 5, 5)
    best = ln.UnitGrid(shape=(5, 5), channels=2, parents=4).learn(d).covariance()

    def distance(count):
        chip = untaught((5, 5), 2, d, parents=4).learn(d[:count], rule=rule, rate=rate)
        return np.linalg.norm(chip.covariance() - best) / np.linalg.norm(best)

    early, late = distance(300), distance(20_000)
    assert late < within
    assert late < early / 2


def test_learning_in_parts_is_learning_at_once():
    d = smooth(500, 2, 3, 3)
    whole = untaught((3, 3), 2, d, parents=3).learn(d, rate=2)
    parts = untaught((3, 3), 2, d, parents=3).learn(d[:123], rate=2).learn(d[123:], rate=2)
    for name, array in whole.field.arrays.items():
        assert np.array_equal(array, parts.field.arrays[name]), name


def test_deterministic_rounding_stalls_where_stochastic_goes_on():
    """A step below half a master's unit is lost when it is rounded half up: the dead zone."""
    d = smooth(4000, 1, 4, 4)
    how = {"rule": "lms", "rate": 8, "extra": 1}
    best = np.linalg.norm(ln.UnitGrid(shape=(4, 4), parents=3).learn(d).field.B)
    stalled, goes_on = (
        np.linalg.norm(untaught((4, 4), 1, d, parents=3).learn(d, stochastic=s, **how).realised.field.B)
        for s in (False, True)
    )
    assert stalled < 0.1 * best
    assert goes_on > 3 * max(stalled, 0.05 * best)


def test_steps_that_lose_more_bits_than_a_random_word_has_go_up_as_often_as_down():
    """Such steps are next to never made; a word of 32 bits made those that go down 2^(shift - 32) times as likely."""
    from localnoise.hardware.kernels.learning import shifted

    random = np.concatenate([[0, 1, 2**32 - 1], np.random.default_rng(0).integers(0, 2**32, 100_000)])
    for shift in (31, 32, 33, 36, 44, 62, 70):
        for product in (2**29, 3 * 2**26):
            up, down = (
                np.mean([shifted(np.int64(sign * product), np.int64(shift), np.int64(r)) for r in random])
                for sign in (1, -1)
            )
            assert up == pytest.approx(product / 2**shift, abs=0.005)
            assert -down == pytest.approx(product / 2**shift, abs=0.005)
    for shift in (63, 64, 70):
        assert shifted(np.int64(2**30), np.int64(shift), np.int64(-1)) == 0


def test_a_failed_call_changes_nothing():
    d = smooth(50, 2, 3, 3)
    chip = untaught((3, 3), 2, d, parents=3).learn(d)
    before = {name: array.copy() for name, array in chip.field.arrays.items()}
    with pytest.raises(ArgumentError, match="NaN"):
        chip.learn(np.full_like(d, np.nan))
    with pytest.raises(ArgumentError, match="h is given"):
        chip.learn(d, d)
    assert all(np.array_equal(before[name], array) for name, array in chip.field.arrays.items())


def test_weights_that_could_overflow_an_accumulator_are_refused():
    grid = ln.UnitGrid(shape=(3, 3), channels=2, parents=3).learn(0.01 * smooth(500, 2, 3, 3))
    chip = quantise(grid, Formats(weight_bits=12, word_bits=16))
    chip.field.lift[:, 1] += 8
    with pytest.raises(ArgumentError, match=r"unit \(\d, \d\): .* accumulator_bits=32: quantise with d"):
        chip.learn(smooth(5, 2, 3, 3))


def test_weights_in_steps_larger_than_one_are_refused():
    chip = untaught((3, 3), 2, smooth(50, 2, 3, 3), Formats(weight_bits=2), parents=3)
    with pytest.raises(ArgumentError, match=r"unit \(0, 0\): weight_bits=2 .* more weight_bits"):
        chip.learn(smooth(5, 2, 3, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "sign-lsm"}, "did you mean 'sign-lms'"),
        ({"rate": 25}, "rate=25: expected 0 to 24"),
        ({"extra": 0}, "extra=0"),
        ({"halving": -1}, "halving=-1"),
        ({"memory": 99}, "memory=99"),
    ],
)
def test_wrong_options_get_one_sentence(options, message):
    with pytest.raises(ArgumentError, match=message):
        OnChip(**options)


def test_options_of_any_kind_are_kept_as_pythons_numbers(tmp_path):
    d = smooth(60, 2, 3, 3)
    chip = untaught((3, 3), 2, d).learn(d, extra=6.0, halving=np.int64(512), rate=np.uint8(2), seed=np.int64(3))
    assert chip.rule == OnChip(extra=6, halving=512, rate=2, seed=3)
    assert {type(value) for value in vars(chip.rule).values()} == {str, int, bool}
    again = load_chip(chip.save(tmp_path / "chip.h5"))
    assert content(again) == content(chip)


def content(chip):
    """All that a chip grid holds and draws, as one value."""
    state = sorted((name, np.asarray(value).tobytes()) for name, value in (chip.state or {}).items())
    arrays = {name: array.tobytes() for name, array in chip.field.arrays.items()}
    return arrays, state, repr(chip.rule), chip.sample(4).tobytes(), chip.realised.field.B.tobytes()


def test_an_interruption_at_every_line_leaves_the_old_chip_or_the_new():
    d = smooth(60, 2, 3, 3)
    base = untaught((3, 3), 2, d).learn(d)
    chip = deepcopy(base)
    old = content(chip)
    with Interruption(0) as counted:
        chip.learn(2 * d)
    new = content(chip)
    assert new != old
    found = set()
    for line in range(1, counted.seen + 1):
        chip = deepcopy(base)
        assert content(chip) == old  # also makes what is derived from the old field
        with pytest.raises(KeyboardInterrupt), Interruption(line):
            chip.learn(2 * d)
        now = content(chip)
        assert now in (old, new), line
        found.add(now == old)
    assert found == {True, False}
