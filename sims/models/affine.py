"""An affine map between whole layers, by least squares; the ridge is the one that serves held-out rows best."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
RIDGES = (1e-4, 1e-3, 1e-2)  # of the mean square of the inputs, as local ways back try them
KEPT = 256  # rows that are held out, at most
_CHUNK = 2048


@dataclass(frozen=True)
class Affine:
    """y = x G + a.

    Attributes
    ----------
    G : (n, n)
    a : (n,)
    """

    G: Floats
    a: Floats

    @property
    def parameters(self) -> int:
        """Numbers that it needs."""
        return self.G.size + self.a.size


def least_squares(x: Floats, y: Floats, on_rows: Callable[[int], None] = lambda rows: None) -> Affine:
    """Return the map from rows x (T, n) to rows y (T, m) of least squared error; O(T n^2 + n^3).

    The last fifth, at most `KEPT` rows, is not learned from; on it the ridge is chosen.
    """
    learned = len(x) - min(KEPT, len(x) // 5)
    mean_x, mean_y = (z[:learned].mean(axis=0, dtype=np.float64) for z in (x, y))
    n, power = x.shape[1], 0.0
    moments, cross = np.zeros((n, n)), np.zeros((n, y.shape[1]))
    for first in range(0, learned, _CHUNK):
        rows = slice(first, min(first + _CHUNK, learned))
        dx, dy = (x[rows] - mean_x).astype(np.float32), (y[rows] - mean_y).astype(np.float32)
        moments += dx.T @ dx
        cross += dx.T @ dy
        power += float(np.square(x[rows], dtype=np.float64).sum())
        on_rows(rows.stop - rows.start)
    unit = power / (learned * n) or 1.0
    best: Any = None
    for ridge in RIDGES:
        G = np.linalg.solve(moments / learned + ridge * unit * np.eye(n), cross / learned)
        a = mean_y - mean_x @ G
        found = Affine(G.astype(np.float32), a.astype(np.float32))
        error = float(np.square(x[learned:] @ found.G + found.a - y[learned:]).sum())
        if best is None or error < best[0]:
            best = error, found
    return best[1]  # type: ignore[no-any-return]
