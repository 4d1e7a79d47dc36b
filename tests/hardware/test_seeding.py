"""Units start where they should, never overlap, and are not jointly dependent."""

from math import gcd

import naive_generators as naive
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from localnoise.errors import ArgumentError
from localnoise.hardware.generators import GENERATORS, Lfsr, draw, draws_without_overlap, naive_states, states
from localnoise.hardware.generators.linear import apply, has_full_period, power
from localnoise.hardware.generators.seeding import mix
from localnoise.hardware.generators.strides import stride

named = pytest.mark.parametrize("name", GENERATORS)


@pytest.fixture(scope="module")
def position():
    """Where each state of the 16-bit register lies on its cycle, counted tick by tick."""
    return {state: i for i, state in enumerate(naive.cycle("lfsr16"))}


@pytest.mark.parametrize("units", [1, 2, 3, 64, 196, 255, 3136, 30000])
def test_no_two_units_overlap_by_enumeration(position, units):
    """On the cycle, counted, neighbours are stride or more ticks apart, the last and the first included."""
    register = GENERATORS["lfsr16"]
    starts = sorted(position[int(s)] for s in states(register, units, seed=7))
    gaps = np.diff([*starts, starts[0] + register.period])
    assert len(set(starts)) == units
    assert gaps.min() == stride(register, units) or units == 1
    assert gaps.min() >= stride(register, units)


def test_streams_repeat_when_the_stride_is_used_up():
    """Unit u's bytes after stride ticks are unit u + 1's first: the guarantee is exact, not generous."""
    register, units = GENERATORS["lfsr16"], 196
    steps = stride(register, units)
    later = states(register, units, seed=3, start_steps=steps)
    assert later[:-1].tolist() == states(register, units, seed=3)[1:].tolist()
    ticked = states(register, units, seed=3).tolist()
    seen = set(ticked)
    for _ in range(steps - 1):
        ticked = [naive.lfsr_tick(s, naive.TAPS["lfsr16"]) for s in ticked]
        assert seen.isdisjoint(ticked)
        seen.update(ticked)


@named
def test_starts_by_algebra(name):
    """Unit u's start is M^(u stride + start) s0, and N strides fit into the period."""
    generator, units, seed = GENERATORS[name], 196, 2**64 - 1
    M, steps = generator.matrix(), stride(generator, units)
    assert steps * units <= generator.period == 2**generator.width - 1
    found = states(generator, units, seed)
    for u in (0, 1, 2, 100, 195):
        assert found[u] == apply(power(M, u * steps + mix(seed)), 1)
    assert (found > 0).all()


@named
@examples(15)
@given(seed=st.integers(0, 2**64 - 1), units=st.integers(1, 40), start=st.integers(0, 60))
def test_start_steps_equal_stepping(name, seed, units, start):
    generator = GENERATORS[name]
    stepped = states(generator, units, seed).tolist()
    for _ in range(start):
        stepped = [naive.step(name, s) for s in stepped]
    assert states(generator, units, seed, start).tolist() == stepped


@named
def test_far_starts(name):
    """A start of 2^63 is the start modulo the period; draws go on where start_steps says."""
    generator = GENERATORS[name]
    far, near = (states(generator, 10, 5, start) for start in (2**63, 2**63 % generator.period))
    assert far.tolist() == near.tolist()
    going = states(generator, 10, 5)
    draw(generator, going, draws=3, channels=2, k=5)
    assert going.tolist() == states(generator, 10, 5, start_steps=3 * 2 * generator.steps(5)).tolist()


def test_a_million_units():
    found = states(GENERATORS["xorshift32"], 1_000_000, seed=1)
    assert len(np.unique(found)) == 1_000_000
    assert states(GENERATORS["xorshift32"], 999, seed=1).dtype == np.uint32


@named
def test_strides_keep_clear_of_subfields_and_powers_of_two(name):
    generator = GENERATORS[name]
    period = generator.period
    divisors = [d for d in range(2, 1500) if period % d == 0]
    for units in (2, 3, 5, 7, 15, 16, 17, 64, 196, 255, 256, 1024):
        steps = stride(generator, units)
        assert 0.9 * (period // units) - 16 <= steps <= period // units
        assert gcd(steps, period) == 1
        if steps > 1000:  # else the coprime neighbour may lie on the other side of a power of two
            for tied in (*(2**a for a in range(generator.width)), *(period // d for d in divisors)):
                assert abs(steps - tied) > 0.9 * tied / 64
    assert has_full_period(power(generator.matrix(), stride(generator, 15)))


@named
def test_the_farthest_strides_would_tie_units_together(name):
    """Why strides are shortened: a third of the period on, states XOR to zero; ours do not."""
    generator = GENERATORS[name]
    leap = power(generator.matrix(), generator.period // 3)
    first = 12345
    second = int(apply(leap, first))
    assert first ^ second ^ int(apply(leap, second)) == 0
    a, b, c = states(generator, 3, seed=1)
    assert a ^ b ^ c != 0


def test_power_of_two_strides_would_repeat_the_taps():
    """At the stride 2^26 the 32-bit register's feedback ties units u, u + 2, 6, 7 and 32; at ours it does not."""
    register = GENERATORS["lfsr32"]
    leap = power(register.matrix(), 2**26)
    row = [12345]
    for _ in range(32):
        row.append(int(apply(leap, row[-1])))
    assert row[0] ^ row[2] ^ row[6] ^ row[7] ^ row[32] == 0
    ours = states(register, 64, seed=0).tolist()
    assert ours[0] ^ ours[2] ^ ours[6] ^ ours[7] ^ ours[32] != 0


@pytest.mark.parametrize("method", ["sum", "popcount"])
def test_triples_of_units_are_independent(method):
    """The mean product of three units' words, one byte each, is zero within five standard errors; was a third."""
    count = 20_000
    words = draw(GENERATORS["lfsr32"], states(GENERATORS["lfsr32"], 3, 1), count, k=1, method=method)[:, 0]
    standard = words / words.std(axis=0)
    assert abs(standard.prod(axis=1).mean()) < 5 / np.sqrt(count)


def test_draws_without_overlap():
    xorshift = GENERATORS["xorshift32"]
    assert draws_without_overlap(xorshift, 196, 16 * xorshift.steps(8)) == stride(xorshift, 196) // 32
    assert draws_without_overlap(GENERATORS["lfsr16"], 196, 16 * 64) == 0


def test_naive_states_are_consecutive_and_never_zero():
    register = Lfsr(width=8, taps=naive.TAPS["lfsr8"])
    assert naive_states(register, 4, 10).tolist() == [10, 11, 12, 13]
    assert naive_states(register, 3, 0).tolist() == [255, 1, 2]
    assert naive_states(register, 255, 2**64 - 1).min() == 1


def test_mix_is_splitmix64():
    """The first outputs of splitmix64 seeded with 1234567 (Rosetta Code); its state moves on by the golden ratio."""
    golden, seed = 0x9E3779B97F4A7C15, 1234567
    assert mix(seed) == 6457827717110365317
    assert mix((seed + golden) % 2**64) == 3203168211198807973


def test_numbers_are_checked():
    register = GENERATORS["lfsr16"]
    with pytest.raises(ArgumentError, match=r"units=65536: expected at most 65535.*wider"):
        states(register, 65536, 0)
    with pytest.raises(ArgumentError, match="units=65536"):
        naive_states(register, 65536, 0)
    with pytest.raises(ArgumentError, match="units=0"):
        states(register, 0, 0)
    with pytest.raises(ArgumentError, match=r"seed=.*2\^64 - 1"):
        states(register, 2, 2**64)
    with pytest.raises(ArgumentError, match="seed=-1"):
        states(register, 2, -1)
    with pytest.raises(ArgumentError, match="start_steps=-1"):
        states(register, 2, 1, -1)
    with pytest.raises(ArgumentError, match="steps_per_draw=0"):
        draws_without_overlap(register, 2, 0)
    assert len(set(states(register, 65535, 0).tolist())) == 65535  # as many units as states: stride one
