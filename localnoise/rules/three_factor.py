"""Learning from rewards of a grid's own draws: own innovation, own regressors, and one number for all units."""

from dataclasses import dataclass
from typing import Any, ClassVar, Never, Protocol, TypeGuard

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.field import Field, Floats
from localnoise.rules.base import RULES, Rule, State, check_positive, own_numbers, solved
from localnoise.validate import Array, as_array

_TOGETHER = 2**22  # numbers of the moments that are solved at once


class Rewarded(Rule, Protocol):
    """A rule that learns from draws and their rewards, in the place of displacements."""

    def reward(self, field: Field, state: State, eta: Floats, h: Floats, told: Floats) -> None:
        """Learn from draws eta of the field as it is, as `observe` does from displacements; told : (T,), broadcast."""


def is_rewarded(rule: Rule) -> TypeGuard[Rewarded]:
    """Return whether a rule learns from rewards."""
    return callable(getattr(rule, "reward", None))


@RULES.register("three-factor")
@dataclass(frozen=True, kw_only=True)
class ThreeFactor:
    """W_u += rate sum_t r_t e_ut z_ut' / sum_t (floor + |z_ut|^2);  S_u follows xi_ut xi_ut' by `spread`.

    eta_u / g_u = W_u z_u + e_u is what unit u has drawn, xi_u = S_u^-1 e_u, r_t the reward of the draw less the mean
    of the others', in units of their standard deviation. (S_u S_u')^-1 e z' is the score d log p(eta_u | z_u) / d W_u:
    on average the step climbs the expected reward (REINFORCE, Williams 1992, Machine Learning 8, section 5). Where
    regressors go together it is no natural gradient: the Fisher matrix of W_u is (S_u S_u')^-1 (x) E[z z'], and of
    E[z z'] the step is divided by the trace alone. With `decorrelate` it is one,

        W_u += rate E[r e z'] (E[z z'] + floor I)^-1,

    both means the unit's own, over the draws: node perturbation with decorrelated regressors. With a spread likewise

        S_u <- S_u (L + exp(D)),  L + D = spread Phi(sum_t r_t (xi_ut xi_ut' - I) / T),

    Phi the lower triangle with half of the diagonal D: positive whatever the rewards. A unit reads its own draw, its
    parents', the activations of its neighbors, and one number a presentation. The gain stays as it is. Cost
    O(T m (p + m)) a unit, with `decorrelate` O(T p^2 + p^3) more.

    Parameters
    ----------
    rate : float
        >= 0; the step of W. With `decorrelate` in units of the weights that one standard deviation of reward explains,
        E[r e z'] E[z z']^-1. Without it a unit of p regressors of equal variance takes a p-th of that: .1 is a small
        step whatever the unit, p a whole one.
    spread : float
        >= 0; the step of S. 0: S stays as it is.
    floor : float
        Added to |z|^2, or with `decorrelate` to the mean square of each regressor; > 0.
    decorrelate : bool
        Whether a unit solves with the second moment of its regressors.
    """

    name: ClassVar[str] = "three-factor"
    summary: ClassVar[str] = "Steps along what a unit did, weighted by a reward that is told afterwards."
    rate: float = 0.1
    spread: float = 0.0
    floor: float = 1e-3
    decorrelate: bool = False

    def __post_init__(self) -> None:
        check_positive("rate", self.rate, zero=True)
        check_positive("spread", self.spread, zero=True)
        check_positive("floor", self.floor)
        if not isinstance(self.decorrelate, bool):
            raise ArgumentError(f"decorrelate={self.decorrelate!r}: expected True or False")
        if self.rate == self.spread == 0:
            raise ArgumentError("rate=0 and spread=0: expected one of them above 0; nothing would be learned")
        own_numbers(self)

    def start(self, field: Field) -> State:
        """Begin from the field's own weights, of which the draws are.

        Parameters
        ----------
        field : Field
            As `Rule.start` takes it.

        Returns
        -------
        dict
            Weights W and S, sums `total` (N, m, p), `square` (N, m, m), `power` (N,), with `decorrelate` `moment`
            (N, p, p), and `seen`.
        """
        W, S = field.weights, field.S.copy()
        sums = {"total": np.zeros(W.shape), "square": np.zeros(S.shape), "power": np.zeros(len(W))}
        if self.decorrelate:
            sums["moment"] = np.zeros((len(W), W.shape[2], W.shape[2]))
        return {"seen": 0, "W": W, "S": S} | sums

    def observe(self, field: Field, state: State, d: Floats, h: Floats) -> Never:
        """Refuse displacements: nobody has said what they are good for.

        Parameters
        ----------
        field, state, d, h
            As `Rule.observe` takes them.

        Raises
        ------
        ArgumentError
            Always: learn from rewards.
        """
        raise ArgumentError(
            "rule 'three-factor' learns from rewards of the grid's own draws, and none were given: expected "
            "learn(eta, rule='three-factor', rewards=...), eta as sample() or perturb(h) gave it"
        )

    def reward(self, field: Field, state: State, eta: Floats, h: Floats, told: Floats) -> None:
        """Add draws and their rewards to the sums, in float64.

        Parameters
        ----------
        field : Field
            Of which the draws are; not changed.
        state : dict
            Updated in place.
        eta : (T, m, N)
            Draws, gain included.
        h : (T, m, N) with signal dependence, else (T, m, 0)
            Activations that they were drawn for.
        told : (T,)
            What is broadcast: the reward less that of the others, in their standard deviations.
        """
        from localnoise.kernels.reinforcing import three_factor

        moment = state.get("moment", np.zeros((len(state["W"]), 0, 0)))
        sums = (state["total"], state["square"], state["power"], moment, state["W"], state["S"])
        wires = (field.gain, field.parents, field.readers, field.signal)
        three_factor(*sums, eta, h, *wires, told.astype(np.float64), float(self.floor))
        state["seen"] += len(eta)

    def settle(self, field: Field, state: State) -> None:
        """Take the step; the gain stays.

        Parameters
        ----------
        field, state
            As `Rule.settle` takes them.
        """
        gain, (W, S) = field.gain, (state["W"].astype(np.float64), state["S"].astype(np.float64))
        if self.rate:
            W += self.rate * self.step(field, state)
        if self.spread:
            M = self.spread * np.tril(state["square"]) / state["seen"]
            diagonal = np.exp(np.einsum("nii->ni", M) / 2)
            np.einsum("nii->ni", M)[:] = diagonal
            S = S @ M
        field.assign(W, S)
        field.gain[:] = gain

    def step(self, field: Field, state: State) -> Floats:
        """Return the step of W that the sums ask for, at rate 1.

        Parameters
        ----------
        field : Field
            Of which the draws are; not changed.
        state : dict
            After `reward`; not changed.

        Returns
        -------
        ndarray, (N, m, p)
            In units of the weights.
        """
        if not self.decorrelate:
            step: Floats = state["total"] / state["power"][:, None, None]
            return step
        step, rows = np.empty_like(state["total"]), max(1, _TOGETHER // max(1, state["moment"][0].size))
        for first in range(0, len(step), rows):
            own = slice(first, first + rows)
            below = state["moment"][own] / state["seen"]
            A = below + np.tril(below, -1).transpose(0, 2, 1) + self.floor * np.eye(below.shape[1])
            b = state["total"][own].transpose(0, 2, 1) / state["seen"]
            step[own] = solved(A, b, self.floor, field.S.dtype).transpose(0, 2, 1)
        return step

    def statistics(self, field: Field, state: State, unit: int) -> State:
        """Return the unit's rows.

        Parameters
        ----------
        field, state, unit
            As `Rule.statistics` takes them.

        Returns
        -------
        dict
            Views, and `seen`.
        """
        return {name: value if name == "seen" else value[unit] for name, value in state.items()}

    def merged(self, state: State, other: State) -> State:
        """Return the sums over two parts of the draws together, a new dict; both began from the same weights.

        Parameters
        ----------
        state, other : dict
            Of the same field and rule; left as they are.

        Returns
        -------
        dict
            As `start` returns it.
        """
        same = ("W", "S")
        return {name: value if name in same else value + other[name] for name, value in state.items()}


def broadcast(rewards: npt.ArrayLike, count: int) -> Array:
    """Return what units are told: each reward less the mean of the others, over the standard deviation, (count,).

    Raises
    ------
    ArgumentError
        Another shape, fewer than two, NaN, or rewards that are all the same.
    """
    given: Any = as_array("rewards", rewards, f"({count},) numbers")
    if given.shape != (count,) or not np.issubdtype(given.dtype, np.number) or count < 2:
        raise ArgumentError(f"rewards has shape {given.shape}: expected ({count},) numbers, one a draw, at least two")
    r = given.astype(np.float64)
    if not np.isfinite(r).all():
        raise ArgumentError("rewards holds NaN or infinity: expected finite numbers; drop these presentations")
    spread = float(r.std())
    if spread <= 1e-12 * max(1.0, float(np.abs(r).max())):
        raise ArgumentError(
            f"rewards are all {r[0]:g}: a constant reward says nothing of what a draw is good for; expected numbers "
            "that differ from draw to draw"
        )
    told: Array = (r - r.mean()) * (count / (count - 1)) / spread
    return told
