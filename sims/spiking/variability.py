"""Trial-to-trial variability of spike counts, by the measures of the neuroscience literature.

Counts are (S, R, n): stimuli, trials of each, neurons. All measures are within stimuli: what the stimulus changes is
signal, what trials of one stimulus change is noise.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
LEAST = 1.0  # mean spikes per window below which a Fano factor or a correlation says little


@dataclass(frozen=True)
class Pairs:
    """Pairs of neurons: noise correlation, signal correlation, distance in units' pitch; each (P,)."""

    noise: Array
    signal: Array
    distance: Array


def mean_and_variance(counts: npt.ArrayLike) -> tuple[Array, Array]:
    """Mean and unbiased variance over trials of each stimulus and neuron with a mean of at least 1 spike; both (Q,)."""
    x = np.asarray(counts, np.float64)
    mean, variance = x.mean(1), x.var(1, ddof=1)
    kept = mean >= LEAST
    return mean[kept], variance[kept]


def fano(counts: npt.ArrayLike) -> float:
    """Fano factor, variance over mean of the count, averaged over stimuli and neurons."""
    mean, variance = mean_and_variance(counts)
    return float((variance / mean).mean()) if len(mean) else float("nan")


def pairs(counts: npt.ArrayLike, places: npt.ArrayLike, most: int = 400, seed: int = 0) -> Pairs:
    """Correlations of pairs among at most `most` neurons, drawn at random from those with a mean of at least 1 spike.

    Noise: Pearson's of counts z-scored within stimuli, pooled over stimuli (Cohen and Kohn 2011, Nature Neuroscience
    14:811). Signal: Pearson's of mean counts over stimuli; its trial noise is not removed, which shrinks it.

    places : (n, 2), the unit (y, x) of each neuron.
    """
    x = np.asarray(counts, np.float64)
    mean = x.mean(1)
    z = (x - mean[:, None]) / np.where(x.std(1, ddof=1) > 0, x.std(1, ddof=1), np.inf)[:, None]
    fit = np.flatnonzero((mean.mean(0) >= LEAST) & (mean.std(0) > 0) & (z.std((0, 1)) > 0))
    chosen = np.sort(np.random.default_rng(seed).permutation(fit)[:most])
    first, second = np.triu_indices(len(chosen), 1)
    noise = np.corrcoef(z[:, :, chosen].reshape(-1, len(chosen)).T)
    signal = np.corrcoef(mean[:, chosen].T)
    where = np.asarray(places, np.float64)[chosen]
    return Pairs(
        noise=np.atleast_2d(noise)[first, second],
        signal=np.atleast_2d(signal)[first, second],
        distance=np.hypot(*(where[first] - where[second]).T),
    )


def binned(x: Array, y: Array, edges: npt.ArrayLike) -> tuple[Array, Array, Array]:
    """Mean of y, its standard error over pairs, and their number, in bins of x; each (bins,), NaN where empty."""
    place = np.digitize(x, np.asarray(edges)) - 1
    bins = len(np.asarray(edges)) - 1
    count = np.array([(place == b).sum() for b in range(bins)], np.float64)
    mean = np.array([y[place == b].mean() if count[b] else np.nan for b in range(bins)])
    error = np.array([y[place == b].std() / np.sqrt(count[b]) if count[b] else np.nan for b in range(bins)])
    return mean, error, count


def participation_ratio(counts: npt.ArrayLike) -> float:
    """(tr C)^2 / tr C^2 of the noise covariance C, averaged over stimuli: how many dimensions the noise has.

    1 for noise along one direction, n for n independent neurons of equal variance. tr C^2 of a sample covariance S with
    v degrees of freedom is biased by (tr C)^2 / v; for Gaussian noise v^2 / ((v - 1) (v + 2)) (tr S^2 - (tr S)^2 / v)
    is not (Srivastava 2005, J. Japan Statist. Soc. 35:251), nor is the likewise corrected (tr C)^2. NaN where trials
    are too few to tell. Cost O(S R^2 n).
    """
    x = np.asarray(counts, np.float64)
    v = x.shape[1] - 1
    squares, traces = [], []
    for trials in x:
        centred = trials - trials.mean(0)
        gram = centred @ centred.T / v
        one, two = np.trace(gram), np.square(gram).sum()
        squares.append(v**2 / ((v - 1) * (v + 2)) * (two - one**2 / v))
        traces.append(one**2 - 2 * squares[-1] / v)
    bottom = float(np.mean(squares))
    return float(np.mean(traces)) / bottom if bottom > 0 else float("nan")


def alignment(counts: npt.ArrayLike, directions: npt.ArrayLike) -> float:
    """Noise variance along directions of stimulus change, over that along an average direction: 1 is isotropic.

    mean over stimuli and their directions u of (u' C u / u' u) / (tr C / n). directions : (S, n), how each stimulus's
    mean response changes; those that are zero are left out.
    """
    x, u = np.asarray(counts, np.float64), np.asarray(directions, np.float64)
    found = []
    for trials, change in zip(x, u, strict=True):
        size = np.square(change).sum()
        spread = trials.var(0, ddof=1).mean()
        if size > 0 and spread > 0:
            found.append((trials @ change).var(ddof=1) / size / spread)
    return float(np.mean(found)) if found else float("nan")


def measures(counts: npt.ArrayLike, places: npt.ArrayLike, before: Array, after: Array) -> dict[str, Any]:
    """Every measure of counts (S, R, n), and samples of what they are means of, for figures.

    places : (n, 2), unit (y, x) of each neuron.  before, after : (S, n), rates for each stimulus, and where it changed.
    """
    found = pairs(counts, places)
    mean, variance = mean_and_variance(counts)
    some = np.random.default_rng(0).permutation(len(mean))[:400]  # as many as a figure shows
    few = np.random.default_rng(1).permutation(len(found.noise))[:1800]  # a figure's error bars need no more
    everywhere = np.random.default_rng(2).normal(size=before.shape) * (before + after > 0)
    return {
        "fano": fano(counts),
        "correlation": float(found.noise.mean()),
        "correlation.spread": float(found.noise.std()),
        "slope.signal": float(np.polyfit(found.signal, found.noise, 1)[0]) if len(found.noise) else float("nan"),
        "participation": participation_ratio(counts),
        "alignment": alignment(counts, after - before),
        "alignment.random": alignment(counts, everywhere),
        "mean": np.float32(mean[some]), "variance": np.float32(variance[some]),
        "pairs.noise": _short(found.noise[few]), "pairs.signal": _short(found.signal[few]),
        "pairs.distance": _short(found.distance[few]),
    }  # fmt: skip


def _short(values: Array) -> npt.NDArray[np.float16]:
    """Two decimals, as a figure shows: a fifth of the bytes."""
    return np.round(values, 2).astype(np.float16)
