"""Spiking neurons: their rates in closed form, their counts on every target, what drives them, bad input."""

import re

import numpy as np
import pytest
from brian2 import Hz, ms, mV, nS, pA, pF

import localnoise as ln
from localnoise.errors import ArgumentError, TooLargeError
from localnoise.spiking import LIF, SpikingLayer

QUIET = LIF(noise=0 * mV)
LADDER = np.linspace(-1, 1, 12).reshape(1, 3, 2, 2)


def naive_rate(current, lif, dt=1e-6, duration=2.0):
    """Euler's steps of one neuron, spikes counted: an oracle without any closed form."""
    v, since, spikes = float(lif.rest), np.inf, 0
    g, C, E = float(lif.leak), float(lif.capacitance), float(lif.rest)
    for _ in range(int(duration / dt)):
        since += dt
        if since > float(lif.refractory):
            v += dt * (g * (E - v) + current) / C
            if v > float(lif.threshold):
                v, since, spikes = float(lif.reset), 0.0, spikes + 1
    return spikes / duration


@pytest.mark.parametrize("current", [190, 205, 320])
def test_the_closed_form_rate_is_that_of_the_equation(current):
    exact = float(QUIET.rate(current * pA) / Hz)
    assert (
        abs(naive_rate(current * 1e-12, QUIET, dt=2e-6, duration=1.0) - exact) <= 1.5
    )  # a spike more or less, and Euler
    assert (exact > 0) == (current > 200)  # the rheobase is 200 pA


@pytest.mark.parametrize(
    "target", ["numpy", *(pytest.param(t, marks=pytest.mark.toolchain) for t in ("cython", "cpp_standalone"))]
)
def test_noiseless_neurons_fire_at_the_closed_form_rate_on_every_target(target):
    layer = SpikingLayer((3, 2, 2), lif=QUIET, window=1000 * ms, dt=0.05 * ms, target=target)
    counts = layer.counts(LADDER, trials=2)
    assert counts.shape == (1, 2, 3, 2, 2)
    rate = np.asarray(QUIET.rate(QUIET.current(LADDER)) / Hz)
    assert np.abs(counts.mean(1) - rate).max() < 1.5


def test_poisson_neurons_have_the_same_mean_and_a_fano_factor_of_one():
    layer = SpikingLayer((3, 2, 2), lif=QUIET, neurons="poisson", window=500 * ms, target="numpy", copies=100)
    counts = layer.counts(LADDER, trials=400)[0].reshape(400, -1)
    rate = np.asarray(QUIET.rate(QUIET.current(LADDER)) / Hz).ravel()
    fires = rate > 0
    mean = counts[:, fires].mean(0)
    assert np.abs((mean - 0.5 * rate[fires]) / np.sqrt(mean / 400)).max() < 4.5
    fano = counts[:, fires].var(0, ddof=1) / mean
    assert abs(fano.mean() - 1) < 5 * np.sqrt(2 / 400 / fires.sum()) + 0.03  # Bernoulli steps: 1 - rate dt
    assert (counts[:, ~fires] == 0).all()


def test_trials_come_back_with_the_activation_they_were_shown():
    h = np.stack([np.full((3, 2, 2), level) for level in (0.0, 0.5, 1.0)])
    h[1, 2, 1, 0] = -2.0
    counts = SpikingLayer((3, 2, 2), lif=QUIET, target="numpy", copies=2).counts(h, trials=3)
    per_image = counts.mean((1, 2, 3, 4))
    assert per_image[0] < per_image[1] < per_image[2]
    assert (counts[1, :, 2, 1, 0] == 0).all()
    assert (counts[1, :, 2, 1, 1] > 0).all()
    assert counts.std(1).max() <= 1  # noiseless: a spike that falls on the window's edge, no more


@pytest.mark.slow
def test_the_field_moves_spikes_together_and_a_seed_fixes_them():
    grid = ln.UnitGrid((2, 2), 3, order="raster", radius=1)
    grid.field.B[:] = 0.3
    grid.normalise(0.2)
    layer = SpikingLayer((3, 2, 2), grid, lif=QUIET, target="numpy", copies=50)
    still = np.zeros((1, 3, 2, 2))
    counts = layer.counts(still, trials=600, seed=3)[0].reshape(600, -1)
    truth = grid.covariance()
    scale = np.sqrt(np.diag(truth))
    found = np.corrcoef(counts.T)
    # a count is a monotone function of the current: ranks keep the field's correlation, but for the rheobase
    assert (
        np.corrcoef(found[np.tril_indices(12, -1)], (truth / np.outer(scale, scale))[np.tril_indices(12, -1)])[0, 1]
        > 0.9
    )
    np.testing.assert_array_equal(layer.counts(still, 50, seed=3), layer.counts(still, 50, seed=3))
    assert (layer.counts(still, 50, seed=3) != layer.counts(still, 50, seed=4)).any()


def test_membranes_without_threshold_have_the_stated_noise():
    import brian2

    brian2.prefs.codegen.target = "numpy"
    brian2.seed(1)
    lif = LIF(noise=3 * mV, threshold=1000 * mV)
    from localnoise.spiking.layer import _MEMBRANE

    names = {name: getattr(lif, name) for name in LIF.__dataclass_fields__}
    names |= {"tau": lif.tau, "shown": brian2.TimedArray(np.zeros((1, 2000)), dt=1 * brian2.second)}
    group = brian2.NeuronGroup(2000, _MEMBRANE, method="euler", dt=0.5 * ms, namespace=names, refractory=0 * ms,
                               threshold="v > threshold", reset="v = reset")  # fmt: skip
    group.v = lif.rest
    brian2.Network(group).run(150 * ms, namespace={})
    spread = float(np.std(group.v / mV))
    assert abs(spread - 3) < 3 * (0.5 / 20) + 5 * 3 / np.sqrt(2 * 2000)  # Euler's step, sampling


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LIF(capacitance=200), "capacitance=200 has no unit: expected a capacitance"),
        (lambda: LIF(bias=0.2), "bias=0.2 has no unit: expected a current"),
        (lambda: LIF(threshold=3 * nS), "threshold=3. nS is in S: expected a voltage"),
        (lambda: LIF(reset=-40 * mV), "reset=-40. mV: expected less than threshold=-50. mV"),
        (lambda: LIF(noise=-1 * mV), "noise=-1. mV: expected a voltage"),
        (lambda: LIF(capacitance=0 * pF), "capacitance=0. F: expected a capacitance"),
        (lambda: QUIET.rate(300), "current=300: expected currents with their unit, such as 300 * pA"),
        (lambda: SpikingLayer((1, 2, 2), window=250), "window=250 has no unit: expected a time"),
        (lambda: SpikingLayer((1, 2, 2), dt=10 * ms), "dt=10. ms: expected at most 4. ms"),
        (lambda: SpikingLayer((1, 2, 2), neurons="iaf"), "neurons='iaf': expected one of 'lif', 'poisson'"),
        (lambda: SpikingLayer((1, 2, 2), ln.UnitGrid((3, 3), 1)), "expected one of layout (1, 2, 2)"),
        (lambda: SpikingLayer((1, 2, 2)).counts(np.zeros((1, 1, 3, 3))), "h has shape (1, 1, 3, 3)"),
        (lambda: SpikingLayer((1, 2, 2)).counts(np.zeros((1, 1, 2, 2)), trials=0), "trials=0: expected a whole number"),
    ],
)
def test_bad_input_gets_one_sentence(make, message):
    with pytest.raises(ArgumentError, match=re.escape(message)) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_too_many_trials_are_refused_before_they_are_run():
    with pytest.raises(TooLargeError, match="fewer trials"):
        SpikingLayer((16, 14, 14), max_bytes=2**26).counts(np.zeros((10, 16, 14, 14)), trials=1000)


def test_nothing_is_shown_and_nothing_is_counted():
    layer = SpikingLayer((3, 2, 2), lif=QUIET, target="numpy")
    assert layer.counts(np.zeros((0, 3, 2, 2)), trials=2).shape == (0, 2, 3, 2, 2)
    net = ln.spiking.network(ln.UnitGrid((2, 2), 3), target="numpy")
    assert net.sample(0).shape == (0, 3, 2, 2)
    for layout in ((2, 3), (2, 3, 3, 1)):
        with pytest.raises(ArgumentError, match=r"layout=.*: expected \(C, H, W\)"):
            SpikingLayer(layout)


def test_the_callers_random_numbers_go_on_and_long_seeds_differ():
    net = ln.spiking.network(ln.UnitGrid((2, 2), 1), target="numpy")
    np.random.seed(3)  # noqa: NPY002, of the caller's own
    expected = np.random.get_state()[1].copy()  # noqa: NPY002
    drawn = [net.sample(4, seed=seed) for seed in (0, 0, 2**32, 2**33)]
    assert np.array_equal(np.random.get_state()[1], expected)  # noqa: NPY002
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    assert not np.array_equal(drawn[2], drawn[3])
