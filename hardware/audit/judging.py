"""From sums to p-values: each family of tests keeps its own share of the false alarms of a sound device.

family        statistic, for a sound device                                       finds
spread        sum e^2 ~ chi^2 of T / (1 + kurtosis / 2) degrees of freedom        gain of the noise, stuck generators
mean          sum e / sqrt(T) ~ N(0, 1)                                           offsets, stuck bits of a bias
prediction    sum e A / sqrt(sum A^2) ~ N(0, 1)                                   gain of a whole unit
link          sum e z / sqrt(sum z^2) ~ N(0, 1), for each z that a unit reads     wrong weights, dead links
past          sum e(t) e(t - lag) / sqrt(T) ~ N(0, 1)                             noise that is not white in time
pair          correlation of e of two neurons, sqrt(T) r ~ N(0, 1)                shared generators
replay        correlation of e of two draws, sqrt(n) r ~ N(0, 1)                  noise that comes again
cut           words at their limit, against as many as the emulated chip has      saturation

e depends on nothing that a unit reads, so that each is exact but for the tails of a sum of many terms. Within a family
Benjamini and Hochberg (1995) choose which p-values stand out: of a sound device any one does with a chance of at most
the family's level, and of those that stand out in an unsound one at most this share is expected to be false.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from localnoise.hardware.audit.sums import Sums

FAMILIES = ("spread", "mean", "prediction", "link", "past", "pair", "replay", "cut")
P = npt.NDArray[np.float64]


def normal(z: Any) -> P:
    """Return two-sided p-values of standard normal statistics."""
    return np.asarray(2 * stats.norm.sf(np.abs(z)))


def ratio(sums: Any, power: Any) -> P:
    """Return sum / sqrt(power), 0 where there is nothing."""
    power = np.asarray(power, np.float64)
    return np.asarray(np.where(power > 0, sums / np.sqrt(np.where(power > 0, power, 1.0)), 0.0))


def spread(sums: Sums) -> P:
    """Return p-values of the variances of e, (m, N): two-sided, 1 where rounding hides the noise."""
    known = sums.count - sums.cut
    degrees = known / (1 + sums.residuals.kurtosis / 2)
    value = sums.square * degrees / np.maximum(known, 1)
    p = 2 * np.minimum(stats.chi2.sf(value, degrees), stats.chi2.cdf(value, degrees))
    return np.where(sums.residuals.tested & (known > 0), np.minimum(p, 1.0), 1.0)


def z_of(sums: Sums) -> dict[str, P]:
    """Return the statistics of the families that are normal, but for links and pairs: (m, N), or (LAGS, m, N)."""
    return {
        "mean": sums.total / np.sqrt(sums.count),
        "prediction": ratio(sums.predicted, sums.prediction_square),
        "past": sums.lagged / np.sqrt(sums.count),
    }


def links(sums: Sums) -> list[P]:
    """Return the statistics of each unit's links, (m, L); 0 of what follows from a channel, and is no cause of it."""
    return [
        np.where(sums.residuals.causes(unit), ratio(cross, power), 0.0)
        for unit, (cross, power) in enumerate(zip(sums.cross, sums.power, strict=True))
    ]


def stand_out(p: P, level: float, tests: int | None = None) -> npt.NDArray[np.bool_]:
    """Return which p-values Benjamini and Hochberg reject at this level.

    p : of any shape; tests : how many there were in all, if only small ones are given.
    """
    flat = np.sort(p.ravel())
    count = len(flat) if tests is None else tests
    if not len(flat):
        return np.zeros(p.shape, bool)
    below = np.flatnonzero(flat <= level * np.arange(1, len(flat) + 1) / count)
    return p <= flat[below[-1]] if len(below) else np.zeros(p.shape, bool)


def cut(sums: Sums, expected: npt.NDArray[np.int64], draws: int) -> P:
    """Return p-values that a device's words stand at their limit as often as an emulated chip's; one-sided, (m, N).

    Given both counts' sum, the device's is binomial with T / (T + draws), if the rates are one.
    """
    both = sums.cut + expected
    return np.asarray(stats.binom.sf(sums.cut - 1, both, sums.count / (sums.count + draws)))
