"""Which faults of which size a number of draws shows: stated beside every verdict.

A fault that moves a normal statistic by d is found with probability Phi(d - c), c the threshold. With c that of
Bonferroni, stricter than the procedure in use, the statements hold or are too modest:

spread       gain of the private noise off by g:   d = ((1 + g)^2 - 1) sqrt(T / (2 + kurtosis))
prediction   gain of a whole unit off by g:        d = g sqrt(sum A^2), A in deviations of the noise
link         a weight off by w steps:              d = w 2^lift sqrt(sum z^2) / deviation
"""

import numpy as np
from scipy import stats

from localnoise.errors import ArgumentError
from localnoise.hardware.audit.judging import FAMILIES
from localnoise.hardware.audit.residuals import Residuals
from localnoise.hardware.audit.sums import Sums

_OFTEN = 0.9


def threshold(level: float, tests: int) -> float:
    """Return where a two-sided normal statistic stands out among so many tests of one family."""
    return float(stats.norm.isf(level / len(FAMILIES) / max(tests, 1) / 2))


def stated(sums: Sums, level: float) -> dict[str, float]:
    """Return what T draws show nine times of ten.

    Returns
    -------
    dict
        "noise_gain", "gain": the least relative error of the private noise's, or of a unit's gain, found in nine
        neurons of ten; "links": the share of weights other than 0 whose loss is found; "bit_K": the share of
        all weights in which a flip of bit K is found; bit 0 is the lowest.
    """
    residuals, bits = sums.residuals, sums.residuals.chip.formats.weight_bits
    neurons = sums.total.size
    far = threshold(level, neurons) + float(stats.norm.ppf(_OFTEN))
    squares = far / np.sqrt(sums.count / (2 + residuals.kurtosis))
    gains = np.where(residuals.tested, np.sqrt(1 + squares) - 1, np.inf)
    whole = far / np.sqrt(np.maximum(sums.prediction_square, 1e-300))
    out = {"noise_gain": float(np.quantile(gains, _OFTEN))}
    out["gain"] = float(np.quantile(np.minimum(gains, whole), _OFTEN))
    tests = sum(int(residuals.causes(unit).sum()) for unit in range(len(sums.cross)))
    far = threshold(level, tests) + float(stats.norm.ppf(_OFTEN))
    lost = there = 0
    flips = np.zeros(bits)
    for unit, power in enumerate(sums.power):
        step = residuals.lifts(unit) * np.sqrt(power) / residuals.deviation[:, unit, None]
        weights, own = residuals.weights(unit), residuals.causes(unit)
        lost += int((np.abs(weights) * step >= far)[weights != 0].sum())
        there += int((weights != 0).sum())
        flips += [float((2.0**bit * step >= far)[own].sum()) for bit in range(bits)]
    out["links"] = lost / there if there else 1.0
    return out | {f"bit_{bit}": float(flips[bit] / max(tests, 1)) for bit in range(bits)}


def draws_needed(residuals: Residuals, gain: float = 0.1, level: float = 0.01) -> int:
    """Return how many draws show that any neuron's private noise is off by a relative error, nine times of ten.

    Raises
    ------
    ArgumentError
        gain is not in (0, 1].
    """
    if not 0 < gain <= 1:
        raise ArgumentError(f"gain={gain!r}: expected a relative error in (0, 1], such as 0.1")
    far = threshold(level, residuals.kurtosis.size) + float(stats.norm.ppf(_OFTEN))
    kurtosis = float(residuals.kurtosis.max())
    return int(np.ceil((2 + kurtosis) * (far / ((1 + gain) ** 2 - 1)) ** 2))
