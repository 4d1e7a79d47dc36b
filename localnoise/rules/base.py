"""What every local rule offers, and the one step they share: the factor of a residual."""

from dataclasses import fields
from typing import Any, ClassVar, Protocol

import numpy as np

from localnoise.dense import tolerance
from localnoise.errors import ArgumentError
from localnoise.field import Field, Floats
from localnoise.validate import check_positive as check_positive

State = dict[str, Any]


class Rule(Protocol):
    """A rule is a frozen configuration; its state is a dict of arrays, plus `seen`, the count."""

    name: ClassVar[str]

    def start(self, field: Field) -> State:
        """State before the first presentation."""

    def observe(self, field: Field, state: State, d: Floats, h: Floats) -> None:
        """Learn from displacements d (T, m, N) of activations h (T, m, N, or empty); updates `state` in place."""

    def settle(self, field: Field, state: State) -> None:
        """Write the weights that the state implies into `field`."""

    def statistics(self, field: Field, state: State, unit: int) -> State:
        """What the state holds of one unit."""


def own_numbers(rule: Any) -> None:
    """Make the options of a rule Python's own numbers, since files keep them as JSON."""
    for option in fields(rule):
        value = getattr(rule, option.name)
        if isinstance(value, (np.generic, np.ndarray)):
            object.__setattr__(rule, option.name, value.item())


def residual_factor(residual: Floats, power: Floats, ridge: float, dtype: Any) -> Floats:
    """Lower Cholesky factor S_u of each unit's residual second moment + ridge I. (N, m, m), cost O(N m^3).

    power : (N, m), the channels' own second moments;  dtype : the precision in which the moments were taken.

    Raises
    ------
    ArgumentError
        If the moments overflow, or a unit's residual is singular: a channel never moves, or moves exactly as its
        neighbours say, to within the rounding of `dtype`.
    """
    refuse_overflow(residual, dtype)
    symmetric = (residual + residual.transpose(0, 2, 1)) / 2 + ridge * np.eye(residual.shape[1])
    try:
        S = np.linalg.cholesky(symmetric)
    except np.linalg.LinAlgError:
        S = None
    if S is None or (ridge == 0 and (np.diagonal(S, axis1=1, axis2=2) ** 2 <= tolerance(dtype) * power).any()):
        smallest = np.linalg.eigvalsh(symmetric)[:, 0]
        unit = int(np.argmin(smallest))
        raise ArgumentError(
            f"ridge={ridge:g}: the second moment of unit {unit} (in row order) is singular (smallest eigenvalue "
            f"{smallest[unit]:.3g}); expected a positive definite residual; use a larger ridge, such as "
            f"{max(1e-4, 10 * ridge):g}, or more samples"
        )
    return S


def refuse_overflow(moments: Floats, dtype: Any) -> None:
    """Raise an ArgumentError if a second moment has left the range of `dtype`."""
    if not np.isfinite(moments).all():
        raise ArgumentError(
            f"d: its squares overflow {np.dtype(dtype)}: expected displacements and activations below "
            f"{np.sqrt(np.finfo(dtype).max):.0e}; rescale them"
        )
