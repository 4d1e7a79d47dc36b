"""Brian2's draws of a field against the closed form and the Numba grid's."""

from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise import UnitGrid
from localnoise.spiking import network
from localnoise.streams import Progress

_CHOSEN = 300  # neurons, whose covariances are compared
_REPEATS = 199  # samples of the Numba grid, which say how large a mean z squared is to be expected


def agreement(
    grid: UnitGrid, h: npt.NDArray[Any], count: int, seed: int, target: str, progress: Progress | None = None
) -> dict[str, Any]:
    """Compare `count` draws; h (T >= 4, C, H, W) are activations, which a signal-dependent grid reads.

    field.difference: Brian2's field for the private noise of Numba's draws, largest difference in their SD. z: entries
    of the sample covariance, less those of `grid.covariance()`, in standard errors of Gaussian draws. The entries hang
    together, so that their mean square scatters widely about 1; field.p is the share of samples of Numba's draws, this
    one among them, in which it is as large.
    """
    local = grid.field.signal
    net = network(grid, target=target)
    numba = grid.perturb(h[:4], seed=1) if local else grid.sample(4, seed=1)
    again = net.settle(grid.innovations(numba, h[:4] if local else None), h[:4])
    eta = net.perturb(np.repeat(h[:1], count, 0), seed=seed, progress=progress).reshape(count, -1)
    eta -= grid.mean(h[:1]).reshape(-1) if local else 0
    chosen = np.random.default_rng(0).permutation(eta.shape[1])[:_CHOSEN]
    sigma = grid.covariance()[np.ix_(chosen, chosen)]
    spread = np.sqrt((np.outer(np.diag(sigma), np.diag(sigma)) + sigma**2) / count)
    low = np.tril_indices(len(chosen))

    def z(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        few = x.reshape(count, -1)[:, chosen].astype(np.float64)
        return np.asarray((few.T @ few / count - sigma)[low] / spread[low])

    found = z(eta)
    mean = float(np.square(found).mean())
    others = np.array([np.square(z(grid.sample(count, seed=seed + 1 + turn))).mean() for turn in range(_REPEATS)])
    return {
        "field.difference": float(np.abs(again - numba).max() / numba.std()),
        "field.mean_square_z": mean,
        "field.largest_z": float(np.abs(found).max()),
        "field.p": float((1 + (others >= mean).sum()) / (1 + _REPEATS)),
        "field.numba_mean_square_z": others,
        "field.entries": len(low[0]),
        "field.draws": count,
    }
