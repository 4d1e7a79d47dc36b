"""An edited file with valid checksums: whatever integers it holds, it is refused, or no accumulator overflows."""

import time
from contextlib import suppress
from dataclasses import replace

import h5py
import naive_chip as naive
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from localnoise.errors import ArgumentError, FileFormatError, LocalnoiseError
from localnoise.hardware import ChipGrid, Formats, OnChip, load_chip, quantise
from localnoise.hardware.learning import refuse_overflow, start


@pytest.fixture(scope="module")
def chip():
    """Two channels, readers, parents that are missing, and a learner that has seen a little."""
    grid, h = naive.learned(shape=(3, 3), channels=2, signal="local")
    d = np.random.default_rng(1).normal(size=(200, 2, 3, 3))
    chip = quantise(grid, Formats(accumulator_bits=40), h=h, d=d)
    return chip.learn(d[:20], h[:20], rule="lms")


def rewritten(chip, folder, edits, attributes=()):
    """Save, then change numbers as somebody would who writes HDF5: its checksums are right."""
    path = chip.save(folder / "chip.h5")
    with h5py.File(path, "r+") as file:
        for name, index, value in edits:
            array = file[name][()]
            array[index] = value
            file[name][...] = array
        for name, value in attributes:
            file.attrs[name] = value
    return path


@pytest.mark.parametrize(
    ("edits", "attributes", "message"),
    [
        ([("lift", (0, 0), 2000), ("lift", (4, 1), 35)], (), r"lift of unit \(0, 0\) holds 2000: expected 0 to 39"),
        ([("bias", (0, 0), -(2**63))], (), r"bias of unit \(0, 0\) holds -9223372036854775808: expected -549755813887"),
        ([("B", (8, 0, 0), -(2**31))], (), r"B of unit \(2, 2\) holds -2147483648: expected -127 to 127"),
        ((), [("activation_scale", 2**31)], "activation_scale=2147483648: expected -112 to 149"),
        ([("L", (3, 0, 1), 5)], (), r"L of unit \(1, 0\): expected weights below the diagonal alone"),
        ([("L", (3, 1, 1), 5)], (), r"L of unit \(1, 0\): expected weights below the diagonal alone"),
        ([("lift", (4, 1), 35)], (), r"unit \(1, 1\): its accumulator can reach \d+\.\d bits, accumulator_bits=40"),
        ([("fraction", 0, 39)], (), r"unit \(0, 0\): its accumulator can reach 40\.0 bits"),
        ([("fraction", 0, 64)], (), r"fraction of unit \(0, 0\) holds 64: expected 0 to 39"),
        ([("scale", 2, 2**31 - 1)], (), r"scale of unit \(0, 2\) holds 2147483647: expected -112 to 149"),
        ([("scale", 2, -(2**31))], (), r"scale of unit \(0, 2\) holds -2147483648"),
        ([("s", (0, 0), -(2**31))], (), r"s of unit \(0, 0\) holds -2147483648: expected 1 to 127"),
        ([("readers", (0, 0), -7)], (), r"readers of unit \(0, 0\) holds -7: expected -1 to 8"),
        ([("readers", (4, 1), 4)], (), r"readers of unit \(1, 1\): expected each unit once"),
        ([("G", (0, 0, slice(None)), 1)], (), r"G of unit \(0, 0\): expected no weight where there is no reader"),
        ([("B", (4, 0, slice(None)), 1)], (), r"B of unit \(1, 1\): expected no weight where there is no parent"),
        ([("parents", (0, 0), 0)], (), r"parents of unit \(0, 0\): expected units earlier in the order, then -1"),
        ((), [("activation_scale", 1.5)], r"activation_scale=1\.5: expected a whole number"),
        ((), [("activation_scale", np.arange(2))], "expected a whole number"),
        ([("learner/V", (0, 0, 0), 2**31 - 1)], (), r"learner's V of unit \(0, 0\) holds 2147483647: expected -32512"),
        ([("learner/mean", (0, 0, 0), 2**62)], (), r"learner's mean of unit \(0, 0\) holds"),
        ([("learner/bias", (0, 0), -(2**63))], (), r"learner's bias of unit \(0, 0\) holds -9223372036854775808"),
        ([("learner/mean_bias", (0, 0), 2**63 - 1)], (), r"learner's mean_bias of unit \(0, 0\) holds"),
        ([("learner/power", (0, 0), -1)], (), r"learner's power of unit \(0, 0\) holds -1: expected 0 to"),
        ([("learner/states", 0, 0)], (), r"learner's states of unit \(0, 0\) holds 0: expected 1 to 4294967295"),
    ],
)
def test_what_is_out_of_range_is_refused_and_named(chip, tmp_path, edits, attributes, message):
    with pytest.raises(FileFormatError, match=message) as caught:
        load_chip(rewritten(chip, tmp_path, edits, attributes))
    assert len(str(caught.value)) < 400


def test_a_bound_is_kept_to_the_unit(chip):
    """The largest bias that fits is taken, one more is not: floating point would not tell them apart."""
    wide, f = replace(chip.formats, accumulator_bits=64), chip.field
    alone = replace(f, **{name: f.arrays[name].copy() for name in ("G", "B", "L", "bias")})
    for array in (alone.G, alone.B, alone.L, alone.bias):
        array[0] = 0
    noise, rounding = int(f.s[0, 0]) * wide.normal_limit << int(f.lift[0, 2]), 1 << int(f.fraction[0])
    for sign in (1, -1):
        alone.bias[0, 0] = sign * (2**63 - 1 - noise - rounding)
        ChipGrid(chip.config, wide, alone)
        alone.bias[0, 0] += sign
        with pytest.raises(ArgumentError, match=r"unit \(0, 0\): its accumulator can reach 64\.0 bits"):
            ChipGrid(chip.config, wide, alone)


EXTREMES = [0, 1, -1, 2, 31, 32, 39, 40, 63, 64, 127, 128, -127, -128, 2000, 2**15, 2**30, 2**31 - 1, -(2**31)]
WIDE = [*EXTREMES, 2**39 - 1, 2**39, 2**62, 2**63 - 1, -(2**63)]


@examples(60)
@given(data=st.data())
def test_any_edit_is_refused_or_draws_what_unbounded_integers_draw(chip, tmp_path_factory, data):
    """Hypothesis over every array and place; the oracle has Python's integers, which do not overflow."""
    edits = []
    for _ in range(data.draw(st.integers(1, 3), "edits")):
        name = data.draw(st.sampled_from(sorted(chip.field.arrays)), "array")
        array = chip.field.arrays[name]
        index = tuple(data.draw(st.integers(0, size - 1)) for size in array.shape)
        edits.append((name, index, data.draw(st.sampled_from(WIDE if name == "bias" else EXTREMES), "value")))
    scale = data.draw(st.sampled_from([chip.field.activation_scale, *EXTREMES, 2**63 - 1]), "activation_scale")
    path = rewritten(chip, tmp_path_factory.mktemp("x"), edits, [("activation_scale", scale)])
    begun = time.perf_counter()
    try:
        back, refusal = load_chip(path), ""
    except FileFormatError as error:
        back, refusal = None, str(error)
    assert time.perf_counter() - begun < 5
    assert len(refusal) < 400
    if back is None:
        return
    limit = back.formats.activation_limit
    for h in (np.full((2, 2, 9), limit), np.full((2, 2, 9), -limit - 1)):
        np.testing.assert_array_equal(back.words(2, 3, 0, h).reshape(2, 2, 9), naive.words(back, 2, 3, h))
    assert np.isfinite(back.sample(2)).all()
    with suppress(ArgumentError):  # beyond float32: said
        assert all(np.isfinite(getattr(back.realised.field, name)).all() for name in ("a", "G", "B", "S", "gain"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("config", "[" * 20_000 + "]" * 20_000),
        ("config", '{"shape": [1, 1000000000]}'),
        ("config", '{"shape": [3, 3], "channels": 1000000000}'),
        ("formats", '{"weight_bits": true}'),
        ("formats", "[]"),
        ("provenance", '{"a":' * 9_000 + "1" + "}" * 9_000),
        ("provenance", "7"),
    ],
)
def test_texts_that_are_not_ours_are_refused_at_once(chip, tmp_path, name, value):
    path = chip.save(tmp_path / "chip.h5")
    with h5py.File(path, "r+", libver="v110") as file:
        file.attrs.create(name, np.bytes_(value))
    begun = time.perf_counter()
    with pytest.raises(FileFormatError):
        load_chip(path)
    assert time.perf_counter() - begun < 5


def test_learning_is_bounded_in_whole_numbers(chip):
    for bits in (31, 63):
        formats = replace(chip.formats, accumulator_bits=64)
        lift = chip.field.lift.copy()
        lift[4, 1] = bits
        with pytest.raises(ArgumentError, match=r"unit \(1, 1\).*too coarse to learn|unit \(1, 1\): learning could"):
            refuse_overflow(replace(chip.field, lift=lift), formats, 3)
    with pytest.raises(ArgumentError, match="stochastic='yes': expected True or False"):
        OnChip(stochastic="yes")


def test_a_fresh_learner_is_one_that_can_be_stored(tmp_path):
    """With the widest accumulators and the loudest noise that they hold."""
    grid, h = naive.learned(shape=(3, 3), channels=2, signal="local")
    for bits, loud in ((40, 1.0), (64, 1e6)):
        made = quantise(grid, Formats(accumulator_bits=bits, word_bits=16, weight_bits=16), h=h * loud)
        made.rule = OnChip()
        made.state = start(made.field, made.formats, made.rule)
        back = load_chip(made.save(tmp_path / "chip.h5"))
        assert all(np.array_equal(value, back.state[name]) for name, value in made.state.items())


def test_too_loud_a_grid_is_refused_when_it_is_quantised():
    grid, _ = naive.learned()
    grid.field.gain[:] *= np.float32(1e37)
    with pytest.raises(LocalnoiseError):
        quantise(grid)
