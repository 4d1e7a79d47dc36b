"""Words equal the reference to the bit, and have the moments that are stated."""

from itertools import product

import naive_generators as naive
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from localnoise.errors import ArgumentError
from localnoise.hardware.generators import GENERATORS, Lfsr, draw, states
from localnoise.hardware.generators.gaussian import METHODS, normals, parallel_normals
from localnoise.hardware.generators.moments import bound, cycle_excess_kurtosis, excess_kurtosis, variance

named = pytest.mark.parametrize("name", GENERATORS)
methods = pytest.mark.parametrize("method", METHODS)


@named
@methods
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 7, 8, 12, 64])
def test_words_equal_the_reference(name, method, k):
    start = states(GENERATORS[name], 19, seed=k)
    expected, after = naive.words(name, start.tolist(), 2, 3, k, method)
    found = draw(GENERATORS[name], start, draws=2, channels=3, k=k, method=method)
    assert found.dtype == np.int32
    assert found.tolist() == expected
    assert start.tolist() == after


@methods
@examples(30)
@given(start=st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=40), k=st.integers(1, 16))
def test_any_states(method, start, k):
    """Any nonzero state, with the top bit set or not: arithmetic stays in 32 unsigned bits."""
    for name in ("lfsr32", "xorshift32"):
        expected, after = naive.words(name, start, 1, 2, k, method)
        now = np.array(start, np.uint32)
        assert draw(GENERATORS[name], now, 1, 2, k=k, method=method).tolist() == expected
        assert now.tolist() == after


def test_draws_go_on():
    """Cut into calls or not, draws are the same; draws follow channels in each unit's stream."""
    generator = GENERATORS["xorshift32"]
    once, cut = states(generator, 30, 1), states(generator, 30, 1)
    whole = draw(generator, once, draws=6, channels=4)
    parts = [draw(generator, cut, draws=n, channels=4) for n in (1, 2, 3)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    np.testing.assert_array_equal(whole.reshape(24, 30), draw(generator, states(generator, 30, 1), 24)[:, 0])


@named
def test_blocks_and_threads_change_nothing(name):
    """More units than a block, serial and parallel, against units drawn alone."""
    generator, units = GENERATORS[name], 5000
    serial, parallel = (np.empty((3, units), np.int32) for _ in range(2))
    own, other = states(generator, units, 2), states(generator, units, 2)
    normals(serial, own, generator.kind, 8, 0)
    parallel_normals(parallel, other, generator.kind, 8, 0)
    np.testing.assert_array_equal(serial, parallel)
    np.testing.assert_array_equal(own, other)
    some = [0, 2047, 2048, 4095, 4999]
    alone = states(generator, units, 2)[some]
    np.testing.assert_array_equal(serial[:, some], draw(generator, alone, 3)[:, 0])


@methods
def test_exact_moments_by_enumeration(method):
    """All values of one and two bytes, equally likely."""
    for k in (1, 2):
        values = [
            2 * sum(b if method == "sum" else b.bit_count() for b in each) - (255 if method == "sum" else 8) * k
            for each in product(range(256), repeat=k)
        ]
        mean, second, excess = naive.moments(values)
        assert mean == 0
        assert second == pytest.approx(variance(k, method), rel=1e-12)
        assert excess == pytest.approx(float(excess_kurtosis(k, method)), rel=1e-9)
        assert max(values) == -min(values) == bound(k, method)


def test_moments_scale_with_the_bytes():
    assert variance(8) == 21845 * 8
    assert variance(8, "popcount") == 64
    assert float(excess_kurtosis(8)) == pytest.approx(-0.15, abs=1e-5)
    assert float(excess_kurtosis(8, "popcount")) == -1 / 32


@named
@methods
@pytest.mark.parametrize("k", [4, 8])
def test_measured_moments(name, method, k):
    """Mean, variance and kurtosis of 400,000 words within five standard errors of the exact ones.

    For nearly Gaussian words the errors are sqrt(1/n), sqrt(2/n), sqrt(24/n).
    """
    generator, units = GENERATORS[name], 40
    words = draw(generator, states(generator, units, 11), 10_000, k=k, method=method) / np.sqrt(variance(k, method))
    n, second = words.size, words.var()
    assert abs(words.mean()) < 5 * np.sqrt(1 / n)
    assert abs(second - 1) < 5 * np.sqrt(2 / n)
    assert abs((words**4).mean() / second**2 - 3 - float(cycle_excess_kurtosis(generator, k, method))) < 5 * np.sqrt(
        24 / n
    )
    assert np.abs(words).max() <= bound(k, method) / np.sqrt(variance(k, method))


def test_kurtosis_over_a_whole_cycle():
    """All states of registers of 8 and 16 bits, counted, about zero; the short cycles are far from independent bits."""
    for name, method, k in [*product(["lfsr8"], METHODS, (2, 3)), ("lfsr16", "popcount", 8), ("lfsr16", "sum", 8)]:
        register = GENERATORS.get(name, Lfsr(width=8, taps=naive.TAPS["lfsr8"]))
        every = np.arange(1, register.period + 1, dtype=np.uint32)
        words = draw(register, every, 1, k=k, method=method).ravel().astype(np.float64)
        counted = (words**4).mean() / (words**2).mean() ** 2 - 3
        assert counted == pytest.approx(float(cycle_excess_kurtosis(register, k, method)), rel=1e-9)
        if name == "lfsr8":
            assert abs(counted - float(excess_kurtosis(k, method))) > 0.03


def test_which_generators_have_four_term_relations():
    """The wide registers have none in a word of eight bytes; xorshift's sparse steps have, which popcount feels."""
    for name, method in product(("lfsr24", "lfsr32"), METHODS):
        independent = excess_kurtosis(8, method)
        assert abs(cycle_excess_kurtosis(GENERATORS[name], 8, method) - independent) < 0.01
    assert 0.05 < cycle_excess_kurtosis(GENERATORS["xorshift32"], 8, "popcount") - excess_kurtosis(8, "popcount") < 0.1
    assert abs(cycle_excess_kurtosis(GENERATORS["xorshift32"], 8) - excess_kurtosis(8)) < 0.01


@pytest.mark.parametrize("name", ["lfsr16", "lfsr24", "lfsr32"])
def test_a_register_s_byte_is_eight_successive_bits(name):
    """No tap reaches the low byte, whose bits would otherwise come from several places on the cycle."""
    state = int(states(GENERATORS[name], 1, 4)[0])
    taken, _ = naive.take(name, state, 5)
    for _ in range(8):
        state = naive.step(name, state)
    fallen = []
    for _ in range(40):
        fallen.append(state & 1)
        state = naive.step(name, state)
    assert [byte >> j & 1 for byte in taken for j in range(8)] == fallen


def test_arguments_are_checked():
    generator = GENERATORS["lfsr16"]
    good = states(generator, 4, 0)
    with pytest.raises(ArgumentError, match="k=65: expected 1 to 64"):
        draw(generator, good, 1, k=65)
    with pytest.raises(ArgumentError, match="k=0"):
        variance(0)
    with pytest.raises(ArgumentError, match="did you mean 'popcount'"):
        draw(generator, good, 1, method="popcnt")
    with pytest.raises(ArgumentError, match="states is int64"):
        draw(generator, good.astype(np.int64), 1)
    with pytest.raises(ArgumentError, match="states is uint32"):
        draw(generator, np.tile(good, 2)[::2], 1)
    for wrong in (0, 65536):
        bad = good.copy()
        bad[2] = wrong
        with pytest.raises(ArgumentError, match=rf"states\[2\]={wrong}: expected 1 to 2\^16 - 1"):
            draw(generator, bad, 1)
