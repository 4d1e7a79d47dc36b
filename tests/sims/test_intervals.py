"""Intervals against textbook values, and their coverage by simulation."""

import numpy as np
import pytest

from localnoise.sims.results.statistics import over_seeds, retention


def test_students_interval_of_three_values() -> None:
    estimate = over_seeds([0.70, 0.72, 0.74], images=1000)
    assert estimate.mean == pytest.approx(0.72)
    assert estimate.half_width == pytest.approx(4.303 * 0.02 / np.sqrt(3), rel=1e-6)
    assert (estimate.seeds, estimate.images) == (3, 1000)


def test_wilsons_interval_of_one_seed() -> None:
    """Wilson 1927 for 81 of 100: 0.722 to 0.875."""
    estimate = over_seeds([0.81], images=100)
    assert (round(estimate.low, 3), round(estimate.high, 3)) == (0.722, 0.875)
    assert over_seeds([1.0], images=50).high == 1.0
    assert over_seeds([0.0], images=1000).low == 0.0  # rounding must not turn an error bar round


def test_retention_is_the_ratio_of_mean_gains() -> None:
    estimate = retention([0.5, 0.6], none=[0.3, 0.2], full=[0.5, 0.8], images=10)
    assert estimate.mean == pytest.approx(0.6 / 0.8)
    assert estimate.low < estimate.mean < estimate.high
    assert np.isnan(retention([0.5], [0.3], [0.5], images=10).low)


def test_retention_of_full_is_one_and_of_none_zero_without_spread() -> None:
    none, full = [0.3, 0.25, 0.33], [0.6, 0.7, 0.65]
    assert retention(full, none, full, 10).mean == 1
    assert retention(full, none, full, 10).half_width == pytest.approx(0, abs=1e-12)
    assert retention(none, none, full, 10).mean == 0


@pytest.mark.parametrize("seeds", [3, 5])
def test_coverage_is_near_95_per_cent(seeds: int) -> None:
    rng = np.random.default_rng(0)
    runs = 4000
    draws = rng.normal(0.6, 0.02, (runs, seeds))
    inside = [e.low <= 0.6 <= e.high for e in (over_seeds(row, 1000) for row in draws)]
    assert abs(np.mean(inside) - 0.95) < 4 * np.sqrt(0.95 * 0.05 / runs)  # four standard errors
