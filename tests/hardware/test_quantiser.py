"""Quantising keeps the field: its covariance, its mean, its accumulators within their bits; feedback beats rounding."""

import math
import re
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.hardware import Formats, quantise, report
from localnoise.hardware.quantiser.feedback import factors_of, round_row
from localnoise.hardware.quantiser.target import target
from localnoise.hardware.realised import realised


def smooth(count, channels, height, width, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, channels, height + 2, width + 2))
    y = sum(x[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3)) / 3
    return np.einsum("ij,tjhw->tihw", np.tril(np.ones((channels, channels))), y).astype(np.float32)


@pytest.fixture(scope="module")
def grid():
    return ln.UnitGrid(shape=(6, 6), channels=3, parents=6).learn(smooth(4000, 3, 6, 6)).normalise(0.5, "local")


@pytest.fixture(scope="module")
def signal():
    d, h = smooth(3000, 2, 5, 5), np.tanh(smooth(3000, 2, 5, 5, seed=1))
    d = 0.2 * d + 0.5 * np.roll(h, 1, 3) - 0.3 * h + 0.1
    return ln.UnitGrid(shape=(5, 5), channels=2, parents=4, signal="local").learn(d, h), h


def kl(Sigma, chip):
    return (np.trace(np.linalg.solve(chip, Sigma)) - len(Sigma) + np.linalg.slogdet(chip)[1]) / 2 - (
        np.linalg.slogdet(Sigma)[1] / 2
    )


def test_with_many_bits_nothing_changes(grid):
    chip = quantise(grid, Formats(weight_bits=16, word_bits=16, accumulator_bits=64))
    assert np.linalg.norm(chip.covariance() - grid.covariance()) < 1e-3 * np.linalg.norm(grid.covariance())


def test_error_falls_with_bits(grid):
    errors = [report(grid, quantise(grid, Formats(weight_bits=bits))).whole_error for bits in (4, 6, 8, 10)]
    assert all(more < 0.7 * less for less, more in pairwise(errors)), errors


def test_feedback_beats_plain_rounding(grid):
    for bits in (4, 5, 6, 8):
        fed, plain = (report(grid, quantise(grid, Formats(weight_bits=bits), feedback=f)) for f in (True, False))
        assert fed.whole_error < 0.5 * plain.whole_error


def test_divergence_is_the_units_sum_of_the_kullback_leibler_divergence(grid):
    chip = quantise(grid, Formats(weight_bits=5))
    found = report(grid, chip)
    assert math.isclose(found.divergence.sum(), kl(grid.covariance(), chip.covariance()), rel_tol=1e-5)
    assert (found.divergence > -1e-9).all()


def test_the_report_is_that_of_the_whole_covariances(grid):
    chip = quantise(grid, Formats(weight_bits=5))
    wanted, got = grid.covariance(), chip.covariance()
    order = np.arange(108).reshape(3, 36).T  # neurons of each unit
    found = report(grid, chip)
    rows = np.array([np.linalg.norm((got - wanted)[own]) / np.linalg.norm(wanted[own]) for own in order])
    np.testing.assert_allclose(found.covariance_error, rows, rtol=1e-4)  # covariance() of float32 weights
    assert math.isclose(found.whole_error, np.linalg.norm(got - wanted) / np.linalg.norm(wanted), rel_tol=1e-5)
    assert found.units == 36
    assert ("units whose covariance and divergence are compared", "all 36") in found.summary()


def test_a_sample_of_units_reports_what_all_do_of_them(grid):
    chip = quantise(grid, Formats(weight_bits=5))
    whole, part = report(grid, chip), report(grid, chip, units=9)
    there = np.flatnonzero(np.isfinite(part.divergence))
    assert part.units == len(there) == 9
    for name in ("divergence", "covariance_error"):
        np.testing.assert_allclose(getattr(part, name)[there], getattr(whole, name)[there], rtol=1e-9)
    assert 0.5 < part.whole_error / whole.whole_error < 2
    assert ("units whose covariance and divergence are compared", "9 sampled of 36") in part.summary()
    assert {unit for name, _, unit in part.worst(6) if name.startswith("div")} <= {
        str(divmod(int(u), 6)) for u in there
    }


def test_a_large_layer_is_reported_in_little_memory():
    """16,384 neurons, whose dense covariances took 6 GiB: a sample by default, and never a matrix of all."""
    grid = ln.UnitGrid(shape=(128, 128), parents=2)
    chip = quantise(grid, Formats())
    tracemalloc.start()
    found = report(grid, chip, units=32, draws=64)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held < 2**28
    assert found.units == 32
    assert np.nanmax(found.divergence) < 0.01


def test_report_names_the_worst_unit_and_counts_saturation(grid):
    chip = quantise(grid, Formats(weight_bits=6))
    chip.field.lift[7, 2] += 4
    found = report(grid, chip, draws=500)
    assert found.saturated.argmax() == 7
    assert {name: unit for name, _, unit in found.worst(6)}["saturated words"] == "(1, 1)"
    words = chip.words(500).reshape(500, 3, 36)
    assert found.saturated[7] == np.isin(words[:, :, 7], (2047, -2048)).mean()


def test_the_mean_of_a_signal_dependent_field_is_kept(signal):
    grid, h = signal
    errors = [
        report(grid, quantise(grid, Formats(weight_bits=w, activation_bits=a), h=h[:2000]), h=h[2000:]).mean_error
        for w, a in ((5, 5), (8, 8), (12, 12))
    ]
    assert errors[2] < errors[1] < errors[0]
    assert errors[1] < 0.05
    assert errors[2] < 0.005


@examples(40)
@given(
    channels=st.integers(1, 4),
    parents=st.integers(1, 8),
    weight_bits=st.integers(2, 16),
    word_bits=st.integers(4, 16),
    accumulator_bits=st.integers(24, 64),
    feedback=st.booleans(),
    loud=st.floats(1e-6, 1e6),
)
def test_no_accumulator_can_overflow(channels, parents, weight_bits, word_bits, accumulator_bits, feedback, loud):
    formats = Formats(weight_bits=weight_bits, word_bits=word_bits, accumulator_bits=accumulator_bits)
    grid = ln.UnitGrid(shape=(3, 3), channels=channels, parents=parents).learn(smooth(300, channels, 3, 3))
    grid.field.gain[:] *= loud
    try:
        chip = quantise(grid, formats, feedback=feedback)
    except ArgumentError as error:
        refused = str(error)
        assert re.search(r"unit \(\d, \d\).*accumulator_bits", refused)
        return
    assert (chip.field.largest_accumulators(formats) < 2.0 ** (accumulator_bits - 1)).all()
    for name in ("B", "L", "s"):
        assert abs(getattr(chip.field, name)).max(initial=0) <= formats.weight_limit


def test_rounded_rows_leave_less_variance_than_plain_rounding():
    rng = np.random.default_rng(0)
    for _ in range(20):
        X = rng.normal(size=(30, 12)) + 2 * rng.normal(size=(30, 1))
        H, w = X.T @ X / 30, rng.uniform(-5, 5, 12)
        fed, plain = w - round_row(w, H, 7), w - np.rint(w)
        assert fed @ H @ fed <= plain @ H @ plain
    R = factors_of(H)[0]
    assert np.allclose(R.T @ R, H, atol=1e-4)


def test_modified_cholesky_form_is_the_same_field(grid):
    """Sigma from the words' weights, before any rounding, is the grid's."""
    formats = Formats()
    t = target(grid.field, formats, np.sqrt(grid.variance().max(0).reshape(-1)), 0.0, 6)
    n, m = 108, 3
    A, s = np.zeros((n, n)), np.zeros(n)
    for u in range(36):
        rows = slice(u * m, u * m + m)
        for k, p in enumerate(grid.field.parents[u]):
            if p >= 0:
                A[rows, p * m : p * m + m] = t.B[u][:, k * m : k * m + m]
        A[rows, rows], s[rows] = t.L[u], t.s[u] * formats.normal_deviation
    root = np.linalg.solve(np.eye(n) - A, np.diag(s)) * np.ldexp(1.0, -np.repeat(t.scale, m))[:, None]
    order = np.arange(n).reshape(36, 3).T.reshape(-1)
    assert np.allclose((root @ root.T)[np.ix_(order, order)], grid.covariance(), atol=1e-5)


def test_bad_input_gets_one_sentence(grid, signal):
    silent = ln.UnitGrid(shape=(2, 2)).learn(smooth(300, 1, 2, 2))
    silent.field.S[3] = 0
    silent.field.B[3] = 0
    with pytest.raises(ArgumentError, match=r"unit \(1, 1\) has noise of standard deviation 0: expected"):
        quantise(silent)
    with pytest.raises(ArgumentError, match="h is missing"):
        quantise(signal[0])
    for of, what, name in ((signal[0], {"h": signal[1][:0]}, "h"), (grid, {"d": np.zeros((0, 3, 6, 6))}, "d")):
        with pytest.raises(ArgumentError, match=f"{name} has 0 presentations: expected some"):
            quantise(of, **what)
    with pytest.raises(ArgumentError, match="h is given"):
        quantise(grid, h=np.zeros((2, 3, 6, 6)))
    with pytest.raises(ArgumentError, match=r"unit \(\d, \d\).*does not fit weight_bits=16, accumulator_bits=16"):
        quantise(grid, Formats(weight_bits=16, word_bits=16, accumulator_bits=16))
    with pytest.raises(ArgumentError, match="grid is NoneType: expected a UnitGrid, a Bank of them, or a Repair"):
        quantise(None)
    with pytest.raises(ArgumentError, match=r"formats=8: expected Formats, as Formats\(weight_bits=8\)"):
        quantise(grid, 8)


def test_progress_is_told(grid):
    told = []
    quantise(grid, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (36, 36)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_realised_law_of_the_quantised_private_noise(grid):
    chip = quantise(grid)
    field = realised(chip.field, chip.formats)
    s = np.diagonal(field.S, axis1=1, axis2=2)
    expected = chip.field.s * chip.formats.normal_deviation
    assert np.allclose(s, np.ldexp(expected, (chip.field.lift[:, 2] - chip.field.fraction)[:, None]))
