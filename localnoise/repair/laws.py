"""The laws of a repair's members as arrays: all innovations of the units that vote are one product a unit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localnoise.repair.member import Member
from localnoise.validate import Array

Floats = npt.NDArray[np.float64]
_CHUNK, _TOGETHER, _SUMMED = 256, 16, 16  # activations at a time; members in one product; units summed in its dtype


def voters(shape: tuple[int, int], asks: int) -> npt.NDArray[np.int64]:
    """Return the units on every `asks`-th row and column, counted from near the middle of the first cell."""
    rows, columns = (np.arange(min(asks // 2, (side - 1) // 2), side, asks) for side in shape)
    return (rows[:, None] * shape[1] + columns).reshape(-1)


@dataclass(frozen=True)
class Laws:
    """Laws of J members at V units with m channels, each unit seen with its K parents.

    Attributes
    ----------
    seen : (V, 1 + K)
        The units that each one looks at, itself first.
    law : (V, (1 + K) m + 1, J m)
        Innovations of member j are what is seen, and a 1, times its columns.
    logs : (J,)
        -1/2 of the innovations' squares' sum less `logs` is the log density.
    """

    seen: npt.NDArray[np.int64]
    law: Floats
    logs: Floats

    @classmethod
    def of(cls, members: Sequence[Member], units: npt.NDArray[np.int64], dtype: npt.DTypeLike = np.float64) -> "Laws":
        """Take the laws of some units; cost O(V m^3 (1 + K) J)."""
        first = members[0].law.field
        V, m, J = len(units), first.channels, len(members)
        parents = first.parents[units]
        seen = np.concatenate([units[:, None], np.maximum(parents, 0)], 1)
        law, logs = np.zeros((V, seen.shape[1] * m + 1, J * m), dtype), np.zeros(J)
        for j, member in enumerate(members):
            f = member.law.field
            S = f.S[units].astype(np.float64)
            inverse = np.linalg.inv(S)
            past = -inverse @ f.B[units].astype(np.float64)
            past = past.reshape(V, m, -1, m) * (parents >= 0)[:, None, :, None]
            joint = np.concatenate([inverse, past.reshape(V, m, -1)], 2)
            own = law[:, :, j * m : (j + 1) * m]
            own[:, :-1] = joint.transpose(0, 2, 1)
            mean = member.centre.reshape(m, -1).T.astype(np.float64)
            own[:, -1] = -np.einsum("nij,nj->ni", joint, mean[seen].reshape(V, -1))
            logs[j] = np.log(np.diagonal(S, axis1=1, axis2=2)).sum() + 0.5 * V * m * math.log(2 * math.pi)
        return cls(seen, law, logs)

    def log_densities(self, x: Array) -> Floats:
        """Return log densities per neuron of activations (T, m, N), (T, J).

        The innovations of a few members at a unit are one matrix product, and their sums never leave the cache. In the
        laws' precision but for the sums over 16 units and more.
        """
        V, p, wide = self.law.shape
        J, dtype = len(self.logs), self.law.dtype
        m, most = wide // J, max(min(_CHUNK, len(x)), 1)
        out, block = np.empty((len(x), J)), m * min(_TOGETHER, J)
        seen = np.ones((most, p), dtype)
        for first in range(0, len(x), most):
            part = np.ascontiguousarray(x[first : first + most].transpose(2, 0, 1), dtype)  # (N, t, m)
            t = part.shape[1]
            for column in range(0, wide, block):
                columns = slice(column, min(column + block, wide))
                shape = t, columns.stop - column
                e, few, total = np.empty(shape, dtype), np.zeros(shape, dtype), np.zeros(shape)
                for unit in range(V):
                    for k, other in enumerate(self.seen[unit]):
                        seen[:t, k * m : (k + 1) * m] = part[other]
                    np.matmul(seen[:t], self.law[unit, :, columns], out=e)
                    e *= e
                    few += e
                    if unit % _SUMMED == _SUMMED - 1 or unit == V - 1:
                        total += few
                        few[:] = 0
                members = slice(column // m, columns.stop // m)
                squares = total.reshape(t, -1, m).sum(axis=2)
                out[first : first + t, members] = (-0.5 * squares - self.logs[members]) / (V * m)
        return out
