"""The contribution of each parent to a unit's prediction, from the unit's own second moments: a local computation.

With A = E[z z'] + ridge over the regressors that the unit has now, P = A^-1 and W = E[d z'] P its weights, dropping the
block k of regressors raises the unit's innovation variance by exactly

    c_k = trace(W_k P_kk^-1 W_k')                        the other weights being solved anew
    W <- W - W_k P_kk^-1 P_k:,   P <- P - P_:k P_kk^-1 P_k:

Source: the partitioned inverse (Golub, Van Loan, Matrix Computations, section 2.1.4). Cost O(p^3) to begin, O(p^2 m) to
drop one of a unit's blocks and O(K m^3) for all contributions.
"""

from typing import Any, final

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


@final
class Predictor:
    """One unit's normal equations, from which parents can be dropped one after the other.

    Parameters
    ----------
    A : (p, p)
        Second moment of the regressors, ridge included; the parents' blocks last. Slots without a parent may be zero.
    b : (p, m)
        Second moment of the regressors with the unit's own displacement.
    slots : array of int
        Which of the K parent slots hold a parent.
    many : int
        K.
    """

    def __init__(self, A: Matrix, b: Matrix, slots: npt.NDArray[Any], many: int) -> None:
        self.m = m = b.shape[1]
        fixed = len(A) - many * m  # the constant and the activations: never dropped
        columns = [np.arange(fixed), *(fixed + k * m + np.arange(m) for k in slots)]
        kept = np.concatenate(columns)
        used = kept[np.diagonal(A)[kept] > 0]  # without a ridge, a clipped reader or a silent channel says nothing
        scale = 1 / np.sqrt(np.diagonal(A)[used])
        inner = A[np.ix_(used, used)] * scale[:, None] * scale
        self.P = np.linalg.inv(inner) * scale[:, None] * scale
        self.W = b[used].T @ self.P
        place = {int(column): index for index, column in enumerate(used)}
        blocks = {int(k): [fixed + int(k) * m + c for c in range(m)] for k in slots}
        self.blocks = {k: [place[c] for c in block if c in place] for k, block in blocks.items()}

    def contributions(self) -> dict[int, float]:
        """By how much the trace of the innovation's covariance rises if a slot's parent is dropped."""
        out = {}
        for slot, rows in self.blocks.items():
            W = self.W[:, rows]
            out[slot] = float(np.einsum("ij,ji->", W, np.linalg.solve(self.P[np.ix_(rows, rows)], W.T)))
        return out

    def drop(self, slot: int) -> None:
        """Remove a slot's parent and solve the rest anew."""
        rows = self.blocks.pop(slot)
        gone = np.linalg.solve(self.P[np.ix_(rows, rows)], self.P[rows])
        self.W = self.W - self.W[:, rows] @ gone
        self.P = self.P - self.P[:, rows] @ gone

    def least(self) -> tuple[int, float]:
        """Return the slot that contributes least, and its contribution; of equal ones the farthest parent."""
        found = self.contributions()
        slot = min(found, key=lambda k: (found[k], -k))
        return slot, found[slot]
