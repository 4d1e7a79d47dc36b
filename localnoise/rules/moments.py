"""Local second moments and a local solve: the optimum for the given parents, in one pass."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from localnoise.dense import tolerance
from localnoise.errors import ArgumentError
from localnoise.field import Field, Floats
from localnoise.rules.base import State, check_positive, refuse_overflow, residual_factor

_SUM = 1024  # presentations summed in the field's dtype before they join the float64 total
_GATHER = 2**23  # numbers gathered at a time


@dataclass(frozen=True, kw_only=True)
class Moments:
    """W_u = M_uz (M_zz + lambda I)^-1,  S_u S_u' = M_uu + lambda I - W_u M_zu, from the running moments of [z_u; d_u].

    This is the Kullback-Leibler optimal field of the second moment C + lambda I for the given parents: with
    lambda = the central ridge, local and central factor the same matrix (Schafer, Katzfuss, Owhadi 2021, theorem 2.1).
    Cost O((p + m)^2) a presentation and unit, O(p^3) a unit to settle; state (p + m)^2 float64 a unit.

    Parameters
    ----------
    ridge : float
        lambda, added to the variance of every displacement and activation (not of the constant 1), in squared
        activation units. The paper adds 1e-4 to its covariance.
    """

    name: ClassVar[str] = "moments"
    ridge: float = 1e-4

    def __post_init__(self) -> None:
        check_positive("ridge", self.ridge, zero=True)

    def start(self, field: Field) -> State:
        """Zero moments."""
        side = field.regressors + field.channels
        return {"seen": 0, "moments": np.zeros((len(field.order), side, side))}

    def observe(self, field: Field, state: State, d: Floats, h: Floats) -> None:
        """Add the presentations' outer products: a gather in Numba, then the BLAS (syrk), in float32 sums of 1,024."""
        from localnoise.kernels.learning import present

        moments, side = state["moments"], field.regressors + field.channels
        block = max(1, _GATHER // (_SUM * side))
        for first in range(0, len(d), _SUM):
            part, activation = d[first : first + _SUM], h[first : first + _SUM]
            for unit in range(0, len(moments), block):
                Z = np.empty((min(block, len(moments) - unit), len(part), side), d.dtype)
                present(Z, part, activation, field.parents, field.readers, field.signal, unit)
                with np.errstate(over="ignore", invalid="ignore"):  # settle refuses what overflows
                    moments[unit : unit + block] += Z.transpose(0, 2, 1) @ Z
        state["seen"] += len(d)

    def settle(self, field: Field, state: State) -> None:
        """Solve each unit's normal equations. A missing neighbour gets weight zero."""
        p, m = field.regressors, field.channels
        if self.ridge == 0 and state["seen"] < p + m:
            raise ArgumentError(
                f"d has {state['seen']} samples in all: expected at least {p + m} (regressors + channels of a unit) "
                "without a ridge; give more samples or a ridge > 0"
            )
        penalty = np.full(p, self.ridge)
        if field.signal:
            penalty[0] = 0
        step = max(1, 2**24 // (p + m) ** 2)
        W = np.empty((len(field.order), m, p))
        residual = np.empty((len(field.order), m, m))
        own = np.empty((len(field.order), m))
        for first in range(0, len(W), step):
            rows = slice(first, first + step)
            refuse_overflow(state["moments"][rows], field.S.dtype)
            M = state["moments"][rows] / state["seen"]
            A, b, power = M[:, :p, :p], M[:, :p, p:], M[:, p:, p:]
            own[rows] = np.diagonal(power, axis1=1, axis2=2)
            silent = np.diagonal(A, axis1=1, axis2=2) + penalty == 0
            A = A + np.eye(p) * (penalty + silent)[:, None, :]
            W[rows] = _solve(A, b, self.ridge, field.S.dtype).transpose(0, 2, 1)
            Wb = W[rows] @ b
            # equal to power - W b at the optimum, but never negative
            residual[rows] = power - Wb - Wb.transpose(0, 2, 1) + W[rows] @ A @ W[rows].transpose(0, 2, 1)
        field.assign(W, residual_factor(residual, own, self.ridge, field.S.dtype))


def _solve(A: Floats, b: Floats, ridge: float, dtype: Any) -> Floats:
    scale = 1 / np.sqrt(np.diagonal(A, axis1=1, axis2=2))
    try:
        if ridge == 0 and np.linalg.eigvalsh(A * scale[:, :, None] * scale[:, None, :]).min() <= tolerance(dtype):
            raise np.linalg.LinAlgError
        return np.linalg.solve(A, b)
    except np.linalg.LinAlgError:
        raise ArgumentError(
            f"ridge={ridge:g}: a unit's neighbours move in exact proportion, so their second moment is singular; "
            f"expected a larger ridge; use ridge={max(1e-4, 10 * ridge):g} or give more samples"
        ) from None
