"""Links from spikes: the fixed point that the docstring derives, its ridge, locality, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms, mV

import localnoise as ln
from localnoise.errors import ArgumentError, TooLargeError
from localnoise.spiking.stdp import STDP
from localnoise.spiking.stdp_learning import learn_stdp
from localnoise.spiking.stdp_network import schedule
from localnoise.spiking.stdp_steps import Steps

DT = 2 * ms
RULE = STDP(presentation=260 * ms, settle=100 * ms, rate=0.1)
SIGMA = np.array([[1.0, 0.6, 0.3, 0.2], [0.6, 1.0, 0.5, 0.1], [0.3, 0.5, 1.0, 0.4], [0.2, 0.1, 0.4, 1.0]])
STANDARD_ERRORS = 4  # a dozen weights: one in a thousand runs with another seed would miss


def displacements(count, shape, channels, seed=0):
    """(T, C, H, W) of mean 0 and second moments SIGMA, in C order, to rounding."""
    x = np.random.default_rng(seed).normal(size=(count, 4))
    x -= x.mean(axis=0)
    x = np.linalg.solve(np.linalg.cholesky(x.T @ x / count), x.T)
    return (np.linalg.cholesky(SIGMA) @ x).T.reshape(count, channels, *shape)


def pair_of_units():
    return ln.UnitGrid(shape=(1, 2), channels=2, order="raster", radius=1, dtype="float64")


def chain():
    return ln.UnitGrid(shape=(1, 4), order="raster", radius=1, dtype="float64")


def naive_fixed_point(grid, ridge):
    """Unit 1 of the pair, neuron by neuron: C order of SIGMA is channel by channel, so unit u owns rows u and 2 + u."""
    mine, above = [1, 3], [0, 2]
    return SIGMA[np.ix_(mine, above)] @ np.linalg.inv(SIGMA[np.ix_(above, above)] + ridge * np.eye(2))


@pytest.fixture(scope="module")
def learned():
    d, rules = displacements(400, (1, 2), 2), {k: replace(RULE, causal=k) for k in (0.0, 0.5, 1.0)}
    return {
        k: learn_stdp(pair_of_units(), d, rule, dt=DT, target="cpp_standalone", copies=200) for k, rule in rules.items()
    }


@pytest.mark.toolchain
@pytest.mark.parametrize("causal", [0.0, 0.5, 1.0])
def test_weights_are_the_derived_fixed_point(learned, causal):
    out, noise = learned[causal], Steps.of(RULE, DT).shot_noise(np.ones(1))[0]
    W = naive_fixed_point(out.grid, causal * noise)
    assert (abs(out.weights.mean(axis=0)[1] - W) < STANDARD_ERRORS * out.standard_error[1]).all()
    assert (out.standard_error[1] < 0.03).all()
    np.testing.assert_allclose(replace(RULE, causal=causal).fixed_point(out.grid, SIGMA, DT)[1], W)


@pytest.mark.toolchain
def test_the_causal_half_alone_adds_a_ridge(learned):
    acausal, mixed, causal = (learned[k] for k in (0.0, 0.5, 1.0))
    for more, less in ((acausal, mixed), (mixed, causal)):
        gap = (more.weights - less.weights).mean(axis=0)[1, 0, 0]
        assert gap > 5 * np.hypot(more.standard_error, less.standard_error)[1, 0, 0]


@pytest.mark.toolchain
@pytest.mark.parametrize("causal", [0.0, 0.5, 1.0])
def test_residuals_are_those_of_the_weights(learned, causal):
    """Of each copy's own; 3 % less is allowed, as clipped rates hide some of it; beyond that, standard errors."""
    out, mine, above = learned[causal], [1, 3], [0, 2]
    W = out.weights[:, 1]
    cross = W @ SIGMA[np.ix_(above, mine)]
    own = SIGMA[np.ix_(mine, mine)] - cross - cross.transpose(0, 2, 1)
    own = own + W @ SIGMA[np.ix_(above, above)] @ W.transpose(0, 2, 1)
    for unit, D in ((0, SIGMA[np.ix_(above, above)]), (1, own)):
        gap = out.residuals[:, unit] - D
        assert (abs(gap.mean(axis=0)) < STANDARD_ERRORS * gap.std(axis=0, ddof=1) / np.sqrt(len(gap)) + 0.03).all()


@pytest.mark.toolchain
def test_the_acausal_rule_learns_the_covariance(learned):
    """All units are parents: the closed form is exact. Each copy's error of weights, 0.2, adds to what it measures."""
    assert abs(learned[0.0].grid.covariance() - SIGMA).max() < 0.12
    assert abs(learned[1.0].grid.covariance() - SIGMA).max() > 0.2


def test_trace_estimates_have_the_shot_noise_stated():
    """Simulated in NumPy, trial by trial, with the mean over the gate."""
    steps, rng = Steps.of(RULE, DT), np.random.default_rng(0)
    x, seen = np.full(20_000, steps.level), []
    for n in range(steps.total):
        x *= steps.decay
        if n >= steps.closed:
            seen.append((x / steps.level - 1) / RULE.modulation)
        x += rng.random(len(x)) < steps.p0
    N = steps.shot_noise(np.zeros(1))[0]
    assert np.var(seen[-1]) == pytest.approx(N, rel=0.04)
    assert np.mean(seen) == pytest.approx(0, abs=0.03)
    assert np.var(np.mean(seen, axis=0)) == pytest.approx(N * steps.averaged, rel=0.04)


def test_shot_noise_of_short_steps_is_campbells():
    exact = Steps.of(RULE, 0.01 * ms).shot_noise(np.zeros(1))[0]
    assert exact == pytest.approx(RULE.shot_noise, rel=2e-3)
    assert RULE.shot_noise == pytest.approx(1 / (2 * 100 * 0.02 * 0.3**2))


def test_the_schedule_averages_first_and_then_counts():
    clock = schedule(replace(RULE, memory=0.0), 4, 7)
    weights, counts, seen = 0.0, 0.0, np.arange(1.0, 8.0)
    for s in range(7):
        weights += clock["weigh"][s + 1] * (seen[s] - weights)
        counts += clock["count"][s + 1] * (seen[s] - counts)
    assert weights == pytest.approx(np.mean([1, 2, 3, 4]))
    assert counts == pytest.approx(np.mean([5, 6, 7]))
    assert (clock["step"] > 0).tolist() == [True] * 4 + [False] * 4
    assert clock["freeze"].nonzero()[0].tolist() == [4]


def few(d, **options):
    return learn_stdp(chain(), d, replace(RULE, ridge=100.0), dt=DT, **options)


def test_a_unit_learns_from_itself_and_its_parents_alone():
    """Unit 1 reads unit 0 alone. Every neuron draws in every step, so that the same seed is the same noise."""
    d = displacements(6, (1, 4), 1)
    before = few(d, target="numpy").weights[0]
    for unit, same, other in ((0, [0, 2, 3], [1]), (2, [0, 1], [2, 3]), (3, [0, 1, 2], [3])):
        moved = d.copy()
        moved[..., unit] = -moved[..., unit]
        after = few(moved, target="numpy").weights[0]
        np.testing.assert_array_equal(after[same], before[same])
        assert all((after[u] != before[u]).any() for u in other)


def test_the_seed_decides_and_the_grid_stays():
    grid, d, told = chain(), displacements(5, (1, 4), 1), []
    options = {"rule": replace(RULE, ridge=100.0), "dt": DT, "target": "numpy", "copies": 2}
    first = learn_stdp(grid, d, seed=1, progress=lambda *now: told.append(now), **options)
    again, other = (learn_stdp(grid, d, seed=seed, **options) for seed in (1, 2))
    np.testing.assert_array_equal(first.weights, again.weights)
    assert (first.weights[:, 1:] != other.weights[:, 1:]).any()
    assert (first.weights[0] != first.weights[1]).any()
    assert not grid.field.B.any()
    assert told[-1] == (5, 5)
    np.testing.assert_allclose(first.grid.field.B, first.weights.mean(axis=0))


def test_learning_begins_with_the_weights_of_the_grid():
    grid, d = chain(), displacements(5, (1, 4), 1)
    grid.field.B[1:] = 5
    slow = learn_stdp(grid, d, replace(RULE, rate=1e-12, ridge=1e6), dt=DT, target="numpy")
    np.testing.assert_allclose(slow.weights[0], grid.field.B, atol=1e-4)


def test_one_unit_has_no_links():
    grid = ln.UnitGrid(shape=(1, 1), channels=4, dtype="float64")
    out = learn_stdp(grid, displacements(300, (1, 1), 4), RULE, dt=DT, target="numpy", copies=10)
    assert abs(out.residuals.mean(axis=0)[0] - SIGMA).max() < 0.2


@pytest.mark.toolchain
@pytest.mark.parametrize("target", ["cython", "numpy"])
def test_targets_agree(learned, target):
    """Other random numbers, the same law; "cython" compiles for half a minute where its cache is empty."""
    d = displacements(400, (1, 2), 2)
    out = learn_stdp(pair_of_units(), d, RULE, dt=DT, target=target, copies=100)
    error = np.hypot(out.standard_error, learned[0.0].standard_error)[1]
    gap = (out.weights.mean(axis=0) - learned[0.0].weights.mean(axis=0))[1]
    assert (abs(gap) < STANDARD_ERRORS * error).all()
    assert (error < 0.05).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baseline": 100}, r"baseline=100 has no unit: .*write 100 \* Hz"),
        ({"tau": 3 * mV}, "tau=3. mV is in V: expected a time"),
        ({"presentation": 0 * ms}, "presentation=0. s: expected a time"),
        ({"settle": 500 * ms}, "settle=0.5 s: expected tau=20. ms <= settle < presentation=0.5 s"),
        ({"settle": 5 * ms}, "settle=5. ms: expected tau=20. ms <= settle"),
        ({"modulation": 0}, "modulation=0: expected a finite number > 0"),
        ({"causal": 1.5}, r"causal=1.5: expected a share in \[0, 1\]"),
        ({"causal": -1}, "causal=-1: expected a finite number >= 0"),
        ({"rate": "fast"}, "rate='fast': expected a finite number > 0"),
        ({"memory": np.inf}, "memory=inf"),
        ({"measured": 1}, r"measured=1: expected a share in \(0, 1\)"),
        ({"ridge": -1}, "ridge=-1"),
    ],
)
def test_bad_rules(options, message):
    with pytest.raises(ArgumentError, match=message):
        STDP(**options)


D = displacements(20, (1, 4), 1)


@pytest.mark.parametrize(
    ("d", "options", "message"),
    [
        (D[:, 0], {}, r"d has shape \(20, 1, 4\)"),
        (D[:2], {}, "d has 2 samples: expected more than the 2 in which the residual is measured"),
        (D * np.nan, {}, "d has 80 values that are NaN"),
        (D * 9, {}, r"d: .* of the values lie below -1/modulation = -3.33, .*scale d by 0\.\d+"),
        (D, {"dt": 1}, r"dt=1 has no unit: .*write 1 \* ms"),
        (D, {"dt": 7 * ms}, "presentation=260. ms: expected a whole multiple of dt=7. ms"),
        (D, {"dt": 20 * ms}, r"dt=20. ms: expected less than 1/baseline = 10. ms"),
        (D, {"dt": 5 * ms}, r"dt=5. ms: the fastest relay would spike in a step with probability 0\.\d+: .*use dt <= "),
        (D, {"target": "cuda"}, "target='cuda': expected one of"),
        (D, {"copies": 0}, "copies=0: expected a whole number >= 1"),
        (D, {"seed": 2**32}, r"expected less than 2\*\*32"),
        (D, {"rule": "stdp"}, r"rule='stdp': expected an STDP\(...\)"),
    ],
)
def test_bad_calls(d, options, message):
    with pytest.raises(ArgumentError, match=message):
        learn_stdp(chain(), d, **({"rule": RULE, "dt": DT} | options))


def test_other_refusals():
    with pytest.raises(ArgumentError, match="signal='local': expected signal='none'"):
        learn_stdp(ln.UnitGrid(shape=(1, 4), signal="local"), D)
    with pytest.raises(TooLargeError, match="a Brian2 network of 8,000,000 neurons and"):
        learn_stdp(chain(), D, RULE, dt=DT, copies=1_000_000, max_bytes=2**20)
    with pytest.raises(ArgumentError, match=r"moments has shape \(3, 3\): expected finite \(4, 4\)"):
        RULE.fixed_point(chain(), np.eye(3))
    with pytest.raises(ArgumentError, match=r"those of the parents of unit 1 .* are singular"):
        RULE.fixed_point(pair_of_units(), np.zeros((4, 4)))
    with pytest.raises(ArgumentError, match="one copy was learned"):
        _ = few(D[:5], target="numpy").standard_error


def test_the_residual_must_be_positive_definite():
    with pytest.raises(ArgumentError, match=r"ridge=0.0001: .*singular.* more samples"):
        learn_stdp(chain(), D[:4] * 1e-3, RULE, dt=DT, target="numpy", seed=3)
