"""Steps, matrices and periods of the generators."""

import naive_generators as naive
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from localnoise.errors import ArgumentError
from localnoise.hardware.generators import GENERATORS, Lfsr, generator
from localnoise.hardware.generators.linear import apply, has_full_period, identity, matrix_of, power, prime_factors

SMALL = Lfsr(width=8, taps=naive.TAPS["lfsr8"])
ALL = {"lfsr8": SMALL, **GENERATORS}
named = pytest.mark.parametrize("name", ALL)


@named
def test_step_equals_the_reference(name):
    state, expected = 1, 1
    for _ in range(2000):
        state, expected = ALL[name].step(state), naive.step(name, expected)
        assert state == expected


def test_xorshift32_is_marsaglias():
    """The first words from the seed of the paper's example code, 2463534242, as widely published."""
    state, found = 2463534242, []
    for _ in range(3):
        state = GENERATORS["xorshift32"].step(state)
        found.append(state)
    assert found == [723471715, 2497366906, 2064144800]


@named
def test_matrix_is_the_step(name):
    states = np.random.default_rng(1).integers(1, ALL[name].period, 50, endpoint=True)
    assert apply(ALL[name].matrix(), states).tolist() == [naive.step(name, int(s)) for s in states]


@named
@examples(30)
@given(data=st.data(), count=st.integers(0, 300))
def test_jump_equals_repeated_steps(name, data, count):
    state = data.draw(st.integers(1, ALL[name].period))
    jumped = int(apply(power(ALL[name].matrix(), count), state))
    for _ in range(count):
        state = naive.step(name, state)
    assert jumped == state


@examples(30)
@given(first=st.integers(0, 2**70), second=st.integers(0, 2**70))
def test_powers_multiply(first, second):
    M = GENERATORS["lfsr24"].matrix()
    product = apply(power(M, first), power(M, second))
    np.testing.assert_array_equal(product, power(M, first + second))
    np.testing.assert_array_equal(product, power(M, (first + second) % (2**24 - 1)))


@pytest.mark.parametrize("name", ["lfsr8", "lfsr16"])
def test_period_by_enumeration(name):
    visited = naive.cycle(name)
    assert len(set(visited)) == len(visited) == ALL[name].period == 2 ** ALL[name].width - 1


@named
def test_period_by_algebra(name):
    M = ALL[name].matrix()
    assert has_full_period(M)
    assert has_full_period(power(M, 8)), "eight ticks, a byte, have the full period too"


def test_algebra_agrees_with_enumeration():
    """Over all tap sets of width 8: the algebra says full period exactly where counting says so."""
    full = 0
    for rest in range(128):
        taps = (8, *(t for t in range(1, 8) if rest >> (t - 1) & 1))
        register = Lfsr(width=8, taps=taps)
        state, count = register.step(1), 1
        while state != 1 and count < 256:
            state, count = register.step(state), count + 1
        assert has_full_period(register.matrix()) == (count == 255)
        full += count == 255
    assert full == 16  # the primitive polynomials of degree 8: phi(255) / 8


@pytest.mark.parametrize(
    ("width", "primes"),
    [(16, (3, 5, 17, 257)), (24, (3, 5, 7, 13, 17, 241)), (32, (3, 5, 17, 257, 65537))],
)
def test_prime_factors(width, primes):
    assert prime_factors(2**width - 1) == primes


def test_short_periods_are_found_out():
    M = GENERATORS["lfsr32"].matrix()
    for p in (3, 65537):
        assert not has_full_period(power(M, p))
    assert not has_full_period(Lfsr(width=32, taps=(32, 22, 2)).matrix())
    assert not has_full_period(identity(16))
    assert not has_full_period(matrix_of(lambda s: (s * 3) & 0xFFFF if s < 2**15 else s, 16))  # singular or short


def test_names_and_numbers_are_checked():
    assert generator("lfsr24") is GENERATORS["lfsr24"]
    with pytest.raises(ArgumentError, match="did you mean 'xorshift32'"):
        generator("xorshift")
    with pytest.raises(ArgumentError, match="width=20: expected one of 16, 24, 32"):
        Lfsr(width=20)
    with pytest.raises(ArgumentError, match="width=7: expected 8 to 32"):
        Lfsr(width=7, taps=(7, 6))
    with pytest.raises(ArgumentError, match="taps="):
        Lfsr(width=16, taps=(17, 3))
    with pytest.raises(ArgumentError, match="matrix has 40 columns"):
        has_full_period(identity(40))
    with pytest.raises(ArgumentError, match="exponent=-1"):
        power(identity(8), -1)
