"""Units against units, draws against draws: generators that two units share, and noise that comes again.

Both are correlations of e, blocks of a product of the kept draws with themselves: O(k n^2) and O(k^2 n), memory O(n).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from localnoise.hardware.audit.sums import LAGS

_BLOCK = 1024


@dataclass(frozen=True)
class Pairs:
    """The largest correlations among many.

    Attributes
    ----------
    first, second : (P,) int
        Rows that are alike.
    r : (P,) float64
    p : (P,) float64
        Two-sided; P of them are below the level, over all tests.
    tests : int
        How many pairs were tried.
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    r: npt.NDArray[np.float64]
    p: npt.NDArray[np.float64]
    tests: int


def alike(rows: npt.NDArray[np.float32], level: float) -> Pairs:
    """Return the pairs of rows (n, k), each of mean 0 and independent, whose correlation stands out among all pairs.

    Bonferroni: of sound rows any pair is found with a chance of at most `level`.
    """
    count, length = rows.shape
    tests = max(count * (count - 1) // 2, 1)
    size = np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1))
    unit = (rows / np.where(size > 0, size, 1.0)[:, None]).astype(np.float32)
    least = stats.norm.isf(level / tests / 2) / np.sqrt(max(length, 1))
    found: list[tuple[int, int, float]] = []
    for begin in range(0, count, _BLOCK):
        product = unit[begin : begin + _BLOCK] @ unit[begin:].T
        for i, j in np.argwhere(np.abs(product) > least):
            if j > i:
                found.append((begin + int(i), begin + int(j), float(product[i, j])))
    found.sort(key=lambda one: -abs(one[2]))
    first, second, r = (np.array([one[k] for one in found]) for k in range(3))
    p = 2 * stats.norm.sf(np.abs(r) * np.sqrt(max(length, 1))) if found else np.zeros(0)
    return Pairs(first.astype(np.int64), second.astype(np.int64), r.astype(np.float64), np.asarray(p), tests)


def neurons(kept: npt.NDArray[np.float32], level: float) -> Pairs:
    """Return neurons whose noise is one: rows u m + i of `kept` (k, m, N)."""
    return alike(np.ascontiguousarray(kept.transpose(2, 1, 0).reshape(-1, len(kept))), level)


def draws(kept: npt.NDArray[np.float32], level: float) -> Pairs:
    """Return draws whose noise is one, of `kept` (k, m, N); near ones, within `LAGS`, are the past's to find."""
    found = alike(kept.reshape(len(kept), -1), level)
    far = found.second - found.first > LAGS
    return Pairs(found.first[far], found.second[far], found.r[far], found.p[far], found.tests)
