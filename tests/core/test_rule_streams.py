"""Rules on streams: they converge, in any pieces, in little memory; what they go on from."""

import itertools
import tracemalloc
import warnings

import naive
import numpy as np
import pytest
from exact_rules import CHANNELS, RULES, SHAPE, covariance, exact_data, stationary

import localnoise as ln
from localnoise.errors import ForgottenWarning

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


# Going on


def test_another_rule_starts_from_the_weights_with_fresh_statistics():
    d = np.random.default_rng(0).normal(size=(500, CHANNELS, *SHAPE)).cumsum(axis=3)
    grid = ln.UnitGrid(SHAPE, CHANNELS).learn(d)
    weights = grid.field.B.copy()
    with pytest.warns(ForgottenWarning, match="by rule 'moments', and rule 'lms' begins with its weights and forgets"):
        grid.learn(d[:1], rule="lms", rate=1e-9)
    np.testing.assert_allclose(grid.field.B, weights, atol=1e-6)
    assert grid.state["seen"] == 1
    grid.learn(d[:1], rule="lms", rate=1e-9)
    assert grid.state["seen"] == 2
    assert grid.rule == ln.LMS(rate=1e-9)
    with pytest.warns(ForgottenWarning, match="rule 'moments' begins anew and forgets it: .* rule='lms'") as warned:
        grid.learn(d)
    assert warned[0].filename == __file__
    same = ln.UnitGrid(SHAPE, CHANNELS).learn(d)
    np.testing.assert_array_equal(grid.field.B, same.field.B)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ForgottenWarning)
        grid.learn(d).blank().learn(d, rule="lms").learn(d, rule="lms", rate=0.1)


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
