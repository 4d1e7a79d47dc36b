"""A bank of fields: whose turn it is, and that each presentation is its member's own."""

import itertools
import math

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

import localnoise as ln
from localnoise.errors import ArgumentError

SHAPE, CHANNELS = (2, 3), 2


@pytest.fixture(scope="module")
def members(build):
    d = np.random.default_rng(0).normal(size=(50, CHANNELS, *SHAPE))
    return [build(SHAPE, CHANNELS, signal="local"), build(SHAPE, CHANNELS, seed=3), ln.central.full(d)]


@pytest.fixture(scope="module")
def bank(members):
    return ln.Bank(members, clean=0.2)


@pytest.fixture(scope="module")
def h():
    return np.random.default_rng(1).normal(size=(200, CHANNELS, *SHAPE)).astype(np.float32)


@pytest.mark.parametrize("clean", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_turns_have_their_shares(members, clean, count):
    """Shares of 100,000 turns within five binomial standard errors; pairs of successive turns are independent."""
    bank, draws = ln.Bank([members[0]] * count, clean), 100_000
    turns = bank.turns(draws, seed=4)
    expected = {-1: clean, **dict.fromkeys(range(count), (1 - clean) / count)}
    assert set(turns.tolist()) == {member for member, share in expected.items() if share > 0}
    for member, share in expected.items():
        assert abs((turns == member).mean() - share) <= 5 * math.sqrt(share * (1 - share) / draws)
        for following, other in expected.items():
            pair, both = share * other, ((turns[:-1] == member) & (turns[1:] == following)).mean()
            assert abs(both - pair) <= 5 * math.sqrt(pair * (1 - pair) / draws)


def test_shares_weigh_the_turns_and_the_mean(members, h):
    bank, draws = ln.Bank(members, 0.2, shares=[1, 2, 5]), 100_000
    counts = np.bincount(bank.turns(draws, seed=4) + 1, minlength=4) / draws
    np.testing.assert_allclose(counts, [0.2, 0.1, 0.2, 0.5], atol=5 * np.sqrt(0.25 / draws))
    expected = 0.8 * sum(share * member.mean(h) for share, member in zip((0.125, 0.25, 0.625), members, strict=True))
    np.testing.assert_allclose(bank.mean(h), expected, atol=1e-5)


@pytest.mark.parametrize("shares", [[1, 2], [1, 1, 0], [1, 1, float("nan")], "abc", 3])
def test_shares_are_one_positive_number_a_member(members, shares):
    with pytest.raises(ArgumentError, match=r"shares=.*expected one number > 0 for each of the 3 members"):
        ln.Bank(members, shares=shares)


def test_other_seeds_take_other_turns(bank):
    turns = [bank.turns(1000, seed=seed) for seed in (0, 1, 2**64 - 1)]
    for i, first in enumerate(turns):
        for second in turns[:i]:
            # five shares (0.2 clean, three of 4/15) agree by chance with probability 0.2^2 + 3 (4/15)^2 = 0.253
            assert abs((first == second).mean() - 0.253) < 5 * math.sqrt(0.253 * 0.747 / 1000)


@given(cuts=st.lists(st.integers(0, 200), max_size=3))
@examples(15, derandomize=True)
def test_a_stream_can_be_cut_anywhere(bank, h, cuts):
    edges = [0, *sorted(cuts), 200]
    for draw in (
        lambda a, b: bank.turns(b - a, seed=8, start=a),
        lambda a, b: bank.sample(b - a, seed=8, start=a),
        lambda a, b: bank.perturb(h[a:b], seed=8, start=a),
        lambda a, b: bank.pull_back(h[a:b], seed=8, start=a),
    ):
        parts = [draw(a, b) for a, b in itertools.pairwise(edges)]
        np.testing.assert_array_equal(np.concatenate(parts), draw(0, 200))


@pytest.mark.parametrize("start", [0, 1000, "array"])
def test_each_presentation_is_its_members_own(bank, members, h, start):
    """As if each member had drawn the whole stream; clean presentations are zero, and pull nothing back."""
    start = np.random.default_rng(0).permutation(200) if start == "array" else start
    turns = bank.turns(200, seed=8, start=start)
    assert set(turns.tolist()) == {-1, 0, 1, 2}
    zero = np.zeros_like(h)
    for drawn, each in (
        (bank.sample(200, 8, start), [m.sample(200, 8, start) for m in members]),
        (bank.perturb(h, 8, start), [m.perturb(h, 8, start) for m in members]),
        (bank.pull_back(h, 8, start), [m.pull_back(h) for m in members]),
    ):
        expected = np.stack([*each, zero])[turns, np.arange(200)]
        np.testing.assert_array_equal(drawn, expected)


def test_pull_back_is_the_adjoint_of_the_draw(bank, h):
    """<g, perturb(h) - perturb(0)> = <pull_back(g), h>: the noise cancels, the mean's linear part remains."""
    g = np.random.default_rng(2).normal(size=h.shape).astype(np.float32)
    left = (g * (bank.perturb(h, 8) - bank.perturb(0 * h, 8))).sum(axis=(1, 2, 3))
    right = (bank.pull_back(g, 8) * h).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(left, right, atol=1e-3)  # float32 sums of 12 products of values up to 30
    assert np.abs(right).max() > 1


def test_the_mean_weighs_members_and_clean_presentations(bank, members, h):
    expected = 0.8 / 3 * sum(member.mean(h).astype(np.float64) for member in members)
    np.testing.assert_allclose(bank.mean(h), expected, atol=1e-5)


def test_a_mixture_is_not_the_field_of_the_mean(build):
    """Two fields far apart: kurtosis shows that each presentation has one cause."""
    loud, quiet = build(SHAPE, CHANNELS), build(SHAPE, CHANNELS)
    loud.field.gain[:] *= 10
    drawn = ln.Bank([loud, quiet]).sample(20_000, seed=1)
    kurtosis = (drawn**4).mean(axis=0) / (drawn**2).mean(axis=0) ** 2
    assert (kurtosis > 4).all(), "a Gaussian has 3"


def test_a_bank_has_the_precision_of_its_finest_member(build, members):
    fine = build(SHAPE, CHANNELS, dtype="float64")
    drawn = ln.Bank([fine]).sample(4)
    assert drawn.dtype == np.float64
    np.testing.assert_array_equal(drawn, fine.sample(4))
    assert ln.Bank([fine, members[0]]).sample(4).dtype == np.float64
    assert ln.Bank(members).sample(4).dtype == np.float32


def test_sizes_add_up(bank, members):
    assert bank.parameters == sum(member.parameters for member in members)
    assert bank.bytes_per_unit == sum(member.bytes_per_unit for member in members)


@pytest.mark.parametrize("clean", [-0.1, 1, 1.5, float("nan"), "half", None])
def test_a_share_is_below_one(members, clean):
    with pytest.raises(ArgumentError, match=r"clean=.*expected .*(< 1|in \[0, 1\))"):
        ln.Bank(members, clean)


def test_members_are_noises_of_one_layout(members):
    with pytest.raises(ArgumentError, match="members is empty: expected at least one"):
        ln.Bank([])
    with pytest.raises(ArgumentError, match=r"members=UnitGrid.*expected a sequence.*use \[grid\]"):
        ln.Bank(members[0])
    with pytest.raises(ArgumentError, match=r"members\[1\] has .*\(1, 4, 4\): expected \(2, 2, 3\)"):
        ln.Bank([members[0], ln.UnitGrid((4, 4))])
    with pytest.raises(ArgumentError, match="noise='rotate': expected a UnitGrid"):
        ln.Bank(["rotate"])
    with pytest.raises(ArgumentError, match=r"members\[1\] is a Bank: expected grids"):
        ln.Bank([members[0], ln.Bank(members)])


def test_activations_are_checked_whoever_draws(members, h):
    almost_always_clean = ln.Bank(members[:1], clean=0.999)
    for bad in (h[0], h[:, :1], np.float32(3)):
        with pytest.raises(ArgumentError, match=r"h has shape .*expected \(T, 2, 2, 3\)"):
            almost_always_clean.perturb(bad)
    with pytest.raises(ArgumentError, match=r"h has .* NaN"):
        almost_always_clean.perturb(np.full_like(h, np.nan))
    assert np.isnan(ln.Bank(members[:1]).pull_back(np.full_like(h, np.nan))).any(), "gradients may diverge"
