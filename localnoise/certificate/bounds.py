"""The two bounds that a certificate rests on: of a share, from counts; of a displacement, from a share.

Clopper and Pearson 1934: the least p for which k or more successes of n have a chance of alpha. It holds at any n.
Cohen, Rosenfeld and Kolter 2019 (arXiv 1902.02918, theorem 1): where a class has a share of at least p > 1/2 under
noise N(0, Sigma), it has the most for every displacement with delta' Sigma^-1 delta < Phi^-1(p)^2.
"""

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.dense import refuse_beyond_memory
from localnoise.errors import ArgumentError
from localnoise.validate import as_count

_NORMAL = NormalDist()
_HALVINGS = 60
_FARTHEST = 8.0  # Phi(8) is 1 - 6e-16, and Phi(8.3) is 1 in double precision


def check_alpha(alpha: float) -> float:
    """Return a chance of error, or raise an ArgumentError."""
    if not _is_number(alpha) or not 0 < alpha < 0.5:
        raise ArgumentError(f"alpha={alpha!r}: expected the chance that a certificate is wrong, in (0, 0.5), as 0.001")
    return float(alpha)


@lru_cache(maxsize=4096)
def lower_bound(successes: int, draws: int, alpha: float) -> float:
    """Return the Clopper-Pearson lower bound of a share, right with a chance of at least 1 - alpha. Cost O(draws).

    Parameters
    ----------
    successes : int
        Of the draws, at most as many.
    draws : int
        >= 1.
    alpha : float
        Chance that the bound is wrong, in (0, 0.5).

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ArgumentError
        Counts or a chance out of these ranges.
    """
    n, k = as_count("draws", draws, 1), as_count("successes", successes)
    check_alpha(alpha)
    if k > n:
        raise ArgumentError(f"successes={k}: expected at most draws={n}")
    if k in (0, n):
        return 0.0 if k == 0 else float(alpha ** (1 / n))
    refuse_beyond_memory(f"draws={n}", 40 * n, "fewer draws")
    j = np.arange(k, n + 1)
    ways = _log_factorials(n)[n] - _log_factorials(n)[j] - _log_factorials(n)[n - j]
    low, high = 0.0, k / n
    for _ in range(_HALVINGS):
        p = (low + high) / 2
        terms = ways + j * math.log(p) + (n - j) * math.log1p(-p) if p > 0 else np.full(len(j), -np.inf)
        top = terms.max()
        tail = float(np.exp(terms - top).sum()) * math.exp(min(top, 700.0)) if np.isfinite(top) else 0.0
        low, high = (p, high) if tail < alpha else (low, p)
    return low


def radius_of(share: float) -> float:
    """Return Phi^-1(share), the radius that a share of votes certifies.

    Parameters
    ----------
    share : float
        Lower bound of the winner's share, in [0, 1].

    Returns
    -------
    float
        In the Sigma^-1 norm, standard deviations of the noise; 0 where the share is no majority.

    Raises
    ------
    ArgumentError
        A share out of range.
    """
    if not _is_number(share) or not 0 <= share <= 1:
        raise ArgumentError(f"share={share!r}: expected a number in [0, 1]")
    return _NORMAL.inv_cdf(min(share, 1 - 1e-16)) if share > 0.5 else 0.0


def largest_radius(draws: int, alpha: float = 0.001) -> float:
    """Return the radius of draws that all agree: no certificate from so many draws can be larger.

    Parameters
    ----------
    draws : int
        >= 1.
    alpha : float
        Chance that a certificate is wrong, in (0, 0.5).

    Returns
    -------
    float
        In the Sigma^-1 norm, standard deviations of the noise.
    """
    return radius_of(lower_bound(draws, draws, alpha))


def draws_needed(radius: float, alpha: float = 0.001) -> int:
    """Return how many draws, all in agreement, certify a radius: ln(alpha) / ln(Phi(radius)), rounded up.

    Parameters
    ----------
    radius : float
        In (0, 8], standard deviations of the noise.
    alpha : float
        Chance that a certificate is wrong, in (0, 0.5).

    Returns
    -------
    int
        Draws.

    Raises
    ------
    ArgumentError
        A radius or a chance out of range.
    """
    if not _is_number(radius) or not 0 < radius <= _FARTHEST:
        raise ArgumentError(
            f"radius={radius!r}: expected a number in (0, {_FARTHEST:g}], in standard deviations of the noise: no "
            "share in double precision certifies more"
        )
    return math.ceil(math.log(check_alpha(alpha)) / math.log(_NORMAL.cdf(radius)))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


@lru_cache(maxsize=8)
def _log_factorials(n: int) -> npt.NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
