"""Calibration on clean activations that were not learned: scores become z, and p-values by rank.

A p-value by rank needs no law of the scores: of n held-out scores and a new one, all exchangeable, the new one's rank
is uniform (conformal prediction; Vovk, Gammerman, Shafer 2005). So it is valid as long as the world is as it was, and
never below 1 / (n + 1). z is for maps and for ordering beyond that: the score's cube root, which is nearly normal for a
sum of squares (Wilson and Hilferty 1931), less its mean, over its deviation.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_TINY = 1e-12
KEPT = 1000  # scores of a unit that ranks are taken in


@dataclass(frozen=True, kw_only=True)
class UnitScale:
    """Scale of the scores that each unit has on clean activations.

    Attributes
    ----------
    mean, deviation : (H, W)
        Of the scores' cube roots.
    ranks : (n, H, W)
        Scores in rising order, unit by unit.
    """

    mean: Floats
    deviation: Floats
    ranks: Floats

    @classmethod
    def of(cls, scores: Floats) -> "UnitScale":
        """Take held-out scores (n, H, W)."""
        root = np.cbrt(scores)
        return cls(mean=root.mean(axis=0), deviation=root.std(axis=0) + _TINY, ranks=np.sort(scores[:KEPT], axis=0))

    def z(self, scores: Floats) -> Floats:
        """Return scores (T, H, W) in standard deviations: above 0 stranger, below 0 more regular than is usual."""
        return np.asarray((np.cbrt(scores) - self.mean) / self.deviation)

    def p(self, scores: Floats) -> Floats:
        """Return two-sided p-values (T, H, W)."""
        out, n = np.empty(scores.shape), len(self.ranks)
        for y, x in np.ndindex(*scores.shape[1:]):
            own, ranks = scores[:, y, x], self.ranks[:, y, x]
            above = n - np.searchsorted(ranks, own, side="left")
            below = np.searchsorted(ranks, own, side="right")
            out[:, y, x] = 2 * (1 + np.minimum(above, below)) / (n + 1)
        return np.minimum(out, 1.0)


@dataclass(frozen=True, kw_only=True)
class ImageScale:
    """The statistics of whole activations on clean ones: their own law, and the ranks of distances from it.

    The distance is squared, so that too regular is as far as too strange.

    Attributes
    ----------
    mean : (p,)
    whitening : (p, p)
        W with W C W' = I for the statistics' covariance C.
    ranks : (n,)
        Squared distances of other held-out activations, in rising order.
    """

    mean: Floats
    whitening: Floats
    ranks: Floats

    @classmethod
    def of(cls, statistics: Floats, others: Floats) -> "ImageScale":
        """Take statistics (n, p) for the law, and others (n', p) for the ranks: the law fits its own ones too well."""
        mean = statistics.mean(axis=0)
        C = np.atleast_2d(np.cov(statistics.T))
        C = C + (1e-6 * np.trace(C) / len(C) + _TINY) * np.eye(len(C))
        made = cls(mean=mean, whitening=np.linalg.inv(np.linalg.cholesky(C)), ranks=np.zeros(0))
        return cls(mean=mean, whitening=made.whitening, ranks=np.sort(made.distances(others)))

    def distances(self, statistics: Floats) -> Floats:
        """Return squared distances (T,) of statistics (T, p)."""
        return np.asarray(np.square((statistics - self.mean) @ self.whitening.T).sum(axis=1))

    def z(self, distances: Floats) -> Floats:
        """Return distances in standard deviations of the ranks' cube roots."""
        root = np.cbrt(self.ranks)
        return np.asarray((np.cbrt(distances) - root.mean()) / (root.std() + _TINY))

    def p(self, distances: Floats) -> Floats:
        """Return p-values (T,)."""
        n = len(self.ranks)
        return np.asarray((1 + n - np.searchsorted(self.ranks, distances, side="left")) / (n + 1))
