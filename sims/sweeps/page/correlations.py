"""How much each unit's noise goes with each other's: the picture beside a pinned unit."""

from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise import UnitGrid

_EXACT_NEURONS = 4096
_DRAWS = 4096


def correlations(grid: UnitGrid) -> tuple[npt.NDArray[np.float64], str]:
    """Mean over channels c of corr(eta_uc, eta_vc) of all pairs of units, (N, N), and how it was found.

    Exact up to 4,096 neurons, O(n^3); beyond, of 4,096 draws of a fixed seed, standard error at most 0.016.
    """
    units, m = grid.config.units, grid.config.channels
    if grid.config.neurons <= _EXACT_NEURONS:
        blocks: Any = grid.covariance().reshape(m, units, m, units)
        return _mean([blocks[c, :, c] for c in range(m)]), "exact"
    draws = grid.sample(_DRAWS).reshape(_DRAWS, m, units)
    return _mean([draws[:, c].T @ draws[:, c] / _DRAWS for c in range(m)]), f"from {_DRAWS:,} draws, error about 0.01"


def _mean(covariances: list[Any]) -> npt.NDArray[np.float64]:
    total = np.zeros(covariances[0].shape)
    for covariance in covariances:
        deviation = np.sqrt(np.diagonal(covariance))
        total += covariance / np.outer(deviation, deviation)
    return np.clip(total / len(covariances), -1, 1)
