"""Every kernel against its naive counterpart, for odd and even unit sizes, every wiring, and both precisions."""

import naive
import numpy as np
import pytest

import localnoise as ln
from localnoise.gain import factor
from localnoise.kernels.blocks import add_product, multiply_lower
from localnoise.kernels.learning import group_size, lms, observe, sign_lms
from localnoise.kernels.scatter import scatter_tile
from localnoise.kernels.tiles import gather_tile
from localnoise.rules import LMS, Moments, SignLMS

pytestmark = pytest.mark.pairwise

DTYPES = ["float32", "float64"]
CHANNELS = [1, 3, 4, 9]  # alone, three alone, four together, twice four and one alone


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


@pytest.fixture(params=CHANNELS)
def channels(request):
    return request.param


# Blocks


@pytest.mark.parametrize("width", [0, 1, 3, 4, 5, 9])  # the inner loop takes four at a time
def test_add_product(close, channels, width, dtype):
    rng = np.random.default_rng(width)
    W, x = rng.normal(size=(channels, 12)).astype(dtype), rng.normal(size=(14, 16)).astype(dtype)
    out = rng.normal(size=(channels + 3, 16)).astype(dtype)
    expected = out.astype(np.float64)
    expected[2 : 2 + channels] += W[:, 3 : 3 + width].astype(np.float64) @ x[4 : 4 + width]
    add_product(out, 2, W, 3, x, 4, width)
    close(out, expected, dtype)


def test_multiply_lower_reads_the_lower_triangle(close, channels, dtype):
    rng = np.random.default_rng(0)
    S, x = rng.normal(size=(channels, channels)).astype(dtype), rng.normal(size=(channels + 2, 16)).astype(dtype)
    out = np.full((channels + 1, 16), np.nan, dtype)
    multiply_lower(out, 1, S, x, 2)
    close(out[1:], np.tril(S).astype(np.float64) @ x[2:], dtype)
    assert np.isnan(out[0]).all()


@pytest.mark.parametrize("count", [1, 15, 16])
def test_gather_and_scatter_transpose_tiles(channels, count, dtype):
    rng = np.random.default_rng(0)
    units, gain = 6, np.array([1, 2, 4, 8, 0.5, 0.25], dtype)  # powers of two: products are exact
    stream = rng.normal(size=(30, channels, units)).astype(dtype)
    buffer = np.full((units * channels, 16), np.nan, dtype)
    gather_tile(buffer, stream, 7, count)
    np.testing.assert_array_equal(buffer[:, :count], naive.unit_major(stream[7 : 7 + count]).T)
    assert (buffer[:, count:] == 0).all()
    out = np.full_like(stream, np.nan)
    scatter_tile(out, 7, count, buffer, gain)
    np.testing.assert_array_equal(out[7 : 7 + count], stream[7 : 7 + count] * gain)
    assert np.isnan(out[:7]).all()
    assert np.isnan(out[7 + count :]).all()


# Sweeps


def white_input(grid, count):
    """Read the private noise as a grid without weights draws it; checked on its own in test_white_noise."""
    fresh = ln.UnitGrid(grid.config.shape, grid.config.channels, dtype=grid.config.dtype)
    return naive.unit_major(fresh.sample(count, seed=4))


def test_draws_equal_dense_algebra(build, white, close, wiring, channels, dtype):
    grid = build(channels=channels, dtype=dtype, **wiring)
    dense, h = naive.Dense(grid.field), white(grid, 19)
    noise = dense.noise(white_input(grid, 19))
    close(naive.unit_major(grid.sample(19, seed=4)), noise, dtype)
    mean = dense.mean(naive.unit_major(h)) if wiring["signal"] == "local" else 0 * noise
    close(naive.unit_major(grid.mean(h)), mean, dtype)
    close(naive.unit_major(grid.perturb(h, seed=4)), mean + noise, dtype)


def test_factor_columns_equal_the_dense_factor(build, wiring, channels, close):
    grid = build(channels=channels, dtype="float64", **wiring)
    dense = naive.Dense(grid.field)
    close(factor(grid.field), dense.gain[:, None] * dense.propagate @ dense.S, np.float64)


def test_covariance_and_variance_are_in_c_order(build, wiring, channels, dtype, close):
    grid = build(channels=channels, dtype=dtype, **wiring)
    at = naive.c_order(channels, 12)
    expected = naive.Dense(grid.field).covariance()[np.ix_(at, at)]
    close(grid.covariance(), expected, np.float64)  # from the weights as stored, in float64
    close(grid.variance().reshape(-1), np.diag(expected), np.float64)


def test_pull_back_equals_the_dense_transpose(build, white, close, wiring, channels, dtype):
    grid = build(channels=channels, dtype=dtype, **wiring)
    gradient = white(grid, 5)
    close(
        naive.unit_major(grid.pull_back(gradient)),
        naive.Dense(grid.field).pull_back(naive.unit_major(gradient)),
        dtype,
    )


def test_pull_back_is_the_adjoint_of_the_mean(build, white, wiring, channels):
    """<g, mean(h) - mean(0)> = <pull_back(g), h> for all g and h."""
    grid = build(channels=channels, dtype="float64", **wiring)
    h, g = white(grid, 5), white(grid, 5, seed=2)
    left = (g * (grid.mean(h) - grid.mean(0 * h))).sum()
    right = (grid.pull_back(g) * h).sum()
    assert abs(left - right) <= 1e-12 * np.abs(g * grid.mean(h)).sum()
    assert (left == 0) == (wiring["signal"] == "none")


@pytest.mark.parametrize("count", [1, 64, 70])  # whitening works in tiles of 64
def test_innovations_equal_the_dense_inverse(build, white, close, wiring, channels, dtype, count):
    grid = build(channels=channels, dtype=dtype, **wiring)
    d, h = white(grid, count), white(grid, count, seed=2)
    signal = wiring["signal"] == "local"
    expected = naive.Dense(grid.field).whiten(naive.unit_major(d), naive.unit_major(h) if signal else None)
    # forward substitution through S, whose diagonal is at least 0.3, multiplies rounding by 0.3^-1 and more
    close(naive.unit_major(grid.innovations(d, h if signal else None)), expected, dtype, growth=4)


# Learning


def rows(grid, count, seed=1):
    """Kernel input (T, m, N) and the same as the oracle wants it."""
    rng = np.random.default_rng(seed)
    shape = (count, grid.config.channels, grid.config.units)
    d, h = (rng.normal(size=shape).astype(grid.config.dtype) for _ in "dh")
    return d, h if grid.field.signal else d[:, :, :0]


def test_observe_reads_neighbours_and_zeros_for_missing_ones(build, wiring, channels):
    grid = build(channels=channels, dtype="float64", **wiring)
    d, h = rows(grid, 3)
    f = grid.field
    z = np.full((f.regressors, 8), np.nan)  # the group reaches beyond the last unit
    first = grid.config.units - 5
    observe(z, d, h, 2, first, f.parents, f.readers, f.signal)
    for lane in range(5):
        np.testing.assert_array_equal(z[:, lane], naive.regressors(f, first + lane, d, h)[2])
    assert (z[:, 5:] == 0).all()


@pytest.mark.parametrize("count", [1, 21, 140])  # packed by 128
def test_moments_accumulate_outer_products(build, close, monkeypatch, wiring, channels, dtype, count):
    """In parts of 136 presentations, on top of what was there."""
    grid = build(channels=channels, dtype=dtype, **wiring)
    f, (d, h) = grid.field, rows(grid, count)
    monkeypatch.setattr("localnoise.rules.moments._SUM", 136)
    rule, state = Moments(), Moments().start(f)
    rule.observe(f, state, d, h)
    rule.observe(f, state, d, h)
    assert state["seen"] == 2 * count
    for u in range(grid.config.units):
        own = rule.moments(f, state, slice(u, u + 1))[0]
        close(own, 2 * naive.second_moment(f, u, d.astype(np.float64), h.astype(np.float64)), dtype)


@pytest.mark.parametrize("ridges", [(1e-3,), (1e-4, 1e-2)])
def test_means_alone_are_those_of_a_settled_field(build, wiring, ridges):
    """To the bit, one ridge or several, with more units than a cache's worth or fewer."""
    grid = build(channels=2, dtype="float32", **wiring)
    f, (d, h) = grid.field, rows(grid, 40)
    rule, state = Moments(), Moments().start(f)
    rule.observe(f, state, d, h)
    for ridge, W in zip(ridges, rule.means(f, state, ridges), strict=True):
        Moments(ridge=ridge).settle(f, state)
        np.testing.assert_array_equal(f.weights, W.astype(np.float32))


@pytest.mark.parametrize("units", [1, 15, 16, 17, 196, 5000])
@pytest.mark.parametrize("workers", [1, 2, 7])
def test_groups_are_whole_vectors_and_give_every_worker_some(units, workers):
    g = group_size(units, 16, 64, 4, workers)
    assert g % 16 == 0
    groups = -(-units // g)
    assert groups >= min(workers, -(-units // 16))


def test_every_pair_that_units_read_is_kept_once(build, wiring):
    f = build(**wiring).field
    pairs, units = f.pairs, len(f.order)
    kept = {
        (int(i), int(j)) for i in range(len(pairs.first) - 1) for j in pairs.other[pairs.first[i] : pairs.first[i + 1]]
    }
    assert len(kept) == len(pairs.other)
    read = set()
    for u in range(units):
        items = [*(r + units for r in f.readers[u] if r >= 0), *(p for p in f.parents[u] if p >= 0), u]
        read |= {(int(max(a, b)), int(min(a, b))) for a in items for b in items}
    assert kept == read


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_moments_solve_least_squares(build, white, close, wiring, channels, ridge):
    grid = build((3, 3), channels, dtype="float64", **wiring)
    count = 40 + 2 * grid.field.regressors
    d, h = white(grid, count), white(grid, count, seed=2)
    d = d + 0.5 * np.roll(d, 1, axis=3) + 0.3 * h  # so that there is something to learn
    grid.learn(d, h if grid.field.signal else None, ridge=ridge)
    f = grid.field
    d3, h3 = (x.reshape(count, channels, -1) for x in (d, h))
    for u in range(grid.config.units):
        W, residual = naive.least_squares(f, u, d3, h3, ridge)
        close(f.weights[u], W, np.float64)
        close(f.S[u] @ f.S[u].T, residual, np.float64)
    assert (np.triu(f.S, 1) == 0).all()
    assert (f.gain == 1).all()


def run(kernel, oracle, rule, grid, close, **options):
    """Two calls of a gradient rule's kernel, so that `seen` matters, beside the oracle."""
    f, state = grid.field, rule.start(grid.field)
    np.testing.assert_array_equal(state["W"], f.weights)
    slow = [naive.start(grid.config.channels, f.regressors, W) for W in f.weights]
    for seen, count in ((0, 11), (11, 8)):
        d, h = rows(grid, count, seed=seen)
        arrays = (state["W"], state["W_mean"], state["residual"], state["power"])
        kernel(*arrays, d, h, f.parents, f.readers, f.signal, seen, *options.values(), parts=2)
        d64, h64 = d.astype(np.float64), h.astype(np.float64)
        for u in range(grid.config.units):
            oracle(slow[u], naive.regressors(f, u, d64, h64), d64[:, :, u], seen, *options.values())
    for name in ("W", "W_mean", "residual", "power"):
        expected = np.stack([unit[name] for unit in slow])
        close(state[name], expected, grid.config.dtype, growth=19)  # each step passes on the rounding of those before


def fresh_weights(grid):
    grid.field.a[:] = grid.field.G[:] = grid.field.B[:] = 0
    return grid


@pytest.mark.parametrize("memory", [0.0, 3.0])
def test_lms_equals_the_loop(build, close, wiring, channels, dtype, memory):
    grid = build(channels=channels, dtype=dtype, **wiring)
    run(lms, naive.lms, LMS(), grid, close, rate=0.4, floor=0.01, memory=memory)


@pytest.mark.parametrize("limit", [2.0, 0.125])  # the smaller one saturates
def test_sign_lms_equals_the_loop(build, close, wiring, channels, dtype, limit):
    grid = fresh_weights(build(channels=channels, dtype=dtype, **wiring))
    cast = np.dtype(dtype).type
    run(sign_lms, naive.sign_lms, SignLMS(), grid, close, rate=2.0**-4, halving=4, limit=cast(limit), memory=3.0)


def test_sign_lms_saturates_and_moves_by_whole_steps(build, white):
    grid = fresh_weights(build(channels=2, signal="local"))
    d = white(grid, 50)
    grid.learn(d, 3 * d, rule="sign-lms", rate=2.0**-4, halving=10**6, limit=0.125)
    W = grid.state["W"]
    assert np.abs(W).max() == 0.125
    assert set(np.unique(W)) <= {-0.125, -0.0625, 0, 0.0625, 0.125}


@pytest.mark.parametrize("rule", ["moments", "lms", "sign-lms"])
def test_learn_hands_the_kernels_what_they_need(build, white, close, rule):
    """The public path equals the oracle too, with the rules' default options."""
    grid = fresh_weights(build(channels=3, dtype="float64", signal="local", order="raster"))
    d, h = white(grid, 80), white(grid, 80, seed=2)
    grid.learn(d, h, rule=rule)
    f, (d3, h3) = grid.field, (x.reshape(80, 3, -1) for x in (d, h))
    for u in range(12):
        if rule == "moments":
            W, residual = naive.least_squares(f, u, d3, h3, 1e-4)
        else:
            slow = naive.start(3, f.regressors)
            oracle, options = (
                (naive.lms, (0.1, 1e-3, 3.0)) if rule == "lms" else (naive.sign_lms, (2.0**-8, 1024, 2.0, 3.0))
            )
            oracle(slow, naive.regressors(f, u, d3, h3), d3[:, :, u], 0, *options)
            W, residual = slow["W_mean"], slow["residual"] + 1e-4 * np.eye(3)
        close(f.weights[u], W, np.float64)
        close(f.S[u] @ f.S[u].T, residual, np.float64)
