"""Draws that cannot be: options, values that no dtype holds, sizes that no memory holds."""

import re

import numpy as np
import pytest
from refusing import d, h, plain, refuses, snapshot

import localnoise as ln
from localnoise.errors import TooLargeError


def loud(grid, gain):
    grid[0, 1].gain = gain


DRAWING = {
    "a negative seed": ("seed=-1: expected a whole number >= 0", lambda g: g.sample(1, seed=-1)),
    "a large seed": (r"seed=18446744073709551616: expected less than 2\*\*64", lambda g: g.sample(1, seed=2**64)),
    "half a seed": ("seed=0.5: expected a whole number", lambda g: g.sample(1, seed=0.5)),
    "no seed": ("seed=None: expected a whole number", lambda g: g.perturb(h, seed=None)),
    "a huge trace": (r"variance=1e\+300: a unit's gain would leave the range of float32", lambda g: g.normalise(1e300)),
    "a huge local trace": (r"variance=1e\+300: .* range of float32", lambda g: g.normalise(1e300, "local")),
    "a vanishing trace": ("variance=4.9.*e-324: .* range of float32", lambda g: g.normalise(5e-324)),
    "a vanishing local trace": ("variance=4.9.*e-324: .* range of float32", lambda g: g.normalise(5e-324, "local")),
    "a huge gain": (r"gain=1e\+300: expected a number > 0 within the range of float32", lambda g: loud(g, 1e300)),
    "a vanishing gain": ("gain=5e-324: expected a number > 0 within the range", lambda g: loud(g, 5e-324)),
    "a generator": ("seed=Generator.*: expected a whole number", lambda g: g.sample(1, seed=np.random.default_rng())),
    "a negative count": ("count=-1: expected a whole number >= 0", lambda g: g.sample(-1)),
    "a count as text": ("count='3': expected a whole number", lambda g: g.sample("3")),
    "two counts": (r"count=array\(\[1, 2\]\): expected a whole number", lambda g: g.sample(np.array([1, 2]))),
    "NaN draws": ("count=nan: expected a whole number", lambda g: g.sample(float("nan"))),
    "a negative start": ("start=-1: expected a whole number >= 0", lambda g: g.sample(1, start=-1)),
    "half a start": ("start=0.5: expected a whole number", lambda g: g.sample(1, start=0.5)),
    "a start too far": (
        r"start=9223372036854775807: expected start \+ count <= 2\*\*63",
        lambda g: g.sample(2, start=2**63 - 1),
    ),
    "too few positions": (
        r"start has shape \(2,\) .*: expected a whole number, or 3",
        lambda g: g.sample(3, start=[0, 1]),
    ),
    "half positions": ("start has .* dtype float64: expected", lambda g: g.sample(2, start=[0.5, 1])),
    "masked positions": ("start has 1 masked values", lambda g: g.sample(2, start=np.ma.array([1, 2], mask=[0, 1]))),
    "a masked count": ("count=masked: expected a whole number", lambda g: g.sample(np.ma.masked)),
    "a masked seed": ("seed=masked: expected a whole number", lambda g: g.sample(1, seed=np.ma.masked)),
    "a masked trace": ("variance=masked: expected a finite number > 0", lambda g: g.normalise(np.ma.masked)),
    "negative positions": ("start holds -4: expected positions >= 0", lambda g: g.sample(2, start=[3, -4])),
    "no trace": (
        "variance=0: expected a finite number > 0, the mean noise variance per neuron",
        lambda g: g.normalise(0),
    ),
    "a negative trace": ("variance=-2: expected a finite number > 0", lambda g: g.normalise(-2)),
    "NaN": ("variance=nan: expected a finite number > 0", lambda g: g.normalise(float("nan"))),
    "infinity": ("variance=inf: expected a finite number > 0", lambda g: g.normalise(float("inf"))),
    "a trace as text": ("variance='two': expected a finite number > 0", lambda g: g.normalise("two")),
    "an unknown scope": ("scope='unit': expected one of 'global', 'local'", lambda g: g.normalise(1, "unit")),
    "a scope misspelt": ("scope='loca': .*; did you mean 'local'", lambda g: g.normalise(1, "loca")),
}


@pytest.mark.parametrize("case", DRAWING)
def test_drawing(case):
    message, call = DRAWING[case]
    grid = plain()
    kept = snapshot(grid)
    refuses(message, lambda: call(grid))
    assert snapshot(grid) == kept


def test_a_covariance_that_would_not_fit_states_the_memory():
    """24 n^2 bytes: the factor, its permutation and the product, in float64."""
    grid = ln.UnitGrid((200, 200))
    message = r"covariance\(\) would take 35.8 GiB: expected at most 4.0 GiB; use sample\(\) or variance\(\), or raise"
    refuses(message, grid.covariance, TooLargeError)
    small = ln.UnitGrid((2, 2))
    refuses("covariance.. would take", lambda: small.covariance(max_bytes=24 * 16 - 1), TooLargeError)
    assert small.covariance(max_bytes=24 * 16).shape == (4, 4)
    assert issubclass(TooLargeError, MemoryError)


@pytest.mark.parametrize("noise", [plain, lambda: ln.central.full(d), lambda: ln.Bank([plain()])])
@pytest.mark.parametrize("count", [10**12, 2**63])
def test_draws_that_no_memory_holds(noise, count):
    refuses(f"count={count} would take .* GiB", lambda: noise().sample(count), TooLargeError)


def test_turns_that_no_memory_holds():
    refuses("count=1000000000000 would take .* GiB", lambda: ln.Bank([plain()]).turns(10**12), TooLargeError)


@pytest.mark.parametrize("trace", [1e300, 5e-324])
@pytest.mark.parametrize("make", ["full", "diagonal", "identity", "affine"])
def test_central_noise_out_of_the_range_of_float32(make, trace):
    data = (d, h) if make == "affine" else (d,)
    refuses(
        rf"variance={re.escape(repr(trace))}: expected noise within the range of float32",
        lambda: getattr(ln.central, make)(*data, variance=trace),
    )


def test_grids_that_no_memory_holds_are_refused_before_they_are_made():
    for wiring in ({"shape": (10**9, 10**9)}, {"shape": (1000, 1000), "radius": 1000, "order": "raster"}):
        refused = r"shape=\(.*\) would take .* GiB.*use fewer units"
        refuses(refused, lambda wiring=wiring: ln.UnitGrid(**wiring), TooLargeError)
    wide = ln.UnitGrid((1, 3000), order="raster", radius=3000)
    assert wide.field.parents.shape == (3000, 2999)
    line = np.zeros((8, 1, 1, 3000))
    refuses("pairs of what units read together would take .*rule='lms'", lambda: wide.learn(line), TooLargeError)


def test_a_dense_counterpart_that_would_not_fit():
    refuses(
        r"dense\(grid\) would take 35.8 GiB.*use the grid itself",
        lambda: ln.central.dense(ln.UnitGrid((200, 200))),
        TooLargeError,
    )
