"""Means and 95 % intervals of accuracies, and of retentions; every table's arithmetic.

With several seeds: mean over seeds, Student's t interval over seeds (each seed has its own network, noise and
modifications). With one seed: the share of right images, Wilson's interval over images.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

_Z = 1.959964

CLEAN = (
    "Clean: the same nets on the unmodified test images; of an arm that has a net for each column, the mean over its "
    "nets, seed by seed."
)
RATIO = (
    "Retention R, the share of the central gain: R = (arm - none) / (full - none), each the mean over the S seeds that "
    "the three share: a ratio of means, not a mean of ratios."
)
RETENTION = (
    f"{RATIO} ± is t s / sqrt(S) (delta method), t Student's 97.5 % point with S - 1 degrees of freedom, s the SD over "
    "seeds of [(arm - none) - R (full - none)] / mean (full - none)."
)
"""How tables' numbers are estimated: what stands below them. Of one seed a retention has no interval: `RATIO` alone."""


@dataclass(frozen=True)
class Estimate:
    """A mean, its 95 % interval, and what it rests on."""

    mean: float
    low: float
    high: float
    seeds: int
    images: int

    @property
    def half_width(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2


def over_seeds(values: npt.ArrayLike, images: int) -> Estimate:
    """Student's t interval of one value a seed; with one seed, Wilson's over the images."""
    x = np.asarray(values, dtype=np.float64)
    mean = float(x.mean())
    if len(x) > 1:
        half = _t(len(x) - 1) * float(x.std(ddof=1)) / np.sqrt(len(x))
        return Estimate(mean, mean - half, mean + half, len(x), images)
    centre = (mean + _Z**2 / (2 * images)) / (1 + _Z**2 / images)
    half = _Z / (1 + _Z**2 / images) * np.sqrt(mean * (1 - mean) / images + _Z**2 / (4 * images**2))
    low, high = min(centre - half, mean), max(centre + half, mean)  # equal at 0 and at 1, but for rounding
    return Estimate(mean, max(low, 0.0), min(high, 1.0), 1, images)


def _t(degrees: int) -> float:
    """The 97.5 % point of Student's t, to the three decimals that printed tables have."""
    return round(float(stdtrit(degrees, 0.975)), 3)


def difference(first: npt.ArrayLike, second: npt.ArrayLike) -> Estimate:
    """Accuracy of `second` less that of `first`, two boolean outcomes (T,) on the same images of one seed.

    Wald's interval after adding 1/2 to each cell of the 2 x 2 table, which never shrinks to nothing (Agresti and Min
    2005, "Wald+2"): with b and c images that only one of them has right, m = n + 2 and d = (c - b) / m,
    d +- 1.96 sqrt((b + c + 1) / m - d^2) / sqrt(m). The mean is (c - b) / n.
    """
    one, two = np.asarray(first, bool), np.asarray(second, bool)
    n, lost, won = len(one), int((one & ~two).sum()), int((~one & two).sum())
    centre = (won - lost) / (n + 2)
    half = _Z * np.sqrt(((won + lost + 1) / (n + 2) - centre**2) / (n + 2))
    mean = (won - lost) / max(n, 1)  # lies outside where one outcome has all images right and the other none
    return Estimate(mean, min(max(centre - half, -1.0), mean), max(min(centre + half, 1.0), mean), 1, n)


def retention(local: npt.ArrayLike, none: npt.ArrayLike, full: npt.ArrayLike, images: int) -> Estimate:
    """(acc_local - acc_none) / (acc_full - acc_none): the share of the central method's gain that is kept.

    Ratio of the means over seeds; interval by the delta method on per-seed differences (Fieller's linearisation). With
    one seed the interval is undefined (nan).
    """
    x, zero, one = (np.asarray(values, dtype=np.float64) for values in (local, none, full))
    gain, best = x - zero, one - zero
    ratio = float(gain.mean() / best.mean()) if best.mean() != 0 else float("nan")
    if len(x) < 2:
        return Estimate(ratio, float("nan"), float("nan"), 1, images)
    influence = (gain - ratio * best) / best.mean()
    half = _t(len(x) - 1) * float(influence.std(ddof=1)) / np.sqrt(len(x))
    return Estimate(ratio, ratio - half, ratio + half, len(x), images)
