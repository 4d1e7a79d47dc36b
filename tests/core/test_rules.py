"""What the rules learn: the KL-optimal field, its invariances, convergence, streams."""

import itertools
import tracemalloc
import warnings

import naive
import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import FewDisplacementsWarning, RidgeWarning

RULES = ["moments", "lms", "sign-lms"]
SHAPE, CHANNELS = (2, 3), 2
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


def exact_data(target, shape=SHAPE, channels=CHANNELS, count=64, seed=1):
    """Displacements (T, C, H, W) whose second moment is `target` (unit-major) to rounding: sqrt(T) Q L'."""
    Q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(count, len(target))))
    flat = np.sqrt(count) * Q @ np.linalg.cholesky(target).T
    np.testing.assert_allclose(flat.T @ flat / count, target, atol=1e-12)
    return naive.like(flat, channels, shape)


def covariance(grid):
    """Sigma in unit-major order."""
    channels, units = grid.config.channels, grid.config.units
    back = np.argsort(naive.c_order(channels, units))
    return grid.covariance()[np.ix_(back, back)]


def fitted(d, rule="moments", *, shape=SHAPE, channels=CHANNELS, ridge=0.0, **wiring):
    return ln.UnitGrid(shape, channels, dtype="float64", **wiring).learn(d, rule=rule, ridge=ridge)


# The Kullback-Leibler divergence


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


# Invariances


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


def stationary(height, width):
    """Return a stationary covariance on the torus: a Gaussian kernel of the periodic distance, and a nugget."""
    y, x = np.divmod(np.arange(height * width), width)
    dy, dx = (np.abs(np.subtract.outer(c, c)) for c in (y, x))
    dy, dx = np.minimum(dy, height - dy), np.minimum(dx, width - dx)
    return np.exp(-(dy**2 + dx**2) / 2) + 0.1 * np.eye(height * width)


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


# Signal dependence


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


# Convergence


@pytest.fixture(scope="module")
def gaussian_stream():
    """Draws of a well-conditioned stationary Gaussian on 6 x 6 units, its covariance, and each unit's true weights."""
    C = stationary(6, 6) + 0.4 * np.eye(36)
    flat = np.random.default_rng(7).normal(size=(32_000, 36)) @ np.linalg.cholesky(C).T
    d = flat.reshape(-1, 1, 6, 6)
    truth = ln.UnitGrid((6, 6), order="raster", dtype="float64").learn(exact_data(C, (6, 6), 1), ridge=0)
    return d, C, truth


def streamed(d, rule, **options):
    return ln.UnitGrid((6, 6), order="raster", dtype="float64").learn(d, rule=rule, ridge=0, **options)


def rms(values):
    return float(np.sqrt(np.mean(values**2)))


def test_lms_converges_to_the_moments_solution_as_one_over_root_t(gaussian_stream):
    """Polyak averages have squared error proportional to 1 / T: sixteen times the data, a quarter of the error.

    About 130 weights, whose errors within a unit are correlated: their rms is known to some 10 %, the ratio to 15 %.
    """
    d, _, truth = gaussian_stream
    error = {T: rms(streamed(d[:T], "lms").field.B - truth.field.B) for T in (500, 2_000, 8_000, 32_000)}
    for T in (500, 2_000):
        assert 4 * 0.65 < error[T] / error[16 * T] < 4 / 0.65
    assert error[32_000] < 0.1 * rms(truth.field.B)
    moments = rms(streamed(d, "moments").field.B - truth.field.B)
    assert moments < error[32_000] < 4 * moments, "no estimator beats the moments; the average comes close"


def test_lms_finds_the_residual_too(gaussian_stream):
    d, C, truth = gaussian_stream
    grid = streamed(d, "lms")
    np.testing.assert_allclose(grid.field.S, truth.field.S, rtol=0.05)
    assert naive.kl(C, covariance(grid)) < naive.kl(C, covariance(truth)) + 0.03


def test_sign_lms_comes_near(gaussian_stream):
    """Its fixed point is close to least squares; nine tenths of what moments gain over independent units is kept."""
    d, C, truth = gaussian_stream
    grid = streamed(d, "sign-lms")
    assert rms(grid.field.B - truth.field.B) < 0.1 * rms(truth.field.B)
    independent = naive.kl(C, np.diag(np.diag(C)))
    kept = (independent - naive.kl(C, covariance(grid))) / (independent - naive.kl(C, covariance(truth)))
    assert 0.9 < kept < 1
    early = naive.kl(C, covariance(streamed(d[:200], "sign-lms")))
    assert naive.kl(C, covariance(grid)) < early


def test_sign_lms_steps_halve(gaussian_stream):
    """With a long first step the weights keep jumping by it; halving lets them settle."""
    d, _, truth = gaussian_stream
    restless = streamed(d[:8_000], "sign-lms", rate=2.0**-4, halving=10**9)
    settled = streamed(d[:8_000], "sign-lms", rate=2.0**-4, halving=500)
    jump = [rms(grid.state["W"] - truth.field.B) for grid in (restless, settled)]
    assert jump[1] < 0.5 * jump[0]


# Streams


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("signal", ["none", "local"])
@pytest.mark.parametrize("cuts", [(1024, 2048), (1, 77, 1500)], ids=["aligned", "anywhere"])
def test_one_call_or_several(rule, signal, cuts):
    """To the bit for LMS. Moments are float32 sums of 1,024: to the bit when cut there, else up to rounding."""
    d, h = np.random.default_rng(0).normal(size=(2, 2500, CHANNELS, *SHAPE)).astype(np.float32).cumsum(axis=4)
    whole, parts = (ln.UnitGrid(SHAPE, CHANNELS, signal=signal) for _ in "ab")
    whole.learn(d, h if signal == "local" else None, rule=rule)
    for a, b in itertools.pairwise((0, *cuts, 2500)):
        parts.learn(d[a:b], h[a:b] if signal == "local" else None, rule=rule)
    assert parts.state["seen"] == whole.state["seen"] == 2500
    for name in ("a", "G", "B", "S"):
        once, split = getattr(whole.field, name), getattr(parts.field, name)
        if rule == "moments" and 77 in cuts:
            np.testing.assert_allclose(split, once, rtol=0, atol=1e-4)  # 2^-23 sqrt(1024) times the condition, 1e2
        else:
            np.testing.assert_array_equal(split, once)


def test_learning_beyond_the_internal_chunk(monkeypatch):
    """learn converts 2,048 presentations at a time; half as many give the same."""
    d = np.random.default_rng(0).normal(size=(2500, CHANNELS, *SHAPE)).cumsum(axis=3)
    whole = {rule: ln.UnitGrid(SHAPE, CHANNELS).learn(d, rule=rule).field for rule in RULES}
    monkeypatch.setattr("localnoise.streams._MOST", 1024)
    for rule, field in whole.items():
        chunked = ln.UnitGrid(SHAPE, CHANNELS).learn(d, rule=rule).field
        np.testing.assert_array_equal(chunked.B, field.B)
        np.testing.assert_array_equal(chunked.S, field.S)


def peak_of_learning(d, h, rule):
    grid = ln.UnitGrid((4, 4), signal="local")
    grid.learn(d[:10], h[:10], rule=rule)  # compile and allocate the state outside of the measurement
    tracemalloc.start()
    grid.learn(d, h, rule=rule)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grid.state["seen"] == len(d) + 10
    return peak


@pytest.mark.parametrize("rule", RULES)
def test_memory_does_not_grow_with_the_stream(rule):
    """Views of a short array stand for long recordings: 9.6 MB as float32 if they were ever made real."""
    window = np.lib.stride_tricks.sliding_window_view(np.random.default_rng(0).normal(size=150_015), 16)
    long = window.reshape(-1, 1, 4, 4)
    assert np.shares_memory(long, window)
    short = long[:5_000]
    peaks = [
        min(peak_of_learning(d, np.broadcast_to(d[:1], d.shape), rule) for _ in range(3))  # other threads allocate, too
        for d in (short, long)
    ]
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[1] < long.size * 4 / 2


def test_a_recording_can_stay_on_disk(tmp_path):
    d = np.random.default_rng(0).normal(size=(300, CHANNELS, *SHAPE)).astype(np.float32)
    np.save(tmp_path / "d.npy", d)
    mapped = np.load(tmp_path / "d.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        ln.UnitGrid(SHAPE, CHANNELS).learn(mapped).field.B, ln.UnitGrid(SHAPE, CHANNELS).learn(d).field.B
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8, ">f4"])
def test_any_real_dtype_is_converted(dtype):
    d = np.random.default_rng(0).integers(-4, 5, size=(100, CHANNELS, *SHAPE))
    expected = ln.UnitGrid(SHAPE, CHANNELS).learn(d.astype(np.float32))
    np.testing.assert_array_equal(ln.UnitGrid(SHAPE, CHANNELS).learn(d.astype(dtype)).field.B, expected.field.B)


# Few displacements


def warnings_of(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(each.message) for each in caught if issubclass(each.category, FewDisplacementsWarning)]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("wiring", "regressors"), [({"parents": 3}, 6), ({"parents": 2, "signal": "local"}, 17)])
def test_too_few_displacements_are_told_with_the_number_that_is_missing(rule, wiring, regressors):
    """Regressors: two channels of each parent; with signal the constant and those of the six activations too."""

    def learn(count):
        d, h = np.random.default_rng(0).normal(size=(2, count, CHANNELS, *SHAPE))
        ln.UnitGrid(SHAPE, CHANNELS, **wiring).learn(d, h if "signal" in wiring else None, rule=rule)

    enough = 8 * regressors
    assert warnings_of(lambda: learn(enough)) == []
    (told,) = warnings_of(lambda: learn(enough - 3))
    assert told.startswith(f"d has {enough - 3} displacements for up to {regressors} regressors a unit")
    assert f"expected at least {enough}, 8 a regressor; give 3 more" in told


def test_the_warning_is_of_the_first_call_and_names_the_caller():
    grid, d = ln.UnitGrid(SHAPE, CHANNELS), np.random.default_rng(0).normal(size=(9, CHANNELS, *SHAPE))
    with pytest.warns(FewDisplacementsWarning) as caught:
        grid.learn(d)
    assert caught[0].filename == __file__
    assert warnings_of(lambda: grid.learn(d)) == []
    assert warnings_of(lambda: ln.UnitGrid((1, 1)).learn(np.ones((8, 1, 1, 1)))) == []


@pytest.mark.parametrize(("count", "norm"), [(10, 90), (64, 1.31), (800, 1.02)])
def test_held_out_norms_are_one_from_enough_displacements_on(count, norm):
    """About T^2 / (T - p)^2, p = 8: the residual is too small by 1 - p / T, the prediction too bad by as much."""
    C = np.linalg.cholesky(0.6 ** np.abs(np.subtract.outer(np.arange(72), np.arange(72))))
    rng = np.random.default_rng(1)
    seen, held = ((rng.normal(size=(size, 72)) @ C.T).reshape(-1, 2, 6, 6) for size in (count, 2000))
    found = np.square(ln.UnitGrid((6, 6), 2).learn(seen).innovations(held)).mean()
    assert found > 50 if count == 10 else found == pytest.approx(norm, rel=0.06)


# A ridge larger than the displacements


def ridge_warnings(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert all(each.filename == __file__ for each in caught if issubclass(each.category, RidgeWarning))
    return [str(each.message) for each in caught if issubclass(each.category, RidgeWarning)]


SMALL = {
    "moments": lambda d, **options: ln.UnitGrid(SHAPE, CHANNELS).learn(d, **options),
    "lms": lambda d, **options: ln.UnitGrid(SHAPE, CHANNELS).learn(d, rule="lms", **options),
    "sign-lms": lambda d, **options: ln.UnitGrid(SHAPE, CHANNELS).learn(d, rule="sign-lms", **options),
    "full": ln.central.full,
    "diagonal": ln.central.diagonal,
    "mix": lambda d, **options: ln.central.mix(d, 0.5, 0.5, **options),
    "affine": lambda d, **options: ln.central.affine(d, d + 1, **options),
}


@pytest.mark.parametrize("how", SMALL)
def test_a_ridge_that_makes_the_noise_is_told(how):
    """Displacements of 1e-3, whose mean square is 1e-6, would get noise of 1e-2: all of it the ridge's."""
    d = np.random.default_rng(0).normal(size=(400, CHANNELS, *SHAPE))
    d /= np.sqrt(np.square(d).mean())
    (told,) = ridge_warnings(lambda: SMALL[how](1e-3 * d))
    assert told.startswith("ridge=0.0001 is more than a tenth of the displacements' mean square, 1e-06")
    assert "use ridge=1e-09, or" in told
    assert ridge_warnings(lambda: SMALL[how](1e-3 * d, ridge=1e-9)) == []
    assert ridge_warnings(lambda: SMALL[how](d)) == []
    assert ridge_warnings(lambda: SMALL[how](0.05 * d)) == []
    assert ridge_warnings(lambda: SMALL[how](0.02 * d)) != []


def test_the_ridge_that_is_advised_lets_the_noise_be_the_displacements():
    d = 1e-3 * np.random.default_rng(0).normal(size=(400, CHANNELS, *SHAPE))
    loud, right = (ln.UnitGrid(SHAPE, CHANNELS).learn(d, ridge=ridge).variance().mean() for ridge in (1e-4, 1e-9))
    assert loud > 50 * np.square(d).mean()
    assert right == pytest.approx(np.square(d).mean(), rel=0.01)


# Going on


def test_another_rule_starts_from_the_weights_with_fresh_statistics():
    d = np.random.default_rng(0).normal(size=(500, CHANNELS, *SHAPE)).cumsum(axis=3)
    grid = ln.UnitGrid(SHAPE, CHANNELS).learn(d)
    weights = grid.field.B.copy()
    grid.learn(d[:1], rule="lms", rate=1e-9)
    np.testing.assert_allclose(grid.field.B, weights, atol=1e-6)
    assert grid.state["seen"] == 1
    grid.learn(d[:1], rule="lms", rate=1e-9)
    assert grid.state["seen"] == 2
    assert grid.rule == ln.LMS(rate=1e-9)


def test_a_rule_can_be_given_built():
    d = np.random.default_rng(0).normal(size=(50, CHANNELS, *SHAPE))
    built, named = ln.UnitGrid(SHAPE, CHANNELS), ln.UnitGrid(SHAPE, CHANNELS)
    built.learn(d, rule=ln.SignLMS(halving=7))
    named.learn(d, rule="sign-lms", halving=7)
    np.testing.assert_array_equal(built.field.B, named.field.B)


def test_learning_returns_the_gain_to_one():
    d = np.random.default_rng(0).normal(size=(50, CHANNELS, *SHAPE))
    grid = ln.UnitGrid(SHAPE, CHANNELS).learn(d).normalise(3.0, "local")
    assert (grid.field.gain != 1).all()
    assert (grid.learn(d).field.gain == 1).all()


def test_missing_parents_and_readers_get_no_weight():
    rng = np.random.default_rng(0)
    d, h = rng.normal(size=(2, 80, CHANNELS, 3, 4))
    for rule in RULES:
        grid = ln.UnitGrid((3, 4), CHANNELS, order="raster", signal="local").learn(d, h, rule=rule)
        f = grid.field
        for links, weights in ((f.parents, f.B), (f.readers, f.G)):
            missing = np.repeat(links < 0, CHANNELS, axis=1)
            assert missing.any()
            assert (weights.swapaxes(1, 2)[missing] == 0).all()
            assert (weights.swapaxes(1, 2)[~missing] != 0).all()


def test_without_the_activation_nothing_but_noise_remains():
    """A grid that may read the activation explains what one that may not leaves as noise."""
    rng = np.random.default_rng(0)
    h = rng.normal(size=(2_000, CHANNELS, *SHAPE))
    d = h + 0.1 * rng.normal(size=h.shape)
    blind = ln.UnitGrid(SHAPE, CHANNELS).learn(d)
    seeing = ln.UnitGrid(SHAPE, CHANNELS, signal="local").learn(d, h)
    assert np.trace(seeing.covariance()) < 0.02 * np.trace(blind.covariance())
