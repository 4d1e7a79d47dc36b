"""The laws of a repair's members as arrays for tensors: all members' innovations are one product a unit."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.repair import Repair

Floats = npt.NDArray[np.float64]


def laws(repair: Repair) -> tuple[npt.NDArray[Any], Floats, Floats, Floats]:
    """Return parents (N, 1 + K), itself first, law (N, (1 + K) m, J m), centre (N, J m) and logs (J,).

    Innovations of member j at a unit are what it sees, (1 + K) m numbers, times its columns of `law`, less `centre`;
    -1/2 of their squares' sum less `logs` is the log density.
    """
    c = repair.config
    N, m, J = c.units, c.channels, len(repair.members)
    first = repair.members[0].law.field
    parents = np.concatenate([np.arange(N)[:, None], np.maximum(first.parents, 0)], 1)
    law, centre, logs = np.zeros((N, parents.shape[1] * m, J * m)), np.zeros((N, J * m)), np.zeros(J)
    for j, member in enumerate(repair.members):
        f = member.law.field
        inverse = np.linalg.inv(f.S.astype(np.float64))
        past = -inverse @ f.B.astype(np.float64)
        past = past.reshape(N, m, -1, m) * (f.parents >= 0)[:, None, :, None]
        joint = np.concatenate([inverse, past.reshape(N, m, -1)], 2)
        law[:, :, j * m : (j + 1) * m] = joint.transpose(0, 2, 1)
        mean = member.centre.reshape(m, N).T.astype(np.float64)
        seen = mean[parents].reshape(N, -1)
        centre[:, j * m : (j + 1) * m] = np.einsum("nij,nj->ni", joint, seen)
        logs[j] = np.log(np.diagonal(f.S, axis1=1, axis2=2).astype(np.float64)).sum() + 0.5 * N * m * math.log(
            2 * math.pi
        )
    return parents, law, centre, logs
