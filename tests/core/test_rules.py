"""What rules learn: the covariance, its divergence, invariances, and what signal dependence recovers."""

import itertools

import naive
import numpy as np
import pytest
from exact_rules import CHANNELS, RULES, SHAPE, covariance, exact_data, stationary

import localnoise as ln

N, n = 6, 12


ALL = {"raster": {"order": "raster", "parents": N}, "multiscale": {"order": "multiscale", "parents": N}}


SOME = [
    {"order": "raster", "radius": 1},
    {"order": "raster", "parents": 1},
    {"order": "multiscale", "parents": 1},
    {"order": "multiscale", "parents": 3},
    {"order": "multiscale", "parents": 3, "boundary": "periodic"},
]


def random_target(size=n, seed=0):
    """Return a random SPD matrix of condition number about 100 (unit-major)."""
    A = np.random.default_rng(seed).normal(size=(size, size))
    return A @ A.T / size + 0.05 * np.eye(size)


def fitted(d, rule="moments", *, shape=SHAPE, channels=CHANNELS, ridge=0.0, **wiring):
    return ln.UnitGrid(shape, channels, dtype="float64", **wiring).learn(d, rule=rule, ridge=ridge)


def log_det(matrix):
    return np.linalg.slogdet(matrix)[1]


def predicted_kl(grid, target):
    """1/2 sum_u log(det residual_u given its parents / det residual_u given all earlier units), by dense algebra."""
    channels, order = grid.config.channels, grid.field.order.tolist()
    total = 0.0
    for place, u in enumerate(order):
        own = naive.neurons([u], channels)
        parents = [v for v in grid.field.parents[u].tolist() if v >= 0]
        local = naive.residual(target, own, naive.neurons(parents, channels))
        exact = naive.residual(target, own, naive.neurons(order[:place], channels))
        total += 0.5 * (log_det(local) - log_det(exact))
    return total


@pytest.mark.parametrize("wiring", SOME, ids=str)
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_kl_is_the_sum_of_what_each_unit_cannot_see(wiring, ridge):
    """With a ridge the target is C + ridge I."""
    C = random_target()
    grid = fitted(exact_data(C), ridge=ridge, **wiring)
    target = C + ridge * np.eye(n)
    kl = naive.kl(target, covariance(grid))
    assert kl > 0.01
    assert kl == pytest.approx(predicted_kl(grid, target), rel=1e-9)


@pytest.mark.parametrize("wiring", SOME, ids=str)
def test_each_unit_and_its_parents_are_reproduced(wiring):
    """S_u S_u' is the Schur complement given the parents; the trace term of KL is n, as the optimum demands."""
    C = random_target()
    grid = fitted(exact_data(C), **wiring)
    for u, row in enumerate(grid.field.parents.tolist()):
        parents = naive.neurons([v for v in row if v >= 0], CHANNELS)
        expected = naive.residual(C, naive.neurons([u], CHANNELS), parents)
        np.testing.assert_allclose(grid.field.S[u] @ grid.field.S[u].T, expected, atol=1e-12)
    assert np.trace(np.linalg.solve(covariance(grid), C)) == pytest.approx(n, rel=1e-9)


@pytest.mark.parametrize("order", ["raster", "multiscale"])
def test_kl_falls_as_parents_grow_and_ends_at_zero(order):
    C, divergences = random_target(), []
    d = exact_data(C)
    for parents in range(1, N):
        divergences.append(naive.kl(C, covariance(fitted(d, order=order, parents=parents))))
    assert all(after < before for before, after in itertools.pairwise(divergences))
    assert divergences[-1] == pytest.approx(0, abs=1e-12)
    assert divergences[0] > 0.1


@pytest.mark.parametrize("wiring", SOME, ids=str)
def test_no_other_weights_with_the_same_parents_come_closer(wiring):
    """KL optimality: random steps of any size away from the solution, in weights or factors, only lose."""
    C, rng = random_target(), np.random.default_rng(3)
    grid = fitted(exact_data(C), **wiring)
    best, f = naive.kl(C, covariance(grid)), grid.field
    B, S = f.B.copy(), f.S.copy()
    real = np.repeat(f.parents >= 0, CHANNELS, axis=1)[:, None, :]
    for scale in [0.01, 0.1, 0.5] * 10:
        f.B[:] = B + scale * rng.normal(size=B.shape) * real
        f.S[:] = S
        assert naive.kl(C, covariance(grid)) > best
        f.B[:] = B
        f.S[:] = S * np.exp(scale * np.tril(rng.normal(size=S.shape)))
        assert naive.kl(C, covariance(grid)) > best
    f.B[:], f.S[:] = B, S
    assert naive.kl(C, covariance(grid)) == best


def test_with_all_parents_the_order_does_not_matter():
    """Raster, multiscale, periodic: all reproduce C + ridge I, as does the central full covariance."""
    C, ridge = random_target(), 0.02
    d = exact_data(C)
    for wiring in (*ALL.values(), {**ALL["raster"], "boundary": "periodic"}, {"order": "raster", "radius": 3}):
        grid = fitted(d, ridge=ridge, **wiring)
        np.testing.assert_allclose(covariance(grid), C + ridge * np.eye(n), atol=1e-12)
    central = ln.central.full(d, ridge=ridge, variance=None).covariance()
    at = naive.c_order(CHANNELS, N)
    np.testing.assert_allclose(central, (C + ridge * np.eye(n))[np.ix_(at, at)], atol=1e-5)  # a float32 factor


@pytest.mark.parametrize("flip", [(2,), (3,), (2, 3)])
def test_with_all_parents_mirror_images_have_mirrored_covariances(flip):
    d = exact_data(random_target())
    grid, mirrored = fitted(d, **ALL["multiscale"]), fitted(np.flip(d, flip), **ALL["multiscale"])
    at = np.flip(np.arange(n).reshape(1, CHANNELS, *SHAPE), flip).reshape(-1)
    np.testing.assert_allclose(mirrored.covariance(), grid.covariance()[np.ix_(at, at)], atol=1e-12)


def test_with_few_parents_mirror_images_do_not():
    """Raster reads west, never east: the mirrored field is another approximation."""
    d = exact_data(random_target())
    grid, mirrored = fitted(d, order="raster"), fitted(np.flip(d, 3), order="raster")
    at = np.flip(np.arange(n).reshape(1, CHANNELS, *SHAPE), 3).reshape(-1)
    assert np.abs(mirrored.covariance() - grid.covariance()[np.ix_(at, at)]).max() > 0.01


@pytest.mark.parametrize("wiring", SOME, ids=str)
def test_channels_can_be_relabelled(wiring):
    channels = 3
    d = exact_data(random_target(N * channels), channels=channels)
    perm = [2, 0, 1]
    grid = fitted(d, channels=channels, **wiring)
    relabelled = fitted(d[:, perm], channels=channels, **wiring)
    at = np.arange(N * channels).reshape(channels, N)[perm].reshape(-1)
    np.testing.assert_allclose(relabelled.covariance(), grid.covariance()[np.ix_(at, at)], atol=1e-11)


@pytest.mark.parametrize("wiring", SOME[:4], ids=str)
def test_a_line_can_lie_or_stand(wiring):
    """1 x N and N x 1 are the same chain of units, to the bit."""
    d = np.random.default_rng(0).normal(size=(50, 2, 1, 8)).cumsum(axis=3)
    lying = ln.UnitGrid((1, 8), 2, **wiring).learn(d)
    standing = ln.UnitGrid((8, 1), 2, **wiring).learn(d.swapaxes(2, 3))
    np.testing.assert_array_equal(lying.covariance(), standing.covariance())
    np.testing.assert_array_equal(lying.sample(5), standing.sample(5).swapaxes(2, 3))


@pytest.mark.parametrize("order", ["raster", "multiscale"])
def test_an_autoregressive_line_is_exact_and_mirrors(order):
    """An AR(1) chain is Markov: one parent to the west tells a raster all; so do both sides to a multiscale order."""
    C = 0.8 ** np.abs(np.subtract.outer(np.arange(9), np.arange(9)))
    d = exact_data(C, (1, 9), 1)
    for data in (d, d[..., ::-1]):
        grid = fitted(data, shape=(1, 9), channels=1, order=order, parents=1 if order == "raster" else 2)
        np.testing.assert_allclose(covariance(grid), C, atol=1e-12)


def test_dense_layers_lie_on_a_line():
    """1 x N units of one neuron: parents within radius r make a banded approximation, exact for an AR(r) chain."""
    rng = np.random.default_rng(2)
    B = np.zeros((10, 10))
    for i in range(10):
        for j in range(max(0, i - 3), i):
            B[i, j] = 0.4 * rng.normal()
    A = np.linalg.inv(np.eye(10) - B)
    C = A @ A.T
    d = exact_data(C, (1, 10), 1)
    exact = fitted(d, shape=(1, 10), channels=1, order="raster", radius=3)
    assert naive.kl(C, covariance(exact)) == pytest.approx(0, abs=1e-12)
    assert naive.kl(C, covariance(fitted(d, shape=(1, 10), channels=1, order="raster", radius=2))) > 0.01


def test_on_a_torus_units_that_see_alike_learn_alike():
    """A stationary world and a periodic raster: weights depend only on where the parents lie.

    Units at the seams have fewer parents than those inside, or more, so the field as a whole is not translation
    invariant; with all parents it is.
    """
    shape = (5, 6)
    C = stationary(*shape)
    d = exact_data(C, shape, 1)
    grid = fitted(d, shape=shape, channels=1, order="raster", radius=1, boundary="periodic")
    alike = {}
    for y, x in np.ndindex(shape):
        unit = grid[y, x]
        offsets = tuple(((py - y) % 5, (px - x) % 6) for py, px in unit.parents)
        alike.setdefault(offsets, []).append((unit.weights.copy(), unit.cholesky.copy()))
    assert max(map(len, alike.values())) == 3 * 4, "the units inside see alike"
    for learned in alike.values():
        for weights, cholesky in learned[1:]:
            np.testing.assert_allclose(weights, learned[0][0], atol=1e-11)
            np.testing.assert_allclose(cholesky, learned[0][1], atol=1e-11)

    def shifted(grid):
        sigma = grid.covariance().reshape(*shape, *shape)
        return np.roll(sigma, (1, 1), axis=(1, 3)), sigma

    moved, sigma = shifted(grid)
    assert np.abs(moved - sigma).max() > 0.01
    moved, sigma = shifted(fitted(d, shape=shape, channels=1, order="raster", parents=30, boundary="periodic"))
    np.testing.assert_allclose(moved, sigma, atol=1e-11)


@pytest.mark.parametrize("rule", RULES)
def test_the_sign_of_displacements_does_not_matter(rule):
    d = np.random.default_rng(0).normal(size=(60, CHANNELS, *SHAPE)).cumsum(axis=3)
    plus, minus = (ln.UnitGrid(SHAPE, CHANNELS).learn(s * d, rule=rule) for s in (1, -1))
    np.testing.assert_array_equal(plus.field.B, minus.field.B)
    np.testing.assert_array_equal(plus.field.S, minus.field.S)


def test_scaled_displacements_scale_the_covariance():
    d = exact_data(random_target())
    np.testing.assert_allclose(fitted(8 * d).covariance(), 64 * fitted(d).covariance(), rtol=1e-11)


def test_presentations_can_come_in_any_order():
    """For moments, up to the rounding of a sum; LMS is a stream and does depend on it."""
    d = np.random.default_rng(0).normal(size=(60, CHANNELS, *SHAPE)).cumsum(axis=3)
    shuffled = np.random.default_rng(1).permutation(d)
    np.testing.assert_allclose(fitted(d).covariance(), fitted(shuffled).covariance(), rtol=1e-11)
    assert (fitted(d, "lms").covariance() != fitted(shuffled, "lms").covariance()).any()


def linear_world(grid, count, noise, seed=0):
    """Displacements made by a known signal-dependent field of the grid's own wiring."""
    rng, f = np.random.default_rng(seed), grid.field
    f.a[:] = rng.normal(size=f.a.shape)
    f.G[:] = rng.normal(size=f.G.shape)
    f.B[:] = 0.3 * rng.normal(size=f.B.shape)
    f.S[:] = noise * np.eye(grid.config.channels)
    f.gain[:] = 1
    h = rng.normal(size=(count, grid.config.channels, *grid.config.shape))
    return grid.perturb(h, seed=seed), h


@pytest.mark.parametrize("order", ["raster", "multiscale"])
def test_a_field_is_recovered_from_its_own_draws(order):
    """The mean, the weights and the covariance, to 1/sqrt(T): tenfold data, error down by about sqrt(10)."""
    errors = []
    for count in (2_000, 20_000):
        truth = ln.UnitGrid(SHAPE, CHANNELS, order=order, signal="local", dtype="float64")
        d, h = linear_world(truth, count, noise=0.5)
        grid = ln.UnitGrid(SHAPE, CHANNELS, order=order, signal="local", dtype="float64").learn(d, h)
        probe = h[:50]
        wrong = np.sqrt(np.mean((grid.mean(probe) - truth.mean(probe)) ** 2) / np.mean(truth.mean(probe) ** 2))
        loss = np.abs(grid.covariance() - truth.covariance()).max() / truth.covariance().max()
        errors.append([wrong, loss])
    (few, loss_few), (many, loss_many) = errors
    assert 2 < few / many < 5
    assert many < 0.01
    assert loss_many < loss_few < 0.15


def test_innovations_are_orthogonal_to_what_was_read():
    """The normal equations, unit by unit: E[e z'] = 0 and E[e e'] = I for whitened innovations, without a ridge."""
    rng = np.random.default_rng(0)
    h = rng.normal(size=(400, CHANNELS, *SHAPE)) + 1
    d = 0.5 * h + 0.3 * np.roll(h, 1, axis=3) ** 2 + rng.normal(size=h.shape).cumsum(axis=3)
    grid = ln.UnitGrid(SHAPE, CHANNELS, signal="local", dtype="float64").learn(d, h, ridge=0)
    e = grid.innovations(d, h).reshape(400, CHANNELS, N)
    d3, h3 = d.reshape(e.shape), h.reshape(e.shape)
    for u in range(N):
        Z = naive.regressors(grid.field, u, d3, h3)
        np.testing.assert_allclose(e[:, :, u].T @ Z / 400, 0, atol=1e-11)
        np.testing.assert_allclose(e[:, :, u].T @ e[:, :, u] / 400, np.eye(CHANNELS), atol=1e-11)


def test_an_offset_of_activation_or_displacement_is_absorbed():
    """a_u takes it up: weights and covariance stay, without a ridge on the constant."""
    rng = np.random.default_rng(0)
    h, noise = rng.normal(size=(2, 300, CHANNELS, *SHAPE))
    d = 0.5 * h + noise.cumsum(axis=3)
    offset = rng.normal(size=(1, CHANNELS, *SHAPE))

    def make(d, h):
        return ln.UnitGrid(SHAPE, CHANNELS, signal="local", dtype="float64").learn(d, h, ridge=0)

    plain = make(d, h)
    for moved, by in ((make(d, h + offset), 0), (make(d + offset, h), offset)):
        np.testing.assert_allclose(moved.covariance(), plain.covariance(), rtol=1e-8)
        np.testing.assert_allclose(moved.field.G, plain.field.G, atol=1e-9)
        assert np.abs(moved.field.a - plain.field.a).max() > 0.1
        shifted = h + offset if np.isscalar(by) else h
        np.testing.assert_allclose(moved.mean(shifted), plain.mean(h) + by, atol=1e-9)
