"""Normalised least mean squares: streaming, no state beyond the weights, their average and the residual."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.field import Field, Floats
from localnoise.rules.base import RULES, State, check_positive, check_ridge, chosen_ridge, own_numbers, residual_factor


@RULES.register("lms")
@dataclass(frozen=True, kw_only=True)
class LMS:
    """dW_u = rate e_u z_u' / (floor + |z_u|^2),  e_u = d_u - W_u z_u, with a Polyak average of W_u.

    S_u comes from the running second moment of the averaged weights' innovation. Cost O(m p) a presentation and unit.
    Sources: Widrow and Hoff 1960; Nagumo and Noda 1967 (normalised); Polyak and Juditsky 1992 (averaging);
    Shamir and Zhang 2013 (polynomially weighted average).

    Parameters
    ----------
    rate : float
        Step, stable in (0, 2).
    floor : float
        Added to |z|^2, in squared activation units.
    memory : float
        The average forgets the first of s presentations as s^-memory (0: plain average).
    ridge : float or "auto"
        Added to the residual's second moment before it is factored; "auto" as in `Moments`.
    """

    name: ClassVar[str] = "lms"
    summary: ClassVar[str] = "Normalised least mean squares: a small step a presentation, no moments kept."
    rate: float = 0.1
    floor: float = 1e-3
    memory: float = 3.0
    ridge: float | str = 1e-4

    def __post_init__(self) -> None:
        check_positive("rate", self.rate)
        if self.rate >= 2:
            raise ArgumentError(f"rate={self.rate!r}: expected a number in (0, 2), where normalised LMS is stable")
        check_positive("floor", self.floor)
        check_positive("memory", self.memory, zero=True)
        check_ridge(self.ridge)
        own_numbers(self)

    def start(self, field: Field) -> State:
        """Begin from the field's own weights.

        Parameters
        ----------
        field : Field
            As `Rule.start` takes it.

        Returns
        -------
        dict
            Weights W (N, m, p), their average W_mean, `residual` (N, m, m), `power` (N, m), and `seen`.
        """
        return averaging_state(field)

    def observe(self, field: Field, state: State, d: Floats, h: Floats) -> None:
        """Take one step a presentation, in the order given.

        Parameters
        ----------
        field, state, d, h
            As `Rule.observe` takes them.
        """
        from localnoise.kernels.learning import lms

        arrays = (state["W"], state["W_mean"], state["residual"], state["power"])
        topology = (field.parents, field.readers, field.signal)
        lms(*arrays, d, h, *topology, state["seen"], self.rate, self.floor, self.memory)
        state["seen"] += len(d)

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
        return unit_rows(state, unit)

    def settle(self, field: Field, state: State) -> None:
        """Take over the averaged weights.

        Parameters
        ----------
        field, state
            As `Rule.settle` takes them.

        Raises
        ------
        ArgumentError
            The residual is singular, or overflows; the ridge is "auto", and nothing has chosen it.
        """
        settle_average(field, state, self.ridge)


def averaging_state(field: Field) -> State:
    """State that the two gradient rules share: weights, their average, residual moment, own power."""
    units, m = field.a.shape
    W = field.weights
    zeros = np.zeros((units, m, m), W.dtype)
    return {"seen": 0, "W": W, "W_mean": W.copy(), "residual": zeros, "power": zeros[:, 0].copy()}


def unit_rows(state: State, unit: int) -> State:
    """One unit's rows of such a state, views."""
    return {name: value if name == "seen" else value[unit] for name, value in state.items()}


def settle_average(field: Field, state: State, ridge: float | str) -> None:
    """Write the averaged weights, and the factor of their residual, into the field."""
    residual, power = state["residual"].astype(np.float64), state["power"].astype(np.float64)
    field.assign(state["W_mean"], residual_factor(residual, power, chosen_ridge(ridge), state["W"].dtype))
