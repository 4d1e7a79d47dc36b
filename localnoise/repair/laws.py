"""The laws of a repair's members as arrays: all innovations of the units that vote are one product a unit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localnoise.repair.member import Member
from localnoise.validate import Array

Floats = npt.NDArray[np.float64]
_CHUNK = 256  # activations whose neighborhoods are gathered at a time


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
    law : (V, (1 + K) m, J m)
        Innovations of member j are what is seen, times its columns, less `centre`.
    centre : (V, J m)
    logs : (J,)
        -1/2 of the innovations' squares' sum less `logs` is the log density.
    """

    seen: npt.NDArray[np.int64]
    law: Floats
    centre: Floats
    logs: Floats

    @classmethod
    def of(cls, members: Sequence[Member], units: npt.NDArray[np.int64]) -> "Laws":
        """Take the laws of some units; cost O(V m^3 (1 + K) J)."""
        first = members[0].law.field
        V, m, J = len(units), first.channels, len(members)
        parents = first.parents[units]
        seen = np.concatenate([units[:, None], np.maximum(parents, 0)], 1)
        law, centre, logs = np.zeros((V, seen.shape[1] * m, J * m)), np.zeros((V, J * m)), np.zeros(J)
        for j, member in enumerate(members):
            f = member.law.field
            S = f.S[units].astype(np.float64)
            inverse = np.linalg.inv(S)
            past = -inverse @ f.B[units].astype(np.float64)
            past = past.reshape(V, m, -1, m) * (parents >= 0)[:, None, :, None]
            joint = np.concatenate([inverse, past.reshape(V, m, -1)], 2)
            law[:, :, j * m : (j + 1) * m] = joint.transpose(0, 2, 1)
            mean = member.centre.reshape(m, -1).T.astype(np.float64)
            centre[:, j * m : (j + 1) * m] = np.einsum("nij,nj->ni", joint, mean[seen].reshape(V, -1))
            logs[j] = np.log(np.diagonal(S, axis1=1, axis2=2)).sum() + 0.5 * V * m * math.log(2 * math.pi)
        return cls(seen, law, centre, logs)

    def log_densities(self, x: Array) -> Floats:
        """Return log densities per neuron of activations (T, m, N), (T, J); in the precision of x but for the sums."""
        V, _, wide = self.law.shape
        J, m = len(self.logs), wide // len(self.logs)
        law, centre, out = self.law.astype(x.dtype), self.centre.astype(x.dtype), np.empty((len(x), J))
        for first in range(0, len(x), _CHUNK):
            part = x[first : first + _CHUNK]
            seen = part.transpose(2, 0, 1)[self.seen].transpose(0, 2, 1, 3).reshape(V, len(part), -1)
            e = seen @ law - centre[:, None]
            squares = np.square(e, dtype=np.float64).reshape(V, len(part), J, m).sum(axis=(0, 3))
            out[first : first + len(part)] = (-0.5 * squares - self.logs) / (V * m)
        return out
