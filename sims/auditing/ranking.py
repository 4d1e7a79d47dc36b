"""How well a score tells two groups apart: the area under the ROC curve, with its interval."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
_Z = 1.959964


def auroc(strange: Floats, usual: Floats) -> float:
    """Return the chance that a strange one scores above a usual one, ties by half (Mann and Whitney 1947)."""
    scores = np.concatenate([np.ravel(strange), np.ravel(usual)]).astype(np.float64)
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    n, m = strange.size, usual.size
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def half_width(area: float, strange: int, usual: int) -> float:
    """Return half of the 95 % interval of an area from so many of both (Hanley and McNeil 1982)."""
    above, below = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (strange - 1) * (above - area**2) + (usual - 1) * (below - area**2)
    return float(_Z * np.sqrt(max(variance, 0.0) / (strange * usual)))
