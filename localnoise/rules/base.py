"""What every local rule offers, and the one step they share: the factor of a residual."""

from typing import Any, ClassVar, Protocol

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.field import Field, Floats

State = dict[str, Any]


class Rule(Protocol):
    """A rule is a frozen configuration; its state is a dict of arrays with one row a unit, plus `seen`, the count."""

    name: ClassVar[str]

    def start(self, field: Field) -> State:
        """State before the first presentation."""

    def observe(self, field: Field, state: State, d: Floats, h: Floats) -> None:
        """Learn from displacements d (T, m, N) of activations h (T, m, N, or empty); updates `state` in place."""

    def settle(self, field: Field, state: State) -> None:
        """Write the weights that the state implies into `field`."""


def residual_factor(residual: Floats, ridge: float) -> Floats:
    """Lower Cholesky factor S_u of each unit's residual second moment + ridge I. (N, m, m), cost O(N m^3).

    Raises
    ------
    ArgumentError
        If a unit's residual is singular: a channel never moves, or moves exactly as its neighbours say.
    """
    symmetric = (residual + residual.transpose(0, 2, 1)) / 2 + ridge * np.eye(residual.shape[1])
    try:
        return np.linalg.cholesky(symmetric)
    except np.linalg.LinAlgError:
        smallest = np.linalg.eigvalsh(symmetric)[:, 0]
        unit = int(np.argmin(smallest))
        raise ArgumentError(
            f"ridge={ridge:g}: the second moment of unit {unit} is singular (smallest eigenvalue {smallest[unit]:.3g}); "
            f"expected a positive definite residual; use a larger ridge, such as {max(1e-4, 10 * ridge):g}, or more samples"
        ) from None


def check_positive(argument: str, value: float, *, zero: bool = False) -> None:
    """Raise an ArgumentError unless value > 0 (or >= 0 with `zero`) and finite."""
    if not np.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise ArgumentError(f"{argument}={value!r}: expected a finite number {'>= 0' if zero else '> 0'}")
