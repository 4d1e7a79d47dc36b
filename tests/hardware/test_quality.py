"""What is measured of words: against ideal noise, against planted faults, and of the two ways of seeding."""

import matplotlib.image
import numpy as np
import pytest

from localnoise.errors import ArgumentError
from localnoise.hardware.generators import GENERATORS, draw, naive_states, states
from localnoise.hardware.generators.figure import draw_seeding
from localnoise.hardware.generators.linear import apply, power
from localnoise.hardware.generators.moments import variance
from localnoise.hardware.generators.quality import (
    correlation,
    expected_largest,
    ideal_tails,
    largest_spread,
    measure,
)
from localnoise.hardware.generators.strides import stride
from localnoise.sims.reports.figures import DOUBLE, drawn

UNITS, DRAWS = 60, 4000
PAIRS = UNITS * (UNITS - 1) // 2
named = pytest.mark.parametrize("name", GENERATORS)


@pytest.fixture(scope="module")
def white():
    return np.random.default_rng(5).normal(scale=3, size=(DRAWS, UNITS))


def test_ideal_noise_passes(white):
    found, n = measure(white, 9), white.size
    assert abs(found.mean) < 5 / np.sqrt(n)
    assert abs(found.variance - 1) < 5 * np.sqrt(2 / n)
    assert abs(found.skewness) < 5 * np.sqrt(6 / n)
    assert abs(found.kurtosis) < 5 * np.sqrt(24 / n)
    for share, ideal in zip(found.tails, ideal_tails(), strict=True):
        assert abs(share - ideal) < 5 * np.sqrt(ideal / n)
    assert max(map(abs, found.serial)) < 5 / np.sqrt(n)
    spread = largest_spread(PAIRS, DRAWS)
    assert abs(found.cross - found.cross_ideal) < 5 * spread
    assert found.cross_ideal - 3 * spread < found.cross_lagged < found.cross_ideal + 10 * spread
    assert 4 < found.largest < 6


def test_moments_of_known_words():
    """Two points, -1 and 3 alternating: mean 1, variance 4, skewness 0, excess kurtosis -2, lag one exactly -1."""
    found = measure(np.tile([[-1, 3], [3, -1]], (50, 1)), variance=4)
    assert (found.mean, found.variance, found.skewness, found.kurtosis) == (0.5, 1, 0, -2)
    assert found.serial[:2] == (-1, 1)
    assert found.cross == pytest.approx(1)
    assert found.largest == 1


@pytest.mark.parametrize("lag", [0, 3])
def test_a_planted_pair_is_found(white, lag):
    tied = white.copy()
    tied[lag:, 7] += 0.5 * white[: DRAWS - lag, 4]
    r = correlation(tied, lag)
    expected = 0.5 / np.sqrt(1.25)
    assert abs(r[4, 7] - expected) < 5 / np.sqrt(DRAWS)
    found = measure(tied, 9)
    assert (found.cross if lag == 0 else found.cross_lagged) == pytest.approx(r[4, 7], rel=1e-5)


def test_expected_largest_against_simulation():
    """Largest |r| of 45 pairs, 400 times: its mean and spread. Gumbel's law is a limit, hence 5 % of slack."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 10, 300))
    x = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
    r = np.abs(x @ x.swapaxes(1, 2) / 300)[:, ~np.eye(10, dtype=bool)].max(axis=1)
    assert r.mean() == pytest.approx(expected_largest(45, 300), rel=0.05)
    assert r.std() == pytest.approx(largest_spread(45, 300), rel=0.25)


def cross(name, seeds):
    words = draw(GENERATORS[name], seeds(GENERATORS[name], UNITS, 0), DRAWS)[:, 0]
    return measure(words, variance(8))


@named
def test_jumps_leave_no_correlation(name):
    """As little as ideal noise, within five standard deviations of the largest of so many pairs."""
    found = cross(name, states)
    assert found.cross < found.cross_ideal + 5 * largest_spread(PAIRS, DRAWS)
    assert max(map(abs, found.serial)) < 5 / np.sqrt(DRAWS * UNITS)


@pytest.mark.parametrize("name", [name for name in GENERATORS if name.startswith("lfsr")])
def test_naive_seeds_correlate_registers(name):
    """State 2 u is one tick before state u, so these units draw nearly the same words throughout."""
    assert cross(name, naive_states).cross > 5 * cross(name, states).cross


def first_words(generator, starts):
    return np.stack([draw(generator, np.ascontiguousarray(s, np.uint32), 1)[0, 0] for s in starts], axis=1)


@named
def test_naive_seeds_correlate_first_draws(name):
    """Over random seeds, the first words of units seeded seed + u go together; those of units that jump do not."""
    generator, units, count = GENERATORS[name], 8, 10_000
    seeds = np.random.default_rng(2).integers(1, generator.period - units, count).astype(np.uint64)
    leap = power(generator.matrix(), stride(generator, units))
    jumped = [seeds]
    for _ in range(units - 1):
        jumped.append(apply(leap, jumped[-1]))
    naive = np.abs(correlation(first_words(generator, [seeds + np.uint64(u) for u in range(units)])))
    ahead = np.abs(correlation(first_words(generator, jumped)))
    off = ~np.eye(units, dtype=bool)
    pairs = units * (units - 1) // 2
    assert ahead[off].max() < expected_largest(pairs, count) + 5 * largest_spread(pairs, count)
    assert naive[off].max() > 5 * ahead[off].max()


def test_row_is_flat(white):
    row = measure(white, 9).row()
    assert all(isinstance(value, int | float) for value in row.values())
    assert row["beyond 2 sigma"] == pytest.approx(0.0455, abs=0.005)


def test_figure(tmp_path):
    with drawn(tmp_path / "seeding.png", (DOUBLE, 3.6)) as page:
        naive, ahead = draw_seeding(page, GENERATORS["lfsr16"], "lfsr16", units=40, draws=1000)
    assert naive > 2 * ahead
    pixels = matplotlib.image.imread(tmp_path / "seeding.png")
    assert pixels.shape[1] > 1200
    assert pixels.std() > 0.1
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".pdf", ".svg"}


def test_words_are_checked(white):
    with pytest.raises(ArgumentError, match=r"words has shape \(4000,\)"):
        measure(white[:, 0], 1)
    with pytest.raises(ArgumentError, match=r"draws\[:, 0\]"):
        measure(white[:, None], 1)
    still = white.copy()
    still[:, 3] = 2
    with pytest.raises(ArgumentError, match=r"words\[:, 3\] are all 2"):
        measure(still, 9)
    with pytest.raises(ArgumentError, match="variance=0"):
        measure(white, 0)
