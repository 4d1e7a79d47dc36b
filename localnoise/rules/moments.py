"""Local second moments and a local solve: the optimum for the given parents, in one pass."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.field import Field, Floats
from localnoise.kernels.threads import worker_count
from localnoise.narrow import NarrowField
from localnoise.rules.base import (
    LARGE,
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
_CACHED, _MOST = 2**17, 2**25  # moments at a time: what a core's cache holds; at most, for all threads, 256 MB


@RULES.register("moments")
@dataclass(frozen=True, kw_only=True)
class Moments:
    """W_u = M_uz (M_zz + lambda I)^-1,  S_u S_u' = M_uu + lambda I - W_u M_zu, from the running moments of [z_u; d_u].

    This is the Kullback-Leibler optimal field of the second moment C + lambda I for the given parents: with
    lambda = the central ridge, local and central factor the same matrix (Schafer, Katzfuss, Owhadi 2021, theorem 2.1).
    Cost: at most (p + m)^2 / 2 products a presentation and unit, less what neighbors share (`Pairs`); O(p^3) a unit to
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
    summary: ClassVar[str] = "Each unit solves its regression from running second moments: one pass, the optimum."
    ridge: float | str = 1e-4

    def __post_init__(self) -> None:
        check_ridge(self.ridge)
        own_numbers(self)

    def start(self, field: Field) -> State:
        """Zero moments: those of pairs of neighbors, and the sums that the constant 1 needs.

        Parameters
        ----------
        field : Field
            As `Rule.start` takes it.

        Returns
        -------
        dict
            `pairs` (pairs, m, m) and `sums` (items, m), float64, and `seen`.
        """
        m, pairs = field.channels, field.pairs
        items = len(pairs.first) - 1
        return {"seen": 0, "pairs": np.zeros((len(pairs.other), m, m)), "sums": np.zeros((items, m))}

    def observe(self, field: Field, state: State, d: Floats, h: Floats) -> None:
        """Add the presentations' outer products, in sums of 1,024 in the field's dtype.

        Parameters
        ----------
        field, state, d, h
            As `Rule.observe` takes them.
        """
        from localnoise.kernels.moments import add_pairs, channels_innermost

        (units, m), pairs = field.a.shape, field.pairs
        longest = min(_SUM, len(d)) | 1  # items an odd number of lines apart, or they would share a cache's sets
        x = np.empty((len(state["sums"]), longest, m), d.dtype)
        for first in range(0, len(d), _SUM):
            part = d[first : first + _SUM]
            channels_innermost(x, part, 0)
            if field.signal:
                channels_innermost(x, h[first : first + _SUM], units)
                state["sums"] += x[:, : len(part)].sum(axis=1, dtype=np.float64)
            add_pairs(state["pairs"], x, len(part), pairs.first, pairs.other)
        state["seen"] += len(d)

    def merged(self, state: State, other: State) -> State:
        """Return the statistics of two parts together: their sums, a new dict.

        Parameters
        ----------
        state, other : dict
            Of the same field and rule; left as they are.

        Returns
        -------
        dict
            As `start` returns it.
        """
        return {name: value + other[name] for name, value in state.items()}

    def moments(self, field: Field, state: State, rows: slice) -> Floats:
        """Return the sums of x x' over the presentations, for some units; x = `[z_u; d_u]`.

        Parameters
        ----------
        field, state
            As `observe` left them.
        rows : slice
            Of units u = y W + x.

        Returns
        -------
        ndarray of float64, (units, p + m, p + m)
            p regressors, m channels of the unit itself.
        """
        if not field.signal:
            return field.pairs.assembled(state["pairs"], rows)
        out = field.pairs.assembled(state["pairs"], rows, 1)
        items = field.pairs.items[rows]
        own = np.where((items >= 0)[:, :, None], state["sums"][items], 0).reshape(len(items), -1)
        out[:, 0, 0], out[:, 0, 1:], out[:, 1:, 0] = state["seen"], own, own
        return out

    def statistics(self, field: Field, state: State, unit: int) -> State:
        """Return the unit's own sums.

        Parameters
        ----------
        field, state, unit
            As `Rule.statistics` takes them.

        Returns
        -------
        dict
            `moments`, (p + m, p + m), as `moments` gives them, and `seen`.
        """
        return {"seen": state["seen"], "moments": self.moments(field, state, slice(unit, unit + 1))[0]}

    def settle(self, field: Field, state: State) -> None:
        """Solve each unit's normal equations, or those of its places. A missing neighbor gets weight zero.

        Parameters
        ----------
        field, state
            As `Rule.settle` takes them.

        Raises
        ------
        ArgumentError
            Moments that are singular, or overflow; too few presentations without a ridge; the ridge is "auto", and
            nothing has chosen it.
        """
        p, m, ridge = field.regressors, field.channels, chosen_ridge(self.ridge)
        if isinstance(field, NarrowField):
            settle_narrow(field, partial(self.moments, field, state), state["seen"], ridge)
            return
        W = np.empty((len(field.order), m, p))
        residual, own = np.empty((len(W), m, m)), np.empty((len(W), m))
        for rows, A, b, power in self._equations(field, state, ridge):
            own[rows] = np.diagonal(power, axis1=1, axis2=2)
            _add_ridge(A, ridge, field.signal)
            W[rows] = solved(A, b, ridge, field.S.dtype).transpose(0, 2, 1)
            Wb = W[rows] @ b
            # equal to power - W b at the optimum, but never negative
            residual[rows] = power - Wb - Wb.transpose(0, 2, 1) + W[rows] @ A @ W[rows].transpose(0, 2, 1)
        field.assign(W, residual_factor(residual, own, ridge, field.S.dtype))

    def means(self, field: Field, state: State, ridges: Sequence[float]) -> list[Floats | None]:
        """Return the weights of each ridge: what a mean needs, without noise.

        They are those of `settle`, to the bit. A unit's moments are read once for all ridges; no residual is factored.

        Parameters
        ----------
        field, state
            As `observe` left them; not changed.
        ridges : sequence of float
            In squared activation units, >= 0.

        Returns
        -------
        list of ndarray of float64, (N, m, p), or None
            One for each ridge, None for one without a solution.
        """
        p, m = field.regressors, field.channels
        out: list[Floats | None] = [np.empty((len(field.order), m, p)) for _ in ridges]
        for rows, A, b, _ in self._equations(field, state, max(ridges)):
            for k, ridge in enumerate(ridges):
                W = out[k]
                if W is None:
                    continue
                own = A.copy() if k + 1 < len(ridges) else A
                _add_ridge(own, ridge, field.signal)
                try:
                    W[rows] = solved(own, b, ridge, field.S.dtype).transpose(0, 2, 1)
                except ArgumentError:  # too small for what rounding left of the moments
                    out[k] = None
        return out

    def _equations(self, field: Field, state: State, ridge: float) -> Iterator[tuple[slice, Floats, Floats, Floats]]:
        """Yield (units, M_zz, M_uz', M_uu) of a few units at a time; they may be changed."""
        p, m = field.regressors, field.channels
        if ridge == 0 and state["seen"] < p + m:
            raise ArgumentError(
                f"d has {state['seen']} samples in all: expected at least {p + m} (regressors + channels of a unit) "
                "without a ridge; give more samples or a ridge > 0"
            )
        size = (p + m) ** 2
        step = max(1, _CACHED // size)
        if p >= LARGE:
            threads = worker_count()
            step = max(step, min(_MOST // size, 3 * threads) // threads * threads)
        for first in range(0, len(field.order), step):
            rows = slice(first, first + step)
            M = self.moments(field, state, rows)
            M /= state["seen"]
            refuse_overflow(M, field.S.dtype)
            yield rows, M[:, :p, :p], M[:, :p, p:], M[:, p:, p:]


def _add_ridge(A: Floats, ridge: float, signal: bool) -> None:
    """Add the ridge in place, not to the constant 1; what never moves gets 1, and weight zero."""
    diagonal = np.einsum("nii->ni", A)  # a view
    penalty = np.full(diagonal.shape[1], ridge)
    if signal:
        penalty[0] = 0
    diagonal += penalty + (diagonal + penalty == 0)
