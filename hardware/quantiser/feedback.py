"""Rounding weights with feedback: an error is compensated by the weights that are rounded after it.

For a row w of weights on regressors z with second moments H = E[z z'], the variance that a rounded row q leaves is
(w - q) H (w - q)'. With H = R'R, R upper triangular, it is |R (w - q)'|^2, minimised greedily (Babai's nearest plane,
Combinatorica 6, 1986; in reverse order the optimal brain surgeon's rounding, Frantar et al. 2023, arXiv 2210.17323).
Few bits and near-collinear regressors ask for corrections beyond the weights' range, so the factor is damped, more or
less, and of all candidates, plain rounding among them, the one that leaves the least variance is taken.
"""

import numpy as np
import numpy.typing as npt

from localnoise.hardware.kernels.rounding import nearest_plane
from localnoise.hardware.quantiser.target import Floats

DAMPINGS = (1e-6, 1e-3, 1e-2, 1e-1)  # of the mean diagonal of H


def damped(H: Floats, damping: float) -> Floats:
    """H + damping mean(diag H) I, positive definite even where regressors never move."""
    sum_ = H.copy()
    sum_.flat[:: len(H) + 1] += damping * np.trace(H) / len(H) + 1e-30
    return sum_


def round_row(w: Floats, H: Floats, limit: int, factors: list[Floats] | None = None) -> npt.NDArray[np.int64]:
    """Round the weights w (p,), in steps of 1, to [-limit, limit]. Cost O(p^3), O(p^2) given `factors_of(H)`."""
    best = np.clip(np.floor(w + 0.5), -limit, limit).astype(np.int64)
    if not len(w):
        return best
    least = (w - best) @ H @ (w - best)
    for R in factors_of(H) if factors is None else factors:
        q = np.empty(len(w), np.int64)
        nearest_plane(q, w, R, limit)
        left = (w - q) @ H @ (w - q)
        if left < least:
            best, least = q, left
    return best


def factors_of(H: Floats) -> list[Floats]:
    """Upper triangular R with R'R = H, for each damping."""
    return [np.ascontiguousarray(np.linalg.cholesky(damped(H, damping)).T) for damping in DAMPINGS]
