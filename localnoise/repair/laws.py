"""The laws of a repair's members as arrays, so that what a unit sees is gathered once for all of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localnoise.drawing import tile_of
from localnoise.repair.member import Member
from localnoise.validate import Array

Floats = npt.NDArray[np.float64]


def voters(shape: tuple[int, int], asks: int) -> npt.NDArray[np.int64]:
    """Return the units on every `asks`-th row and column, counted from near the middle of the first cell."""
    rows, columns = (np.arange(min(asks // 2, (side - 1) // 2), side, asks) for side in shape)
    return (rows[:, None] * shape[1] + columns).reshape(-1)


@dataclass(frozen=True)
class Laws:
    """Laws of J members at V units with m channels, each unit seen with its K parents.

    Attributes
    ----------
    seen : (V, 1 + K), int32
        The units that each one looks at, itself first.
    law : (V, J, m, (1 + K) m)
        Whitened innovations of member j are `law` times what is seen, plus `offset`.
    offset : (V, J, m)
    logs : (J,)
        -1/2 of the innovations' squares' sum less `logs` is the log density.
    """

    seen: npt.NDArray[np.int32]
    law: Array
    offset: Array
    logs: Floats

    @classmethod
    def of(cls, members: Sequence[Member], units: npt.NDArray[np.int64], dtype: npt.DTypeLike = np.float64) -> "Laws":
        """Take the laws of some units; cost O(V m^3 (1 + K) J)."""
        first = members[0].law.field
        V, m, J = len(units), first.channels, len(members)
        parents = first.parents[units]
        seen = np.concatenate([units[:, None], np.maximum(parents, 0)], 1)
        law, offset = np.zeros((V, J, m, seen.shape[1] * m), dtype), np.zeros((V, J, m), dtype)
        logs = np.zeros(J)
        for j, member in enumerate(members):
            f = member.law.field
            S = f.S[units].astype(np.float64)
            inverse = np.linalg.inv(S)
            past = -inverse @ f.B[units].astype(np.float64)
            past = past.reshape(V, m, -1, m) * (parents >= 0)[:, None, :, None]
            joint = np.concatenate([inverse, past.reshape(V, m, -1)], 2)
            law[:, j] = joint
            mean = member.centre.reshape(m, -1).T.astype(np.float64)
            offset[:, j] = -np.einsum("nij,nj->ni", joint, mean[seen].reshape(V, -1))
            logs[j] = np.log(np.diagonal(S, axis1=1, axis2=2)).sum() + 0.5 * V * m * math.log(2 * math.pi)
        return cls(seen.astype(np.int32), law, offset, logs)

    def log_densities(self, x: Array) -> Floats:
        """Return log densities per neuron of activations (T, m, N), (T, J), at a cost of O(T V J m^2 (1 + K)).

        In the laws' precision but for the sums over 16 units and more.
        """
        from localnoise.kernels.votes import squares

        V, J, m = self.offset.shape
        tile, out = tile_of(m, len(x), x.shape[2]), np.empty((len(x), J))
        activity = np.ascontiguousarray(x, self.law.dtype)
        squares(out, activity, self.seen, self.law, self.offset, tile, parts=-(-len(x) // tile))
        return np.asarray((-0.5 * out - self.logs) / (V * m))
