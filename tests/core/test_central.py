"""Central baselines: what they are the covariance of, and that they sample as a grid does."""

import warnings

import naive
import numpy as np
import pytest

import localnoise as ln
from localnoise import central
from localnoise.errors import ArgumentError, FewDisplacementsWarning, TooLargeError

LAYOUT = (2, 2, 3)
n = 12
MAKERS = {
    "full": central.full,
    "diagonal": central.diagonal,
    "identity": central.identity,
    "none": central.none,
}
SINGLE = 1e-5  # a float32 factor of values of order one, multiplied by itself


@pytest.fixture(scope="module")
def d():
    """Correlated displacements with a mean."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(500, *LAYOUT)).cumsum(axis=3) + 0.5).astype(np.float32)


@pytest.fixture(params=MAKERS)
def noise(request, d):
    return MAKERS[request.param](d)


def moments(d):
    flat = d.reshape(len(d), -1).astype(np.float64)
    return flat.T @ flat / len(flat)


def test_full_is_the_second_moment_plus_ridge(d):
    np.testing.assert_allclose(central.full(d, variance=None).covariance(), moments(d) + 1e-4 * np.eye(n), atol=SINGLE)
    np.testing.assert_allclose(central.full(d, 0.5, None).covariance(), moments(d) + 0.5 * np.eye(n), atol=SINGLE)


def test_full_can_be_centred(d):
    flat = d.reshape(len(d), -1).astype(np.float64)
    expected = np.cov(flat.T, bias=True) + 1e-4 * np.eye(n)
    np.testing.assert_allclose(central.full(d, variance=None, centred=True).covariance(), expected, atol=SINGLE)
    assert np.abs(expected - moments(d)).max() > 0.1


def test_full_is_scaled_to_the_trace(d):
    expected = moments(d) + 1e-4 * np.eye(n)
    expected *= 2 * n / np.trace(expected)
    np.testing.assert_allclose(central.full(d).covariance(), expected, atol=SINGLE)


def test_diagonal_keeps_the_variances_alone(d):
    variance = np.diag(moments(d)) + 1e-4
    np.testing.assert_allclose(central.diagonal(d, variance=None).covariance(), np.diag(variance), rtol=SINGLE)
    scaled = np.diag(variance * 2 / variance.mean())
    np.testing.assert_allclose(central.diagonal(d).covariance(), scaled, rtol=SINGLE)


def test_identity_keeps_the_trace_alone(d):
    np.testing.assert_allclose(central.identity(d, 3.0).covariance(), 3 * np.eye(n), rtol=SINGLE)
    own = np.trace(moments(d)) / n
    np.testing.assert_allclose(central.identity(d, None).covariance(), own * np.eye(n), rtol=SINGLE)


def test_none_is_nothing(d):
    nothing = central.none(d)
    assert (nothing.sample(5) == 0).all()
    assert (nothing.covariance() == 0).all()
    for score in (nothing.mahalanobis, nothing.log_density):
        with pytest.raises(ArgumentError, match="kind='none': no noise has no density; expected full"):
            score(d[:2])


@pytest.mark.parametrize("trace", [0.5, 2.0])
def test_every_kind_has_the_trace(d, trace):
    for make in (central.full, central.diagonal, central.identity):
        assert np.trace(make(d, variance=trace).covariance()) == pytest.approx(trace * n, rel=SINGLE)


def test_draws_have_the_covariance(noise):
    """Second moments of 200,000 draws within five standard errors, sqrt((S_ii S_jj + S_ij^2) / count)."""
    count = 200_000
    flat = noise.sample(count, seed=3).reshape(count, n).astype(np.float64)
    C = noise.covariance()
    error = np.sqrt((np.outer(np.diag(C), np.diag(C)) + C**2) / count)
    assert (np.abs(flat.T @ flat / count - C) <= 5 * error).all()
    assert (np.abs(flat.mean(axis=0)) <= 5 * np.sqrt(np.diag(C) / count)).all()


def test_the_same_interface_as_a_grid(noise, d):
    grid = ln.UnitGrid((2, 3), 2).learn(d)
    h = d[:7]
    for call in (
        lambda x: x.sample(7, seed=1, start=4),
        lambda x: x.perturb(h, seed=1, start=4),
        lambda x: x.mean(h),
        lambda x: x.pull_back(h),
    ):
        assert call(noise).shape == call(grid).shape == h.shape
        assert call(noise).dtype == call(grid).dtype == np.float32
    assert noise.covariance().shape == grid.covariance().shape
    assert isinstance(noise.parameters, int)
    assert noise.bytes_per_unit == 4 * noise.parameters / 6
    assert repr(noise) == f"CentralNoise({noise.kind}, 2 x 2 x 3, 500 seen)"


def test_activations_do_not_change_the_law(noise, d):
    np.testing.assert_array_equal(noise.perturb(d[:9], seed=2, start=3), noise.sample(9, seed=2, start=3))
    assert (noise.mean(d[:9]) == 0).all()
    assert (noise.pull_back(d[:9]) == 0).all()
    assert (noise.pull_back(np.full_like(d[:9], np.nan)) == 0).all(), "a diverged gradient is not the noise's to refuse"


def test_parameters(d):
    assert [make(d).parameters for make in MAKERS.values()] == [78, 12, 1, 0]


def test_a_stream_can_be_cut_anywhere(noise):
    """To the last bit, across the internal blocks of 512."""
    whole = noise.sample(1300, seed=5)
    parts = [noise.sample(b - a, seed=5, start=a) for a, b in ((0, 1), (1, 511), (511, 513), (513, 1300))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    at = np.array([1299, 0, 512, 511, 0])
    np.testing.assert_array_equal(noise.sample(5, seed=5, start=at), whole[at])
    if noise.kind != "none":
        assert (noise.sample(5, seed=6) != whole[:5]).all()
        np.testing.assert_array_equal(noise.sample(1300, seed=5), whole)  # another seed in between


def test_identity_draws_the_grids_own_stream(d):
    """The same (seed, position, neuron) gives the same normal, here in C order of (C, H, W)."""
    drawn = central.identity(d, 1.0).sample(3, seed=9, start=700).reshape(3, n)
    expected, _ = naive.normals(9, range(700, 703), n)
    np.testing.assert_allclose(drawn, expected, atol=1e-5)


def test_full_equals_a_grid_with_all_parents(d):
    grid = ln.UnitGrid((2, 3), 2, order="raster", parents=6, dtype="float64").learn(d, ridge=1e-4).normalise(2.0)
    full = central.full(d)
    np.testing.assert_allclose(full.covariance(), grid.covariance(), atol=SINGLE)
    np.testing.assert_allclose(full.mahalanobis(d[:9]), grid.mahalanobis(d[:9]), rtol=1e-3)
    np.testing.assert_allclose(full.log_density(d[:9]), grid.log_density(d[:9]), rtol=1e-4)


@pytest.mark.parametrize("make", [central.full, central.diagonal, central.identity])
def test_scores_equal_the_dense_formulas(make, d):
    noise = make(d)
    C, flat = noise.covariance(), d[:9].reshape(9, n).astype(np.float64)
    squares = np.einsum("ti,ij,tj->t", flat, np.linalg.inv(C), flat)
    np.testing.assert_allclose(noise.mahalanobis(d[:9]), squares, rtol=1e-9)
    np.testing.assert_allclose(noise.log_density(d[:9]), naive.log_density(flat, C), rtol=1e-9)


def test_the_dense_counterpart_of_a_grid(build):
    grid = build((2, 3), 2)
    np.testing.assert_allclose(central.dense(grid).covariance(), grid.covariance(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [central.full, central.diagonal])
@pytest.mark.parametrize("ridge", [-1e-4, float("nan"), float("inf"), "small", None])
def test_a_ridge_is_a_number(d, make, ridge):
    with pytest.raises(ArgumentError, match=r"ridge=.*expected a finite number >= 0"):
        make(d, ridge)


@pytest.mark.parametrize("make", [central.full, central.diagonal, central.identity])
@pytest.mark.parametrize("trace", [0, -2.0, float("nan"), "two"])
def test_a_trace_is_positive(d, make, trace):
    with pytest.raises(ArgumentError, match=r"variance=.*expected a finite number > 0"):
        make(d, variance=trace)


def test_singular_moments_without_a_ridge(d):
    dead, twin, double = d.copy(), d.copy(), d.copy()
    dead[:, 0, 0, 0] = 0
    twin[:, 1, 1, 1] = twin[:, 0, 0, 0]
    double[:, 1, 1, 1] = twin[:, 0, 0, 0] + twin[:, 0, 0, 1]
    for singular in (dead, twin, double, d[:5], np.zeros_like(d)):
        with pytest.raises(ArgumentError, match=r"ridge=0: .*singular; expected positive definite; use a larger ridge"):
            central.full(singular, ridge=0)
        assert np.linalg.eigvalsh(central.full(singular).covariance())[0] > 0
    rng = np.random.default_rng(0)
    for _ in range(20):  # rounding now and then leaves a singular moment positive
        mixed = d.copy()
        mixed[:, 1, 1, 1] = np.tensordot(d[:, 0], rng.normal(size=d.shape[2:]), 2)
        with pytest.raises(ArgumentError, match=r"ridge=0: .*singular"):
            central.full(mixed, ridge=0)
    with pytest.raises(ArgumentError, match=r"ridge=0: some neuron never moves.*use ridge=1e-4"):
        central.diagonal(dead, ridge=0)
    with pytest.raises(ArgumentError, match=r"variance=None: nothing in d moves.*expected a variance > 0"):
        central.identity(np.zeros_like(d), variance=None)


@pytest.mark.parametrize("make", MAKERS.values())
def test_displacements_have_four_axes_and_are_finite(make, d):
    with pytest.raises(ArgumentError, match=r"d has shape \(2, 2, 3\): expected \(T, C, H, W\)"):
        make(d[0])
    with pytest.raises(ArgumentError, match=r"d has shape \(0, 2, 2, 3\): expected .* at least one"):
        make(d[:0])
    with pytest.raises(ArgumentError, match=r"d has 1 values that are NaN.*presentation 7.*expected finite"):
        make(np.where(np.arange(d.size).reshape(d.shape) == 7 * n, np.nan, d))


def test_huge_displacements_are_refused(d):
    with pytest.raises(ArgumentError, match=r"d: its squares overflow float32.*rescale"):
        central.full(1e25 * d)


def test_a_covariance_that_would_not_fit_is_refused(noise):
    with pytest.raises(TooLargeError, match=r"covariance\(\) would take .* GiB: expected at most .*; use sample\(\)"):
        noise.covariance(max_bytes=1000)


@pytest.mark.parametrize("call", [central.full, lambda d: central.mix(d, 0.5, 0.5)])
def test_fewer_displacements_than_neurons_are_told_where_they_are_given(call):
    d = np.random.default_rng(0).normal(size=(40, 2, 4, 4))
    with pytest.warns(
        FewDisplacementsWarning, match=r"d has 10 displacements of 32 neurons.* ridge in 22 directions"
    ) as told:
        call(d[:10])
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call(d)


def test_a_small_ridge_keeps_loud_displacements_definite():
    """More neurons than displacements: rounding of float32 products, 1e-3 here, would outweigh the ridge of 1e-4."""
    rng = np.random.default_rng(0)
    d = (60 * rng.normal(size=(100, 1)) + 3 * rng.normal(size=(100, 200))).reshape(100, 2, 10, 10).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        noise = ln.central.full(d, ridge=1e-4, variance=None)
    flat = d.reshape(100, -1).astype(np.float64)
    np.testing.assert_allclose(noise.covariance(), flat.T @ flat / 100 + 1e-4 * np.eye(200), rtol=1e-4, atol=1e-3)
    with pytest.raises(ArgumentError, match=r"ridge=0: .* is singular; .* use a larger ridge, such as 0.0001"):
        ln.central.full(d, ridge=0)
