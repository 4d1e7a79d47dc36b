"""The dense signal-dependent field: exact conditional Gaussian, equal to a grid without locality, exact gradients."""

import naive
import numpy as np
import pytest
import torch

import localnoise as ln
from localnoise import central
from localnoise.errors import ArgumentError, TooLargeError
from localnoise.nn import NoiseLayer

LAYOUT = (2, 2, 3)
n = 12
T = 4000
SINGLE = 2e-5  # float32 sums of a few thousand products of order one, solved at condition numbers of about ten


def synthetic(count=T, seed=0):
    """Activations, and displacements that follow them: d = a + G h + L xi."""
    rng = np.random.default_rng(seed)
    a, G = rng.normal(size=n), 0.4 * rng.normal(size=(n, n))
    L = np.tril(0.2 * rng.normal(size=(n, n)), -1) + 0.7 * np.eye(n)
    h = 1 + rng.normal(size=(count, n)) @ (np.eye(n) + 0.1 * rng.normal(size=(n, n)))
    d = a + h @ G.T + rng.normal(size=(count, n)) @ L.T
    return tuple(x.astype(np.float32).reshape(-1, *LAYOUT) for x in (d, h)), (a, G, L @ L.T)


@pytest.fixture(scope="module")
def data():
    return synthetic()[0]


@pytest.fixture(scope="module")
def noise(data):
    return central.affine(*data)


def flat(x):
    return np.asarray(x, np.float64).reshape(len(x), -1)


def test_it_is_the_conditional_gaussian_of_the_data(data, noise):
    """Of the joint normal of (d, h) with covariance C + ridge I, by the textbook formula."""
    d, h = map(flat, data)
    joint = np.cov(np.concatenate([d, h], axis=1).T, bias=True) + 1e-4 * np.eye(2 * n)
    G = joint[:n, n:] @ np.linalg.inv(joint[n:, n:])
    np.testing.assert_allclose(noise.G, G, atol=SINGLE)
    np.testing.assert_allclose(noise.a, d.mean(axis=0) - G @ h.mean(axis=0), atol=4 * SINGLE)
    expected = naive.residual(joint, range(n), list(range(n, 2 * n)))
    np.testing.assert_allclose(noise.covariance(), expected, atol=SINGLE)


def test_it_finds_the_law_that_made_the_data():
    """Regression coefficients of 40,000 samples scatter by about sqrt(Sigma / (T C_hh)) < 0.02 here."""
    (d, h), (a, G, Sigma) = synthetic(40_000)
    found = central.affine(d, h)
    np.testing.assert_allclose(found.G, G, atol=0.05)
    np.testing.assert_allclose(found.a, a, atol=0.1)
    np.testing.assert_allclose(found.covariance(), Sigma, atol=0.1)


@pytest.mark.parametrize("ridge", [1e-4, 0.5])
def test_a_grid_without_locality_has_the_same_law(data, ridge):
    """All units read, all earlier units parents: mean and covariance agree, whatever the order of the sweep."""
    d, h = data
    found = central.affine(d, h, ridge)
    for order in ("raster", "multiscale"):
        grid = ln.UnitGrid((2, 3), 2, order=order, parents=6, signal="local", signal_radius=3, dtype="float64")
        grid.learn(d, h, ridge=ridge)
        np.testing.assert_allclose(found.mean(h[:50]), grid.mean(h[:50]), atol=1e-4)
        np.testing.assert_allclose(found.covariance(), grid.covariance(), atol=SINGLE)
        np.testing.assert_allclose(found.log_density(d[:50], h[:50]), grid.log_density(d[:50], h[:50]), rtol=1e-3)
        for through in (False, True):
            ours, theirs = (x.mahalanobis(h[:50], through_mean=through) for x in (found, grid))
            np.testing.assert_allclose(ours, theirs, rtol=1e-3)


def test_few_presentations_need_a_ridge_on_the_signal():
    """At T = 3 n the plain map fits chance; a shrunken one predicts better, and says more truly what it leaves."""
    (d, h), _ = synthetic(3 * n)
    (fresh, seen), _ = synthetic(T)
    fresh, seen = fresh[3 * n :], seen[3 * n :]
    plain, shrunk = central.affine(d, h), central.affine(d, h, signal_ridge=0.2)
    left = [np.square(fresh - noise.mean(seen)).mean() for noise in (plain, shrunk)]
    assert left[1] < left[0]
    stated = [np.trace(noise.covariance()) / n for noise in (plain, shrunk)]
    assert stated[0] < stated[1] < left[1]
    a, b = map(flat, (h - h.mean(axis=0), d - d.mean(axis=0)))
    G = (b.T @ a) @ np.linalg.inv(a.T @ a + 3 * n * 0.2 * np.eye(n))
    np.testing.assert_allclose(shrunk.G, G, atol=SINGLE)
    np.testing.assert_allclose(shrunk.covariance(), (b.T - G @ a.T) @ b / (3 * n) + 1e-4 * np.eye(n), atol=SINGLE)


def test_a_reduced_trace_quietens_mean_and_noise_alike(data, noise):
    quiet = central.affine(*data, variance=0.5)
    assert np.trace(quiet.covariance()) == pytest.approx(0.5 * n, rel=1e-5)
    factor = np.sqrt(0.5 * n / np.trace(noise.covariance()))
    np.testing.assert_allclose(quiet.mean(data[1][:9]), factor * noise.mean(data[1][:9]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(quiet.covariance(), factor**2 * noise.covariance(), rtol=1e-4, atol=1e-5)


def test_draws_have_mean_and_covariance(noise, data):
    """First two moments of 200,000 draws at one activation within five standard errors."""
    count, h = 200_000, data[1][:1]
    drawn = noise.perturb(np.repeat(h, count, axis=0), seed=3).reshape(count, n).astype(np.float64)
    C = noise.covariance()
    away = drawn - flat(noise.mean(h))
    assert (np.abs(away.mean(axis=0)) <= 5 * np.sqrt(np.diag(C) / count)).all()
    error = np.sqrt((np.outer(np.diag(C), np.diag(C)) + C**2) / count)
    assert (np.abs(away.T @ away / count - C) <= 5 * error).all()


def test_the_same_interface_as_a_grid(noise, data):
    d, h = data[0], data[1][:7]
    grid = ln.UnitGrid((2, 3), 2, signal="local").learn(*data)
    for call in (
        lambda x: x.sample(7, seed=1, start=4),
        lambda x: x.perturb(h, seed=1, start=4),
        lambda x: x.mean(h),
        lambda x: x.pull_back(h),
    ):
        assert call(noise).shape == call(grid).shape == h.shape
        assert call(noise).dtype == call(grid).dtype == np.float32
    assert noise.parameters == n + n * n + n * (n + 1) // 2
    assert noise.bytes_per_unit == 4 * noise.parameters / 6
    assert repr(noise) == f"AffineNoise(2 x 2 x 3, {T} seen)"
    noises = ln.Bank([noise, grid], clean=0.2).perturb(h, seed=3)
    assert noises.shape == h.shape
    parts = [noise.perturb(h[a:b], seed=1, start=a) for a, b in ((0, 3), (3, 7))]
    np.testing.assert_allclose(np.concatenate(parts), noise.perturb(h, seed=1), atol=1e-6)
    assert np.isnan(noise.pull_back(np.full_like(d[:2], np.nan))).all(), "a diverged gradient is not its to refuse"


def test_scores_equal_the_dense_formulas(noise, data):
    d, h = data[0][:9], data[1][:9]
    away = flat(d) - (noise.a + flat(h) @ noise.G.astype(np.float64).T)
    np.testing.assert_allclose(noise.log_density(d, h), naive.log_density(away, noise.covariance()), rtol=1e-5)
    moved = flat(d) + flat(d) @ noise.G.astype(np.float64).T
    squares = np.einsum("ti,ij,tj->t", moved, np.linalg.inv(noise.covariance()), moved)
    np.testing.assert_allclose(noise.mahalanobis(d, through_mean=True), squares, rtol=1e-4)


def test_the_adjoint_is_exact(noise):
    """<M h, g> = <h, M' g> for M = mean's linear part."""
    h, g = (np.random.default_rng(seed).normal(size=(5, *LAYOUT)).astype(np.float32) for seed in (1, 2))
    linear = noise.mean(h) - noise.mean(0 * h)
    np.testing.assert_allclose((flat(linear) * flat(g)).sum(1), (flat(h) * flat(noise.pull_back(g))).sum(1), rtol=1e-4)


@pytest.mark.parametrize("shape", [(2, *LAYOUT), (2, n)], ids=str)
def test_gradients_through_the_layer_are_exact(noise, shape):
    """The map is affine, so a finite difference of step 1 is exact but for float32 rounding of values of order ten."""
    h = torch.randint(-4, 5, shape, generator=torch.Generator().manual_seed(0)).double().requires_grad_()

    def layer(h):
        return NoiseLayer(noise, seed=3)(h)

    assert torch.autograd.gradcheck(layer, (h,), eps=1.0, atol=1e-4, rtol=0)
    forgetful = central.AffineNoise(noise.a, noise.G, noise.residual)
    forgetful.pull_back = np.zeros_like
    assert not torch.autograd.gradcheck(
        lambda h: NoiseLayer(forgetful, seed=3)(h), (h,), eps=1.0, atol=1e-4, rtol=0, raise_exception=False
    )


def test_chunks_do_not_show():
    """More presentations than are summed at a time give the moments of all of them."""
    (d, h), _ = synthetic(2500)
    twice = central.affine(np.concatenate([d, d]), np.concatenate([h, h]))
    np.testing.assert_allclose(twice.covariance(), central.affine(d, h).covariance(), atol=SINGLE)


def test_directions_without_variance_get_no_weight(data):
    d, h = data[0], data[1].copy()
    h[:, 0, 0, 0] = 0.25  # a neuron that never moves
    h[:, 1, 1, 1] = h[:, 1, 0, 0]  # a pair that moves as one
    found = central.affine(d, h)
    assert np.abs(found.G[:, 0]).max() == 0
    np.testing.assert_allclose(found.G[:, 10], found.G[:, 6], atol=1e-2)
    with pytest.raises(ArgumentError, match=r"signal_ridge=0: .* of 4000 activations of 12 neurons is sing"):
        central.affine(d, h, ridge=0)
    few = central.affine(d[:5], data[1][:5])
    assert np.linalg.eigvalsh(few.covariance())[0] > 0
    with pytest.raises(ArgumentError, match=r"ridge=0: .*of 4000 displacements .*singular"):
        central.affine(data[1] * 0 + 1, data[1], ridge=0)


def test_bad_input_is_named(data):
    d, h = data
    with pytest.raises(ArgumentError, match=r"h has shape \(3, 2, 2, 3\), d has \(4000, 2, 2, 3\): expected the same"):
        central.affine(d, h[:3])
    with pytest.raises(ArgumentError, match=r"h has shape .*expected the same shape"):
        central.affine(d, h.reshape(T, 2, 3, 2))
    with pytest.raises(ArgumentError, match=r"h has shape \(4000, 12\): expected \(T, C, H, W\)"):
        central.affine(d, h.reshape(T, n))
    with pytest.raises(ArgumentError, match=r"h has 1 values that are NaN.*presentation 7"):
        central.affine(d, np.where(np.arange(h.size).reshape(h.shape) == 7 * n, np.nan, h))
    for wrong in ({"ridge": -1}, {"variance": 0}, {"signal_ridge": -1}):
        with pytest.raises(ArgumentError, match=r"^(ridge=-1|variance=0|signal_ridge=-1): expected a finite number"):
            central.affine(d, h, **wrong)
    with pytest.raises(ArgumentError, match=r"squares overflow float32"):
        central.affine(1e25 * d, h)
    wide = np.zeros((1, 32, 28, 28), np.float32)
    with pytest.raises(TooLargeError, match=r"affine\(d, h\) would take 32\.8 GiB: expected at most 4.0 GiB"):
        central.affine(wide, wide)
