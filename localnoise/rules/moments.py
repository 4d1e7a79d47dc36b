"""Local second moments and a local solve: the optimum for the given parents, in one pass."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.field import Field, Floats
from localnoise.narrow import NarrowField
from localnoise.rules.base import (
    RULES,
    State,
    check_ridge,
    chosen_ridge,
    own_numbers,
    refuse_overflow,
    residual_factor,
    solved,
)
from localnoise.rules.pooled import settle_narrow

_SUM = 1024  # presentations summed in the field's dtype before they join the float64 total


@RULES.register("moments")
@dataclass(frozen=True, kw_only=True)
class Moments:
    """W_u = M_uz (M_zz + lambda I)^-1,  S_u S_u' = M_uu + lambda I - W_u M_zu, from the running moments of [z_u; d_u].

    This is the Kullback-Leibler optimal field of the second moment C + lambda I for the given parents: with
    lambda = the central ridge, local and central factor the same matrix (Schafer, Katzfuss, Owhadi 2021, theorem 2.1).
    Cost: at most (p + m)^2 / 2 products a presentation and unit, less what neighbours share (`Pairs`); O(p^3) a unit to
    settle. State: the moments of the pairs, float64.
    With `share` or a `rank` the weights are those of `localnoise.rules.pooled`, from the same moments.

    Parameters
    ----------
    ridge : float or "auto"
        lambda, added to the variance of every displacement and activation (not of the constant 1), in squared
        activation units. The paper adds 1e-4 to its covariance. "auto": `UnitGrid.learn` chooses
        it on held-out displacements.
    """

    name: ClassVar[str] = "moments"
    ridge: float | str = 1e-4

    def __post_init__(self) -> None:
        check_ridge(self.ridge)
        own_numbers(self)

    def start(self, field: Field) -> State:
        """Zero moments: those of pairs of neighbours, and the sums that the constant 1 needs."""
        m, pairs = field.channels, field.pairs
        items = len(pairs.first) - 1
        return {"seen": 0, "pairs": np.zeros((len(pairs.other), m, m)), "sums": np.zeros((items, m))}

    def observe(self, field: Field, state: State, d: Floats, h: Floats) -> None:
        """Add the presentations' outer products, in sums of 1,024 in the field's dtype."""
        from localnoise.kernels.moments import add_pairs, channels_innermost

        units, m = field.a.shape
        memory = np.empty((min(_SUM, len(d)), len(state["sums"]), m), d.dtype)
        for first in range(0, len(d), _SUM):
            part = d[first : first + _SUM]
            x = memory[: len(part)]
            channels_innermost(x, part, 0)
            if field.signal:
                channels_innermost(x, h[first : first + _SUM], units)
                state["sums"] += x.sum(axis=0, dtype=np.float64)
            add_pairs(state["pairs"], x, field.pairs.first, field.pairs.other)
        state["seen"] += len(d)

    def moments(self, field: Field, state: State, rows: slice) -> Floats:
        """Sums of `[z_u; d_u]` [z_u; d_u]' of some units, (units, p + m, p + m) float64."""
        between = field.pairs.assembled(state["pairs"], rows)
        if not field.signal:
            return between
        items = field.pairs.items[rows]
        own = np.where((items >= 0)[:, :, None], state["sums"][items], 0).reshape(len(items), -1)
        out = np.empty((len(items), own.shape[1] + 1, own.shape[1] + 1))
        out[:, 0, 0], out[:, 0, 1:], out[:, 1:, 0], out[:, 1:, 1:] = state["seen"], own, own, between
        return out

    def statistics(self, field: Field, state: State, unit: int) -> State:
        """The unit's own sums, `moments`, as `moments` gives them."""
        return {"seen": state["seen"], "moments": self.moments(field, state, slice(unit, unit + 1))[0]}

    def settle(self, field: Field, state: State) -> None:
        """Solve each unit's normal equations, or those of its places. A missing neighbour gets weight zero."""
        p, m, ridge = field.regressors, field.channels, chosen_ridge(self.ridge)
        if isinstance(field, NarrowField):
            settle_narrow(field, partial(self.moments, field, state), state["seen"], ridge)
            return
        if ridge == 0 and state["seen"] < p + m:
            raise ArgumentError(
                f"d has {state['seen']} samples in all: expected at least {p + m} (regressors + channels of a unit) "
                "without a ridge; give more samples or a ridge > 0"
            )
        penalty = np.full(p, ridge)
        if field.signal:
            penalty[0] = 0
        step = max(1, 2**24 // (p + m) ** 2)
        W = np.empty((len(field.order), m, p))
        residual = np.empty((len(field.order), m, m))
        own = np.empty((len(field.order), m))
        for first in range(0, len(W), step):
            rows = slice(first, first + step)
            M = self.moments(field, state, rows) / state["seen"]
            refuse_overflow(M, field.S.dtype)
            A, b, power = M[:, :p, :p], M[:, :p, p:], M[:, p:, p:]
            own[rows] = np.diagonal(power, axis1=1, axis2=2)
            silent = np.diagonal(A, axis1=1, axis2=2) + penalty == 0
            A = A + np.eye(p) * (penalty + silent)[:, None, :]
            W[rows] = solved(A, b, ridge, field.S.dtype).transpose(0, 2, 1)
            Wb = W[rows] @ b
            # equal to power - W b at the optimum, but never negative
            residual[rows] = power - Wb - Wb.transpose(0, 2, 1) + W[rows] @ A @ W[rows].transpose(0, 2, 1)
        field.assign(W, residual_factor(residual, own, ridge, field.S.dtype))
