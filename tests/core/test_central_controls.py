"""Mixtures and controls: what they keep of the full covariance and what they destroy."""

import numpy as np
import pytest

from localnoise import central
from localnoise.errors import ArgumentError, TooLargeError
from localnoise.nn import NoiseLayer

LAYOUT = (2, 2, 3)
n = 12
SINGLE = 1e-5  # a float32 factor of values of order one, multiplied by itself
MAKERS = {
    "mix": lambda d, **more: central.mix(d, 0.3, 0.7, **more),
    "shuffled": lambda d, **more: central.shuffled(d, 3, **more),
    "spectrum-matched": lambda d, **more: central.spectrum_matched(d, 3, **more),
}


@pytest.fixture(scope="module")
def d():
    """Correlated displacements of unequal variance."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(500, *LAYOUT)).cumsum(axis=3) * (1 + np.arange(2)[:, None, None])).astype(np.float32)


@pytest.fixture(params=MAKERS)
def noise(request, d):
    return MAKERS[request.param](d)


def relative(C):
    """A float32 factor rounds in proportion to the largest variance."""
    return SINGLE * np.abs(C).max()


def eigenvalues(C):
    return np.linalg.eigvalsh(C)


@pytest.mark.parametrize(("alpha", "beta"), [(1, 0), (0, 1), (0.5, 0.5), (0.25, 2.0)])
@pytest.mark.parametrize("trace", [None, 0.5])
def test_mix_is_the_weighted_sum(d, alpha, beta, trace):
    full = central.full(d, variance=trace).covariance()
    variance = np.trace(full) / n
    assert trace is None or variance == pytest.approx(trace, rel=SINGLE)
    expected = alpha * full + beta * variance * np.eye(n)
    found = central.mix(d, alpha, beta, variance=trace).covariance()
    np.testing.assert_allclose(found, expected, atol=relative(expected))
    assert np.trace(found) == pytest.approx((alpha + beta) * variance * n, rel=SINGLE)


def test_the_ends_of_the_mixture_are_full_and_identity(d):
    np.testing.assert_array_equal(central.mix(d, 1, 0).factor, central.full(d).factor)
    identity = central.identity(d).covariance()
    np.testing.assert_allclose(central.mix(d, 0, 1).covariance(), identity, atol=relative(identity))


def test_isotropic_noise_makes_up_for_a_missing_ridge(d):
    assert eigenvalues(central.mix(d[:5], 0.5, 0.5, ridge=0).covariance())[0] > 0
    with pytest.raises(ArgumentError, match=r"ridge=0: .*singular"):
        central.mix(d[:5], 1, 0, ridge=0)


def test_shuffled_neurons_keep_their_law_and_lose_their_place(d):
    full, shuffled = central.full(d).covariance(), central.shuffled(d, 3).covariance()
    np.testing.assert_allclose(eigenvalues(shuffled), eigenvalues(full), atol=relative(full))
    np.testing.assert_allclose(np.sort(np.diag(shuffled)), np.sort(np.diag(full)), atol=relative(full))
    np.testing.assert_allclose(np.sort(shuffled, axis=None), np.sort(full, axis=None), atol=relative(full))
    assert np.abs(shuffled - full).max() > 0.1 * np.abs(full).max()
    neighbours = [(c * 6 + y * 3 + x, c * 6 + y * 3 + x + 1) for c in (0, 1) for y in (0, 1) for x in (0, 1)]
    scattered = np.mean([[central.shuffled(d, seed).covariance()[i] for i in neighbours] for seed in range(20)])
    assert scattered < 0.5 * np.mean([full[i] for i in neighbours]), "neighbours no longer move together"


def test_spectrum_matched_noise_keeps_the_spectrum_alone(d):
    full, random = central.full(d).covariance(), central.spectrum_matched(d, 3).covariance()
    np.testing.assert_allclose(eigenvalues(random), eigenvalues(full), atol=relative(full))
    assert np.abs(np.sort(np.diag(random)) - np.sort(np.diag(full))).max() > 0.1 * np.diag(full).max()


def test_random_eigenvectors_are_uniform(d):
    """Over the Haar measure E[Sigma] = (trace / n) I, and E[Sigma_11^2] = (tr^2 + 2 tr(Sigma^2)) / (n (n + 2)).

    2,000 seeds; five standard errors, taken from the draws themselves. Collins and Sniady 2006 (Commun. Math. Phys.
    264) give the moments of orthogonal matrices from which both follow.
    """
    drawn = np.array([central.spectrum_matched(d, seed).covariance() for seed in range(2000)])
    spectrum = eigenvalues(central.full(d).covariance())
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert (np.abs(drawn.mean(axis=0) - spectrum.mean() * np.eye(n)) <= 5 * error).all()
    squares = np.diagonal(drawn, axis1=1, axis2=2) ** 2
    expected = (spectrum.sum() ** 2 + 2 * (spectrum**2).sum()) / (n * (n + 2))
    assert (np.abs(squares.mean(axis=0) - expected) <= 5 * squares.std(axis=0) / np.sqrt(len(drawn))).all()


@pytest.mark.parametrize("make", [central.shuffled, central.spectrum_matched])
def test_the_seed_fixes_the_control(make, d):
    np.testing.assert_array_equal(make(d, 3).factor, make(d, 3).factor)
    assert (make(d, 3).factor != make(d, 4).factor).any()
    for seed in (-1, 0.5, "x"):
        with pytest.raises(ArgumentError, match=r"seed=.*expected"):
            make(d, seed)


@pytest.mark.parametrize("make", MAKERS.values())
@pytest.mark.parametrize("trace", [0.5, 2.0])
def test_every_kind_has_the_trace(make, d, trace):
    assert np.trace(make(d, variance=trace).covariance()) == pytest.approx(trace * n, rel=SINGLE)


def test_draws_have_the_covariance(noise):
    """Second moments of 200,000 draws within five standard errors, sqrt((S_ii S_jj + S_ij^2) / count)."""
    count = 200_000
    flat = noise.sample(count, seed=3).reshape(count, n).astype(np.float64)
    C = noise.covariance()
    error = np.sqrt((np.outer(np.diag(C), np.diag(C)) + C**2) / count)
    assert (np.abs(flat.T @ flat / count - C) <= 5 * error).all()


def test_the_interface_is_the_others(noise, d, request):
    assert noise.parameters == n * (n + 1) // 2
    assert repr(noise) == f"CentralNoise({request.node.callspec.params['noise']}, 2 x 2 x 3, 500 seen)"
    np.testing.assert_array_equal(noise.perturb(d[:4], 1, 2), noise.sample(4, 1, 2))
    assert NoiseLayer(noise).noise is noise


@pytest.mark.parametrize("make", [central.full, *MAKERS.values()])
def test_what_would_not_fit_is_refused(make, d):
    with pytest.raises(TooLargeError, match=r"\(d\) would take .* GiB: expected at most .*; use diagonal"):
        make(d, max_bytes=1000)
    wide = np.zeros((1, 32, 28, 28), np.float32)  # the first layer of v1: refused before anything is computed
    with pytest.raises(TooLargeError, match=r"would take (14|28)\.\d GiB: expected at most 4.0 GiB"):
        make(wide)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((-1, 1), r"alpha=-1: expected a finite number >= 0, a weight"),
        ((1, float("nan")), r"beta=nan: expected a finite number >= 0, a weight"),
        (("half", 1), r"alpha='half': expected a finite number >= 0, a weight"),
        ((0, 0), r"alpha=0 and beta=0: expected at least one weight > 0; use none\(d\)"),
    ],
)
def test_weights_are_checked(d, weights, message):
    with pytest.raises(ArgumentError, match=message):
        central.mix(d, *weights)


@pytest.mark.parametrize("make", MAKERS.values())
def test_ridges_traces_and_shapes_are_checked(make, d):
    for wrong, message in (({"ridge": -1}, "ridge=-1"), ({"variance": 0}, "variance=0")):
        with pytest.raises(ArgumentError, match=message):
            make(d, **wrong)
    with pytest.raises(ArgumentError, match=r"d has shape \(2, 2, 3\): expected \(T, C, H, W\)"):
        make(d[0])
    with pytest.raises(ArgumentError, match=r"ridge=0: .*singular"):
        central.shuffled(d[:5], ridge=0)
