"""How nearly a stream of words is white and Gaussian: moments, tails, correlation in time and between units."""

from dataclasses import dataclass
from math import erfc, exp, pi, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.validate import check_positive

SIGMAS, LAGS = (2, 3, 4), 8
_EULER = 0.5772156649015329
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class Quality:
    """The findings of `measure`; an ideal Gaussian's value in brackets."""

    draws: int
    """Words of each unit, T."""
    units: int
    """Units, N."""
    mean: float
    """Mean over the standard deviation that was stated (0)."""
    variance: float
    """Variance over the variance that was stated (1)."""
    skewness: float
    """Third standardised moment (0)."""
    kurtosis: float
    """Fourth standardised moment less 3 (0)."""
    tails: tuple[float, ...]
    """Shares of words beyond 2, 3 and 4 measured standard deviations on either side (`ideal_tails()`)."""
    largest: float
    """Largest |word| in measured standard deviations."""
    serial: tuple[float, ...]
    """Correlation of a unit's words at lags 1 to 8, all units together (0)."""
    cross: float
    """Largest |r| between the words of two units at the same time (`cross_ideal`)."""
    cross_lagged: float
    """Largest |r| between the words of two units at lags 1 to 8 (a little above `cross_ideal`: more pairs)."""
    cross_ideal: float
    """Largest |r| to be expected of as many independent units and draws."""

    def row(self) -> dict[str, float | int]:
        """Return one number a column, for a table."""
        tails = {f"beyond {s} sigma": tail for s, tail in zip(SIGMAS, self.tails, strict=True)}
        worst = max(self.serial, key=abs)
        start = {"draws": self.draws, "units": self.units, "mean": self.mean, "variance": self.variance}
        shape = {"skewness": self.skewness, "excess kurtosis": self.kurtosis, **tails, "largest": self.largest}
        ends = {"max |r|": self.cross, "max |r| lagged": self.cross_lagged, "max |r| ideal": self.cross_ideal}
        return start | shape | {"serial": worst} | ends


def measure(words: npt.ArrayLike, variance: float) -> Quality:
    """Measure words against the Gaussian of mean 0 and this variance. Cost O(LAGS x draws x units^2).

    Parameters
    ----------
    words : (T, N)
        T > 8 words of each of N > 1 units, in the order drawn.
    variance : float
        Stated variance, as from `localnoise.hardware.generators.moments.variance`.

    Raises
    ------
    ArgumentError
        For another shape, a unit whose words are all equal, or a variance that is not positive.
    """
    check_positive("variance", variance)
    x = _as_words(words)
    mean, spread = float(x.mean()), float(x.std())
    x -= mean
    x /= spread
    size = np.abs(x)
    return Quality(
        draws=x.shape[0],
        units=x.shape[1],
        mean=mean / sqrt(variance),
        variance=spread**2 / variance,
        skewness=float((x**3).mean()),
        kurtosis=float((x**4).mean()) - 3,
        tails=tuple(float((size > s).mean()) for s in SIGMAS),
        largest=float(size.max()),
        serial=tuple(float((x[lag:] * x[:-lag]).mean()) for lag in range(1, LAGS + 1)),
        cross=_largest(correlation(words)),
        cross_lagged=max(_largest(correlation(words, lag)) for lag in range(1, LAGS + 1)),
        cross_ideal=expected_largest(x.shape[1] * (x.shape[1] - 1) // 2, x.shape[0]),
    )


def correlation(words: npt.ArrayLike, lag: int = 0) -> Floats:
    """Correlation r[u, v] of word t of unit u with word t + lag of unit v, from words (T, N): (N, N) float32."""
    x = _as_words(words)
    early, late = x[: len(x) - lag], x[lag:]
    return np.asarray(_standard(early).T @ _standard(late) / np.float32(len(early)))


def ideal_tails() -> tuple[float, ...]:
    """Shares of a Gaussian beyond 2, 3 and 4 standard deviations on either side."""
    return tuple(erfc(s / sqrt(2)) for s in SIGMAS)


def expected_largest(pairs: int, draws: int) -> float:
    """Mean of the largest |r| of `pairs` independent pairs, each of `draws` words.

    A sample correlation is nearly N(0, 1 / T). The largest of P halves of a Gaussian has nearly a Gumbel law between
    the quantiles a = 1 - 1 / 2 P and b = 1 - 1 / 2 e P, with mean (1 - γ) a + γ b (Euler's γ).

    Source: Coles, An Introduction to Statistical Modeling of Extreme Values, 2001, section 3.1.
    """
    return _gumbel(pairs, draws)[0]


def largest_spread(pairs: int, draws: int) -> float:
    """Standard deviation of that largest |r|: π (b - a) / sqrt(6)."""
    return _gumbel(pairs, draws)[1]


def _gumbel(pairs: int, draws: int) -> tuple[float, float]:
    a, b = (-NormalDist().inv_cdf(share / (2 * pairs)) for share in (1, exp(-1)))
    return ((1 - _EULER) * a + _EULER * b) / sqrt(draws), pi * (b - a) / sqrt(6 * draws)


def _largest(r: Floats) -> float:
    return float(np.abs(r[~np.eye(len(r), dtype=bool)]).max())


def _standard(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    standard: npt.NDArray[np.float32] = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
    return standard


def _as_words(words: npt.ArrayLike) -> npt.NDArray[np.float64]:
    x = np.array(words, np.float64)
    if x.ndim != 2 or x.shape[0] <= LAGS or x.shape[1] < 2:
        raise ArgumentError(
            f"words has shape {x.shape}: expected (T, N) with T > {LAGS} words of N > 1 units; "
            "of draws (T, m, N) take one channel, draws[:, 0]"
        )
    still = np.flatnonzero(x.min(axis=0) == x.max(axis=0))
    if len(still):
        raise ArgumentError(f"words[:, {still[0]}] are all {x[0, still[0]]:g}: expected noise; seed that unit")
    return x
