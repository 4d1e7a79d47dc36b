"""The field in Brian2 is the grid's field: trial by trial for the same private noise, in law for its own."""

import re
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from brian2 import Hz, ms, mV, nA, second
from tiers import some_slow

import localnoise as ln
from localnoise.errors import ArgumentError, TooLargeError
from localnoise.spiking.parts import synapses_of
from localnoise.spiking.settling import past, settling_steps

GRIDS = {
    "raster": {"order": "raster", "radius": 1},
    "multiscale": {"order": "multiscale", "parents": 4},
    "signal": {"order": "multiscale", "parents": 3, "signal": "local"},
}
COMPILED = (("cython", "raster"), ("cpp_standalone", "signal"))  # each target and each kind of unit once
FIELDS = [*(("numpy", name) for name in GRIDS), *(pytest.param(*one, marks=pytest.mark.toolchain) for one in COMPILED)]
DRAWS = 3000


def fitted(name, dtype="float64"):
    rng = np.random.default_rng(7)
    d = rng.normal(size=(400, 2, 4, 4))
    h = rng.normal(size=d.shape)
    d = d + 0.8 * np.roll(d, 1, 2) + 0.6 * np.roll(d, 1, 3) + 0.5 * np.roll(d, 1, 1) + 0.4 * h
    grid = ln.UnitGrid((4, 4), 2, dtype=dtype, **GRIDS[name])
    return grid.learn(d, h if grid.field.signal else None).normalise(0.5), h


@pytest.mark.parametrize(("target", "name"), FIELDS)
def test_the_same_private_noise_gives_the_same_field(target, name):
    grid, h = fitted(name)
    h = h[:5] if grid.field.signal else None
    eta = grid.sample(5, seed=1) if h is None else grid.perturb(h, seed=1)
    private = grid.innovations(eta, h)
    again = ln.spiking.network(grid, target=target, copies=2).settle(private, h)
    np.testing.assert_allclose(again, eta, atol=1e-12)  # float64, sums in another order


@pytest.mark.parametrize("name", GRIDS)
def test_draws_have_the_closed_form_s_covariance_and_the_numba_grid_s(name):
    grid, h = fitted(name)
    shown = np.repeat(h[:1], DRAWS, 0)
    net = ln.spiking.network(grid, target="numpy", copies=50)
    eta = (net.perturb(shown, seed=3) if grid.field.signal else net.sample(DRAWS, seed=3)).reshape(DRAWS, -1)
    ours = grid.perturb(shown, seed=4).reshape(DRAWS, -1)
    sigma, mean = grid.covariance(), grid.mean(h[:1]).reshape(-1) if grid.field.signal else 0
    spread = np.sqrt((np.outer(np.diag(sigma), np.diag(sigma)) + sigma**2) / DRAWS)  # of a Gaussian's moments (Wishart)
    z = (np.cov(eta.T) - sigma) / spread
    both = (np.cov(eta.T) - np.cov(ours.T)) / spread / np.sqrt(2)
    for score in (z, both):
        assert np.abs(score).max() < 5  # 528 distinct entries: the largest is beyond 5 in 3 of 10,000 such tests
        assert 0.5 < np.square(score).mean() < 2
    assert np.abs((eta.mean(0) - mean) / np.sqrt(np.diag(sigma) / DRAWS)).max() < 5
    if grid.field.signal:  # without an activation: the noise alone, as the Numba grid's
        noise = net.sample(DRAWS, seed=5).reshape(DRAWS, -1)
        assert np.abs(noise.mean(0) / np.sqrt(np.diag(sigma) / DRAWS)).max() < 5
        np.testing.assert_allclose(net.settle(grid.innovations(h[:2], h[:2])), h[:2] - grid.mean(h[:2]), atol=1e-9)


@pytest.mark.parametrize("target", ["numpy", pytest.param("cpp_standalone", marks=pytest.mark.toolchain)])
def test_every_target_draws_the_covariance(target):
    grid, _ = fitted("raster")
    net = ln.spiking.network(grid, target=target, copies=50)
    eta = net.sample(3000, seed=5).reshape(3000, -1)
    sigma = grid.covariance()
    z = (np.cov(eta.T) - sigma) / np.sqrt((np.outer(np.diag(sigma), np.diag(sigma)) + sigma**2) / 3000)
    assert np.abs(z).max() < 5
    np.testing.assert_array_equal(net.sample(60, seed=5), net.sample(60, seed=5))
    assert np.abs(net.sample(60, seed=6) - net.sample(60, seed=5)).max() > 0.1


def test_draws_are_independent_from_trial_to_trial_and_copy_to_copy():
    grid, _ = fitted("raster")
    eta = ln.spiking.network(grid, target="numpy", copies=2).sample(4000, seed=8)[:, 0, 0, 0]
    for lag in (1, 2, 3):
        assert abs(np.corrcoef(eta[:-lag], eta[lag:])[0, 1]) < 5 / np.sqrt(4000)


@pytest.mark.parametrize("ratio", [0.1, 0.5, 1.0, 1.5])
def test_the_field_settles_at_every_stable_step(ratio):
    grid, _ = fitted("multiscale")
    eta = grid.sample(4, seed=2)
    net = ln.spiking.network(grid, tau=5 * ms, dt=ratio * 5 * ms, target="numpy")
    np.testing.assert_allclose(net.settle(grid.innovations(eta)), eta, atol=3e-5)
    if ratio == 1:  # fewer steps do not suffice: the last generation would be missing
        assert settling_steps(grid.field, 1.0) == len(grid.field.fronts[1]) - 1


def test_an_unstable_step_is_named_and_would_indeed_be_unstable():
    grid, _ = fitted("raster")
    with pytest.raises(ArgumentError, match=r"dt=11\. ms makes the field unstable.*less than 2 tau"):
        ln.spiking.network(grid, tau=5 * ms, dt=11 * ms)

    x = np.ones((1, 16, 2))
    for _ in range(200):
        x = (1 - 2.2) * x + 2.2 * past(grid.field, x)
    assert np.abs(x).max() > 1e10


def test_the_field_is_a_current_with_the_stated_scale():
    import brian2

    grid, _ = fitted("raster")
    net = ln.spiking.network(grid, scale=0.3 * nA, target="numpy")
    brian2.seed(1)
    parts = net.build()
    whole = brian2.Network(parts.objects)
    whole.run(net.trial, namespace={})
    np.testing.assert_allclose(parts.units.current / nA, 0.3 * np.asarray(parts.units.eta))
    assert np.abs(parts.units.eta).max() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tau": 5}, "tau=5 has no unit: expected a time, such as 5. ms; write 5 * ms"),
        ({"dt": 0.1}, "dt=0.1 has no unit: expected a time"),
        ({"tau": 5 * mV}, "tau=5. mV is in V: expected a time"),
        ({"tau": -5 * ms}, "tau=-5. ms: expected a time, such as 5. ms, one finite value and > 0"),
        ({"tau": [1, 2] * ms}, "expected a time"),
        ({"scale": 1.0}, "scale=1.0 has no unit: expected a current"),
        ({"scale": 3 * Hz}, "scale=3. Hz is in Hz: expected a current"),
        ({"trial": 1 * ms}, "trial=1. ms: expected at least"),
        ({"target": "cyton"}, "did you mean 'cython'?"),
        ({"copies": 0}, "copies=0: expected a whole number >= 1"),
    ],
)
def test_bad_input_gets_one_sentence(options, message):
    grid, _ = fitted("raster")
    with pytest.raises(ArgumentError, match=re.escape(message)) as caught:
        ln.spiking.network(grid, **options)
    assert "\n" not in str(caught.value)


def test_what_is_no_grid_and_what_is_no_activation():
    with pytest.raises(ArgumentError, match="grid is ndarray: expected a UnitGrid"):
        ln.spiking.network(np.eye(3))
    grid, h = fitted("signal")
    net = ln.spiking.network(grid, target="numpy")
    with pytest.raises(ArgumentError, match=r"h has shape \(400, 2, 4\)"):
        net.perturb(h[..., 0])
    with pytest.raises(ArgumentError, match="h has 2 presentations, private has 3"):
        net.settle(h[:3], h[:2])


def test_a_grid_too_large_is_refused_before_it_is_built():
    with pytest.raises(TooLargeError, match=r"a Brian2 network of .* neurons and .* synapses would take .* GiB"):
        ln.spiking.network(ln.UnitGrid((256, 256), 16, parents=8), max_bytes=2**30)
    grid, _ = fitted("raster")
    with pytest.raises(TooLargeError, match="fewer trials"):
        ln.spiking.network(grid, max_bytes=2**20).sample(100_000)


def test_the_memory_estimate_bounds_what_a_network_takes():
    grid = ln.UnitGrid((14, 14), 16, parents=8)
    ln.spiking.network(grid, target="numpy").sample(2)  # what is compiled and kept once does not count
    tracemalloc.start()
    try:
        ln.spiking.network(grid, target="numpy", copies=2).sample(4)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 30 < taken / (2 * synapses_of(grid.field)) < 80  # bytes a synapse; the estimate says 80, and neurons on top


def test_importing_localnoise_does_not_import_brian2_and_without_it_the_command_is_named():
    code = """if True:
        import sys, localnoise as ln
        assert "brian2" not in sys.modules
        sys.modules["brian2"] = None
        try:
            ln.spiking
        except ln.errors.MissingDependencyError as error:
            print(error)
    """
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert out.stdout.strip() == "localnoise.spiking needs brian2: pip install 'localnoise[spiking]'"


def test_seconds_and_milliseconds_are_the_same():
    grid, _ = fitted("raster")
    nets = [ln.spiking.network(grid, tau=tau, target="numpy").sample(3, seed=1) for tau in (5 * ms, 0.005 * second)]
    np.testing.assert_array_equal(*nets)


@pytest.mark.parametrize("mistake", some_slow(["ln.spiking.network('grid')", "1 / 0"], {"1 / 0"}))
def test_uncaught_errors_and_warnings_are_shown_as_before(mistake):
    script = f"""if True:
        import sys, warnings, localnoise as ln
        before = sys.excepthook, warnings.showwarning
        ln.spiking
        assert (sys.excepthook, warnings.showwarning) == before
        sys.excepthook = lambda kind, error, trace: print("my own hook:", error)
        {mistake}
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ("expected a UnitGrid" if "grid" in mistake else "division by zero") in done.stdout
    assert done.stdout.startswith("my own hook:")
    assert "unexpected error" not in done.stderr
