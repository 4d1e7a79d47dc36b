"""The law of what is drawn: covariance, mean, density, gain."""

import math

import naive
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

import localnoise as ln

SHAPE, CHANNELS = (2, 3), 2
ORDERS = [{"order": "raster", "radius": 1}, {"order": "multiscale", "parents": 3}]
DRAWS = 1_000_000


def spread(covariance, count):
    """Standard errors of the second moments of `count` Gaussian draws.

    For zero-mean Gaussians Var(x_i x_j) = S_ii S_jj + S_ij^2 (Isserlis), so that a mean of products has the standard
    error sqrt((S_ii S_jj + S_ij^2) / count).
    """
    variance = np.diag(covariance)
    return np.sqrt((np.outer(variance, variance) + covariance**2) / count)


def second_moment(draws):
    flat = draws.reshape(len(draws), -1)
    total = sum(part.T.astype(np.float64) @ part for part in np.array_split(flat, 50))
    return total / len(flat)


def check_covariance(draws, covariance):
    """All 78 second moments of 12 neurons lie within five standard errors; by chance one strays in 1 of 20,000 runs."""
    flat = draws.reshape(len(draws), -1)
    deviation = (second_moment(draws) - covariance) / spread(covariance, len(draws))
    assert np.abs(deviation).max() < 5
    assert np.abs(flat.mean(axis=0, dtype=np.float64) / np.sqrt(np.diag(covariance) / len(flat))).max() < 5


@pytest.fixture(params=ORDERS, ids=lambda wiring: wiring["order"])
def grid(request, build):
    return build(SHAPE, CHANNELS, **request.param)


def test_a_million_draws_have_the_covariance(grid):
    draws = grid.sample(DRAWS, seed=11)
    check_covariance(draws, grid.covariance())
    with pytest.raises(AssertionError):  # the test can fail: two per cent more variance are ten standard errors
        check_covariance(draws, 1.02 * grid.covariance())


@pytest.mark.parametrize("scope", ["global", "local"])
def test_normalised_draws_have_the_normalised_covariance(grid, scope):
    grid.normalise(0.7, scope)
    check_covariance(grid.sample(DRAWS, seed=5), grid.covariance())


def test_covariance_is_scaled_by_the_gains(grid):
    before = grid.covariance()
    gains = np.array([0.5, 2, 3, 1, 1.5, 0.25])
    old = grid.field.gain.astype(np.float64)
    grid.field.gain[:] = gains
    scale = np.tile(gains / old, CHANNELS)
    np.testing.assert_allclose(grid.covariance(), before * np.outer(scale, scale), rtol=1e-6)


@pytest.mark.parametrize("order", ORDERS, ids=lambda wiring: wiring["order"])
def test_perturbations_scatter_around_the_mean(build, white, order):
    """For one activation: mean(h), and around it the same covariance as without."""
    grid = build(SHAPE, CHANNELS, signal="local", **order)
    h = white(grid, 1)
    count = 200_000
    drawn = grid.perturb(np.broadcast_to(h, (count, *h.shape[1:])), seed=2)
    mean = grid.mean(h)
    assert np.abs(mean).max() > 1
    check_covariance(drawn - mean, grid.covariance())


def test_perturb_adds_to_the_mean_the_noise_of_sample(grid, build, white, close):
    """Without signal dependence to the bit; with it up to the rounding of one sum of mean and noise."""
    h = white(grid, 40)
    np.testing.assert_array_equal(grid.perturb(h, seed=3, start=7), grid.sample(40, seed=3, start=7))
    signal = build(SHAPE, CHANNELS, signal="local")
    close(signal.perturb(h, seed=3) - signal.mean(h), signal.sample(40, seed=3), np.float32)


def test_the_mean_is_affine_in_the_activation(build, white):
    grid = build(SHAPE, CHANNELS, signal="local", dtype="float64")
    h, k = white(grid, 9), white(grid, 9, seed=2)
    nothing = grid.mean(0 * h)
    assert np.abs(nothing).max() > 0.1
    np.testing.assert_allclose(grid.mean(2 * h - 3 * k), 2 * grid.mean(h) - 3 * grid.mean(k) + 2 * nothing, atol=1e-12)


def test_without_signal_the_mean_is_zero_and_nothing_flows_back(grid, white):
    h = white(grid, 3)
    assert (grid.mean(h) == 0).all()
    assert (grid.pull_back(h) == 0).all()


def test_nothing_given_is_changed(build, white):
    grid = build(SHAPE, CHANNELS, signal="local")
    d, h = white(grid, 30), white(grid, 30, seed=2)
    kept = d.copy(), h.copy()
    grid.innovations(d, h)
    grid.log_density(d, h)
    grid.mahalanobis(d, through_mean=True)
    grid.perturb(h)
    grid.pull_back(d)
    grid.learn(d, h).learn(d, h, rule="lms")
    np.testing.assert_array_equal(d, kept[0])
    np.testing.assert_array_equal(h, kept[1])


# Positive definiteness


@given(
    seed=st.integers(0, 2**32),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    channels=st.integers(1, 3),
    order=st.sampled_from(ORDERS),
    strength=st.floats(0, 1),
)
@examples(200, derandomize=True)
def test_covariance_is_positive_definite_whatever_the_weights(build, seed, shape, channels, order, strength):
    """det Sigma = prod gain^2 S_ii^2 > 0 exactly; the smallest eigenvalue stays above float64 rounding."""
    grid = build(shape, channels, seed=seed, strength=strength, **order)
    covariance = grid.covariance()
    np.testing.assert_array_equal(covariance, covariance.T)
    eigenvalues = np.linalg.eigvalsh(covariance)
    assert eigenvalues[0] > 0
    f = grid.field
    log_det = 2 * np.log(np.diagonal(f.S, axis1=1, axis2=2).astype(np.float64)).sum()
    log_det += 2 * channels * np.log(f.gain.astype(np.float64)).sum()
    # relative error of log det: n eps times the condition number
    bound = 1e-15 * len(covariance) ** 2 * eigenvalues[-1] / eigenvalues[0]
    assert abs(np.log(eigenvalues).sum() - log_det) <= bound + 1e-12


# Gain


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("trace", [0.5, 2.0])
def test_normalise_sets_the_trace(build, trace, dtype):
    """Global: over the grid. Local: in each unit, hence over the grid too. Gains are rounded to the grid's dtype."""
    rtol = 4 * float(np.finfo(dtype).eps)
    grid = build(SHAPE, CHANNELS, dtype=dtype)
    assert np.trace(grid.normalise(trace).covariance()) == pytest.approx(12 * trace, rel=rtol)
    per_unit = grid.variance().sum(axis=0)
    assert per_unit.max() > 1.1 * per_unit.min(), "global scaling must not level the units"
    np.testing.assert_allclose(grid.normalise(trace, "local").variance().sum(axis=0), CHANNELS * trace, rtol=rtol)
    assert np.trace(grid.covariance()) == pytest.approx(12 * trace, rel=rtol)


def test_global_normalisation_keeps_correlations_local_keeps_those_too(grid):
    def correlation():
        covariance = grid.covariance()
        scale = np.sqrt(np.diag(covariance))
        return covariance / np.outer(scale, scale)

    before = correlation()
    for scope in ("global", "local"):
        grid.normalise(2.0, scope)
        np.testing.assert_allclose(correlation(), before, atol=1e-12)


def test_normalising_twice_changes_nothing(grid):
    for scope in ("global", "local"):
        once = grid.normalise(2.0, scope).field.gain.copy()
        np.testing.assert_allclose(grid.normalise(2.0, scope).field.gain, once, rtol=4 * np.finfo(np.float32).eps)


def test_large_grids_are_normalised_from_draws():
    """Beyond 4,096 neurons the trace comes from 4,096 draws.

    A mean square over 4,096 draws has the relative standard error sqrt(2 / 4096) = 2.2 % per neuron; per unit of two
    correlated channels no more. All 2,304 units lie within five of them, and so does the trace of the whole.
    """
    grid = ln.UnitGrid((48, 48), 2, order="raster")
    for y, x in np.ndindex(48, 48):
        grid[y, x].cholesky[:] = [[1 + y / 48, 0], [0.5, 1]]
    truth = np.array([[((1 + y / 48) ** 2 + 1.25) / 2] * 48 for y in range(48)])
    estimate = grid.variance().mean(axis=0)
    error = np.sqrt(2 / 4096)
    assert 0 < np.abs(estimate / truth - 1).max() < 5 * error
    grid.normalise(2.0, "local")
    np.testing.assert_allclose(grid.field.gain.reshape(48, 48) ** 2 * truth, 2.0, rtol=10 * error)


# Scores


@pytest.fixture
def scored(build):
    return build(SHAPE, CHANNELS, signal="local", dtype="float64")


def test_mahalanobis_is_the_sum_of_unit_terms(scored, white):
    """delta' Sigma^-1 delta = sum_u |S_u^-1 (delta_u / g_u - B_u delta_P / g_P)|^2, dense and unit by unit."""
    delta = white(scored, 6)
    flat = delta.reshape(6, -1)
    squares = np.einsum("ti,ij,tj->t", flat, np.linalg.inv(scored.covariance()), flat)
    np.testing.assert_allclose(scored.mahalanobis(delta), squares, rtol=1e-10)
    total = np.zeros(6)
    for y, x in np.ndindex(SHAPE):
        unit = scored[y, x]
        rest = delta[:, :, y, x] / unit.gain
        for k, (py, px) in enumerate(unit.parents):
            block = unit.weights[:, k * CHANNELS : (k + 1) * CHANNELS]
            rest = rest - delta[:, :, py, px] / scored[py, px].gain @ block.T
        total += np.square(np.linalg.solve(unit.cholesky, rest.T)).sum(axis=0)
    np.testing.assert_allclose(scored.mahalanobis(delta), total, rtol=1e-10)


def test_through_the_mean_a_shift_of_the_activation_moves_the_noise_too(scored, grid, white):
    delta, dense = white(scored, 6), naive.Dense(scored.field)
    flat = naive.unit_major(delta)
    shifted = flat + dense.linear(flat)
    squares = np.einsum("ti,ij,tj->t", shifted, np.linalg.inv(dense.covariance()), shifted)
    np.testing.assert_allclose(scored.mahalanobis(delta, through_mean=True), squares, rtol=1e-10)
    assert (np.abs(squares / scored.mahalanobis(delta) - 1) > 1e-3).any()
    single = delta.astype(np.float32)
    np.testing.assert_array_equal(grid.mahalanobis(single, through_mean=True), grid.mahalanobis(single))


def test_log_density_equals_the_dense_formula(scored, grid, white):
    eta, h = white(scored, 6), white(scored, 6, seed=2)
    dense = naive.Dense(scored.field)
    rest = naive.unit_major(eta) - dense.mean(naive.unit_major(h))
    np.testing.assert_allclose(scored.log_density(eta, h), naive.log_density(rest, dense.covariance()), rtol=1e-10)
    # float32 whitening: 12 squares of values up to 100, each to 2^-23 of itself
    dense = naive.Dense(grid.field)
    expected = naive.log_density(naive.unit_major(eta), dense.covariance())
    np.testing.assert_allclose(grid.log_density(eta), expected, rtol=1e-4)


@pytest.mark.parametrize("signal", ["none", "local"])
def test_innovations_of_own_draws_are_white(build, white, signal):
    """The inverse of drawing: standard normal and independent; their squares have the mean of a chi-squared."""
    grid = build(SHAPE, CHANNELS, signal=signal)
    count = 100_000
    if signal == "local":
        h = white(grid, count)
        surprise = grid.innovations(grid.perturb(h, seed=1), h)
    else:
        surprise = grid.innovations(grid.sample(count, seed=1))
    check_covariance(surprise, np.eye(12))
    squares = np.square(surprise, dtype=np.float64).sum(axis=1)
    assert np.abs(squares.mean(axis=0) - CHANNELS).max() < 5 * math.sqrt(2 * CHANNELS / count)


def test_innovations_undo_the_draw(build, white):
    """To the private noise itself, in float64."""
    grid, fresh = build(dtype="float64", signal="local"), ln.UnitGrid((3, 4), 2, dtype="float64")
    h = white(grid, 9)
    np.testing.assert_allclose(grid.innovations(grid.perturb(h, seed=6), h), fresh.sample(9, seed=6), atol=1e-11)


def test_a_changed_world_surprises_the_unit_that_it_changed_for(build):
    grid = build((4, 4), 1, order="raster")
    drawn = grid.sample(20_000, seed=1)
    drawn[:, :, 3, 3] += 5 * np.sqrt(grid.variance()[0, 3, 3])  # the last unit: nobody's parent
    surprise = np.square(grid.innovations(drawn)).mean(axis=(0, 1))
    assert surprise[3, 3] > 2
    surprise[3, 3] = 1
    assert np.abs(surprise - 1).max() < 5 * math.sqrt(2 / 20_000)
