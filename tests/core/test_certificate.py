"""Certificates: exact where the answer is known, refused where the proof is void, and wrong ones are found out."""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

import localnoise as ln
from localnoise import central
from localnoise.certificate import (
    ABSTAINS,
    Vote,
    draws_needed,
    largest_radius,
    log_volume,
    lower_bound,
    radius_of,
    with_floor,
)
from localnoise.errors import ArgumentError, TooLargeError

SHAPE, CHANNELS = (3, 4), 2
RNG = np.random.default_rng(0)
DISPLACED = RNG.normal(size=(3000, CHANNELS, *SHAPE)).cumsum(axis=3).astype(np.float32)
WEIGHTS = RNG.normal(size=(CHANNELS, *SHAPE)).astype(np.float32)


def linear(h):
    return (np.tensordot(h, WEIGHTS, 3) > 0).astype(int)


@pytest.fixture(scope="module")
def grid():
    return with_floor(DISPLACED, scale=1.5, floor=0.1, parents=3)


@pytest.fixture(scope="module")
def inputs():
    return RNG.normal(size=(60, CHANNELS, *SHAPE)).astype(np.float32) * 4


@pytest.mark.parametrize("k", [1, 17, 990, 999, 1000])
@pytest.mark.parametrize("alpha", [0.001, 0.05])
def test_the_bound_is_clopper_and_pearsons(k, alpha):
    assert lower_bound(k, 1000, alpha) == pytest.approx(stats.beta.ppf(alpha, k, 1001 - k), rel=1e-9)
    assert lower_bound(0, 1000, alpha) == 0


def test_the_bound_holds_as_often_as_it_says():
    counts = np.random.default_rng(1).binomial(200, 0.9, size=4000)
    wrong = np.mean([lower_bound(int(k), 200, 0.05) > 0.9 for k in counts])
    assert wrong < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 4000)


def test_draws_that_all_agree_certify_what_they_are_said_to():
    for radius in (0.5, 1.0, 3.0):
        n = draws_needed(radius)
        assert largest_radius(n) >= radius - 1e-9 > largest_radius(n - 1) - 1e-2
    assert largest_radius(10_000) == pytest.approx(NormalDist().inv_cdf(0.001**1e-4))
    assert radius_of(0.5) == radius_of(0.2) == 0


def test_a_floor_is_white_noise_added_to_the_displacements():
    """With all earlier units as parents the field is exact."""
    grid = with_floor(DISPLACED, scale=0.7, floor=0.3, parents=11, order="raster", radius=4, dtype="float64")
    flat = DISPLACED.reshape(len(DISPLACED), -1).astype(float)
    expected = 0.49 * (flat.T @ flat / len(flat) + 0.3 * np.eye(24))
    np.testing.assert_allclose(grid.covariance(), expected, atol=1e-5 * expected.max())


def test_volumes_are_those_of_the_covariance(grid):
    expected = np.log(2.0) + np.linalg.slogdet(grid.covariance())[1] / 2 / 24
    assert log_volume(grid, 2.0) == pytest.approx(expected, abs=1e-4)
    assert log_volume(central.identity(DISPLACED, variance=0.25), 2.0) == pytest.approx(0, abs=1e-6)
    assert log_volume(grid, 0.0) == -np.inf


def test_certificates_of_a_linear_vote_are_below_its_distance_and_near_it(grid, inputs):
    """A plane's distance in the Sigma^-1 norm is |w h| / sqrt(w Sigma w): the smoothed vote changes right there."""
    found = Vote(grid, linear, draws=3000, seed=5).certify(inputs)
    w = WEIGHTS.ravel().astype(float)
    distance = abs(inputs.reshape(60, -1) @ w) / np.sqrt(w @ grid.covariance() @ w)
    clear = found.winner != ABSTAINS
    assert (found.winner[clear] == linear(inputs)[clear]).all()
    assert (found.radius <= distance).all()
    near = clear & (distance < 2)
    assert near.sum() > 5
    assert (distance - found.radius)[near].max() < 0.35
    assert found.abstained == (~clear).sum()


def along_the_gradient(grid, found, inputs, share):
    """The displacement of a share of the radius that changes a linear vote most: against Sigma w."""
    w = WEIGHTS.ravel().astype(float)
    away = -np.sign(inputs.reshape(len(inputs), -1) @ w)[:, None] / np.sqrt(w @ grid.covariance() @ w)
    toward = away * (grid.covariance() @ w)
    return (share * found.radius[:, None] * toward).reshape(inputs.shape).astype(np.float32)


def test_no_counterexample_is_found_inside(grid, inputs):
    vote = Vote(grid, linear, draws=2000, seed=5)
    found = vote.certify(inputs)
    assert not vote.contradicted(found, inputs, along_the_gradient(grid, found, inputs, 0.999)).any()


def test_a_wrong_certificate_is_found_out(grid, inputs):
    """Twice the radius; and the share of the votes itself in the place of its lower bound, from few draws."""
    vote = Vote(grid, linear, draws=2000, seed=5)
    right = vote.certify(inputs)
    twice = replace(right, radius=2 * right.radius)
    assert vote.contradicted(twice, inputs, along_the_gradient(grid, twice, inputs, 0.999)).sum() > 10
    few = Vote(grid, linear, draws=60, alpha=0.01, seed=9).certify(inputs)
    naive = replace(few, radius=np.array([radius_of(min(k / 60, 1 - 1e-4)) for k in few.votes]))
    assert vote.contradicted(naive, inputs, along_the_gradient(grid, naive, inputs, 0.999)).any()


def test_noise_that_follows_the_input_is_refused(inputs):
    grid = with_floor(DISPLACED, scale=1.0, floor=0.1, parents=2)
    vote = Vote(grid, linear, draws=100)
    vote.certify(inputs[:1])
    grid.normalise(3.0)
    with pytest.raises(ArgumentError, match="noise has changed since the vote was made"):
        vote.certify(inputs[:1])
    with pytest.raises(ArgumentError, match="one that is made for each input voids the proof"):
        Vote(lambda h: grid, linear)


def test_a_mean_of_logits_is_no_vote(grid, inputs):
    with pytest.raises(ArgumentError, match="a mean of logits is no vote"):
        Vote(grid, lambda h: np.tensordot(h, WEIGHTS, 3), draws=100).certify(inputs[:1])


def test_too_few_draws_are_refused_with_how_many_are_needed(grid):
    with pytest.raises(ArgumentError, match=r"draws=10: .* 0\.00 .* expected 40 or more for a radius of 1, 301 for 2"):
        Vote(grid, linear, draws=10)
    with pytest.raises(ArgumentError, match=r"alpha=0\.5"):
        Vote(grid, linear, alpha=0.5)


def test_noise_without_one_fixed_gaussian_is_refused(grid):
    with pytest.raises(ArgumentError, match="noise is a Bank"):
        Vote(ln.Bank([grid, grid]), linear)
    with pytest.raises(ArgumentError, match="noise is none"):
        Vote(central.none(DISPLACED), linear)
    with pytest.raises(ArgumentError, match="through_mean=True: expected a grid"):
        Vote(grid, linear, through_mean=True)


def test_signal_dependent_noise_counts_what_its_mean_adds(inputs):
    h = RNG.normal(size=DISPLACED.shape).astype(np.float32)
    signal = ln.UnitGrid(SHAPE, CHANNELS, parents=2, signal="local").learn(DISPLACED + h, h)
    with pytest.raises(ArgumentError, match="expected through_mean=True"):
        Vote(signal, linear)
    vote = Vote(signal, linear, draws=1000, through_mean=True)
    delta = np.ones((1, CHANNELS, *SHAPE), np.float32)
    moved = signal.mean(inputs[:1] + delta) - signal.mean(inputs[:1]) + delta
    np.testing.assert_allclose(vote.norms(delta) ** 2, signal.mahalanobis(moved), rtol=1e-3)
    found = vote.certify(inputs[:5])
    w = WEIGHTS.ravel().astype(float)
    seen = (inputs[:5] + signal.mean(inputs[:5])).reshape(5, -1)
    assert (found.radius <= abs(seen @ w) / np.sqrt(w @ signal.covariance() @ w)).all()


def test_what_is_no_activation_of_the_noise_is_refused_and_not_broadcast(grid, inputs):
    vote = Vote(grid, linear, draws=500)
    for given, match in (
        (inputs[0], r"for one presentation pass h\[None\]"),
        (inputs[:2, :1], r"h has shape \(2, 1, 3, 4\): expected \(T, 2, 3, 4\)"),
        (inputs[:2] * np.nan, "h has 48 values that are NaN"),
        ("x", r"h has shape \(\)"),
    ):
        with pytest.raises(ArgumentError, match=match):
            vote.certify(given)
    found = vote.certify(inputs[:2])
    with pytest.raises(ArgumentError, match="h, delta and found have 3, 3 and 2 activations: expected as many"):
        vote.contradicted(found, inputs[:3], inputs[:3])
    with pytest.raises(ArgumentError, match=r"classify returned class 1000000000000: expected .* fewer than 1,048,576"):
        Vote(grid, lambda h: np.full(len(h), 10**12), draws=500).certify(inputs[:1])
    with pytest.raises(ArgumentError, match="seed=-1"):
        Vote(grid, linear, seed=-1)
    last = Vote(grid, linear, draws=500, seed=2**64 - 1)
    assert not last.contradicted(last.certify(inputs[:2]), inputs[:2], 0 * inputs[:2]).any()


def test_bounds_of_no_number_are_refused(grid):
    for call, match in (
        (lambda: draws_needed(100.0), r"radius=100\.0: expected a number in \(0, 8\]"),
        (lambda: draws_needed("x"), "radius='x'"),
        (lambda: radius_of(float("nan")), "share=nan"),
        (lambda: radius_of(1.5), r"share=1\.5: expected a number in \[0, 1\]"),
        (lambda: Vote(grid, linear, alpha="x"), "alpha='x'"),
        (lambda: log_volume(grid, -1.0), r"radius=-1\.0"),
        (lambda: log_volume(grid, float("nan")), "radius=nan"),
    ):
        with pytest.raises(ArgumentError, match=match):
            call()
    for draws in (10**15, 10**400):
        with pytest.raises(TooLargeError, match=r"would take .* GiB"):
            lower_bound(1, draws, 0.001)
    assert draws_needed(8.0) > 1e15
    assert log_volume(grid, 0) == -np.inf


def test_volumes_of_noise_without_an_ellipsoid_are_refused(grid):
    for noise in (central.none(DISPLACED), ln.Bank([grid, grid]), central.affine(DISPLACED, DISPLACED)):
        with pytest.raises(ArgumentError, match="expected a UnitGrid or CentralNoise of full rank"):
            log_volume(noise, 1.0)
    with pytest.raises(ArgumentError, match="signal='local': expected 'none', since a certificate's covariance"):
        with_floor(DISPLACED, scale=1.0, floor=0.1, signal="local")


def test_draws_that_would_be_needed_are_no_question_of_memory():
    assert largest_radius(draws_needed(6)) == pytest.approx(6, rel=1e-6)
