"""Rounding and overflow: kernel, stated semantics, Python's integers and apytypes agree on a million random cases."""

import apytypes
import naive_chip as naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localnoise.hardware.fixedpoint import fit_word, round_shift, to_values, to_words
from localnoise.hardware.formats import OVERFLOWS, ROUNDINGS
from localnoise.hardware.kernels.sweep import round_row

CASES = 25_000  # for each of 40 combinations: a million
QUANTISATIONS = {"half-up": apytypes.QuantizationMode.TIES_POS, "half-even": apytypes.QuantizationMode.TIES_EVEN}
MODES = {"saturate": apytypes.OverflowMode.SAT, "wrap": apytypes.OverflowMode.WRAP}


def rounded(acc, bits, rounding, random, width, overflow):
    out = np.empty((1, len(acc)), np.int64)
    top = np.int64(2 ** (width - 1))
    round_row(out, 0, acc, np.int32(bits), ROUNDINGS.index(rounding), random, top, overflow == "saturate")
    return out[0]


def cases(rounding, overflow, bits, width, accumulator):
    """Accumulators to which rounding adds less than what still fits, as the quantiser sees to."""
    rng = np.random.default_rng([ROUNDINGS.index(rounding), OVERFLOWS.index(overflow), bits, width])
    most = 44 if accumulator == np.int64 else 30
    acc = rng.integers(-(2**most), 2**most, CASES) >> rng.integers(0, most, CASES)
    ties = (acc >> bits << bits) + (1 << bits >> 1)
    sums = np.where(rng.random(CASES) < 0.3, ties, acc).astype(accumulator)
    return sums, rng.integers(0, 2**32, CASES, dtype=np.uint32)


@pytest.mark.parametrize("overflow", OVERFLOWS)
@pytest.mark.parametrize("rounding", ["half-up", "half-even"])
@pytest.mark.parametrize(("bits", "width"), [(0, 8), (1, 4), (3, 12), (7, 12), (8, 16), (13, 6), (16, 16), (20, 9)])
@pytest.mark.parametrize("accumulator", [np.int32, np.int64])
def test_kernel_equals_apytypes(rounding, overflow, bits, width, accumulator):
    acc, random = cases(rounding, overflow, bits, width, accumulator)
    fixed = apytypes.APyFixedArray(acc.tolist(), int_bits=46 - bits, frac_bits=bits)
    cast = fixed.cast(int_bits=width, frac_bits=0, quantization=QUANTISATIONS[rounding], overflow=MODES[overflow])
    expected = np.array(cast.to_bits()) % 2**width
    found = rounded(acc, bits, rounding, random, width, overflow)
    assert (found % 2**width == expected).all()
    assert abs(found).max() <= 2 ** (width - 1)


@pytest.mark.parametrize("overflow", OVERFLOWS)
@pytest.mark.parametrize(("bits", "width"), [(0, 8), (1, 4), (7, 12), (13, 6)])
@pytest.mark.parametrize("accumulator", [np.int32, np.int64])
def test_stochastic_kernel_equals_pythons_integers(overflow, bits, width, accumulator):
    acc, random = cases("stochastic", overflow, bits, width, accumulator)
    found = rounded(acc, bits, "stochastic", random, width, overflow)
    for a, r, word in zip(acc.tolist(), random.tolist(), found.tolist(), strict=True):
        assert word == fit_word(round_shift(a, bits, "stochastic", r), width, overflow)


def test_stochastic_rounding_is_unbiased():
    bits, acc = 6, np.full(200_000, 37, np.int64)
    random = np.random.default_rng(0).integers(0, 2**32, len(acc), dtype=np.uint32)
    mean = rounded(acc, bits, "stochastic", random, 12, "saturate").mean()
    assert abs(mean - 37 / 64) < 5 * 0.5 / len(acc) ** 0.5


@given(st.integers(-(2**60), 2**60), st.integers(0, 40), st.sampled_from(ROUNDINGS), st.integers(0, 2**32 - 1))
def test_rounding_as_stated(acc, bits, rounding, random):
    assert round_shift(acc, bits, rounding, random) == naive.round_shift(acc, bits, rounding, random)


@given(st.integers(-(2**18), 2**18), st.integers(4, 16), st.sampled_from(OVERFLOWS))
def test_overflow_as_stated(value, bits, overflow):
    assert fit_word(value, bits, overflow) == naive.fit_word(value, bits, overflow)


@given(st.floats(-1e3, 1e3), st.integers(-8, 12), st.integers(4, 16))
def test_values_and_words(value, scale, bits):
    word = to_words(value, scale, bits)
    top = 2 ** (bits - 1)
    assert -top <= word < top
    if abs(value) * 2.0**scale < top - 1:
        assert abs(to_values(word, scale, np.float64) - value) <= 0.5 * 2.0**-scale
