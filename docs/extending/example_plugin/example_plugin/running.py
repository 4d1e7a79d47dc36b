"""A rule: second moments that forget. It follows displacements whose law drifts, where `moments` averages over all."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from localnoise.field import Field
from localnoise.rules import register
from localnoise.rules.base import own_numbers, residual_factor
from localnoise.validate import check_positive


@register("running")
@dataclass(frozen=True, kw_only=True)
class Running:
    """W_u = M_uz (M_zz + ridge I)^-1 from moments M of [z_u; d_u] in which a presentation's weight halves with age.

    Cost O((p + m)^2) a presentation and unit, O(p^3) a unit to settle, for p regressors z_u and m channels.

    Parameters
    ----------
    halflife : float
        Presentations after which one counts half as much.
    ridge : float
        Added to the variance of every regressor and residual, in squared activation units.
    """

    name: ClassVar[str] = "running"
    summary: ClassVar[str] = "Second moments that forget, for displacements whose law drifts."
    halflife: float = 1000.0
    ridge: float = 1e-4

    def __post_init__(self) -> None:
        check_positive("halflife", self.halflife)
        check_positive("ridge", self.ridge)
        own_numbers(self)

    def start(self, field: Field) -> dict[str, Any]:
        """Return zero moments of every unit, (N, p + m, p + m), and the sum of the weights."""
        size = field.regressors + field.channels
        return {"seen": 0, "moments": np.zeros((len(field.order), size, size)), "weight": np.zeros(1)}

    def observe(self, field: Field, state: dict[str, Any], d: np.ndarray, h: np.ndarray) -> None:
        """Let what was seen fade, and add each presentation's products."""
        keep = 0.5 ** (1 / self.halflife)
        fading = keep ** np.arange(len(d) - 1, -1, -1)
        for unit in range(len(field.order)):
            x = self._read(field, unit, d, h)
            state["moments"][unit] *= keep ** len(d)
            state["moments"][unit] += (x * fading[:, None]).T @ x
        state["weight"] *= keep ** len(d)
        state["weight"] += fading.sum()
        state["seen"] += len(d)

    def settle(self, field: Field, state: dict[str, Any]) -> None:
        """Solve each unit's own equations; weights of missing neighbors come out as zero."""
        p = field.regressors
        M = state["moments"] / max(state["weight"][0], 1e-300)
        A, b, power = M[:, :p, :p] + self.ridge * np.eye(p), M[:, :p, p:], M[:, p:, p:]
        W = np.linalg.solve(A, b).transpose(0, 2, 1)
        Wb = W @ b
        residual = power - Wb - Wb.transpose(0, 2, 1) + W @ A @ W.transpose(0, 2, 1)
        own = np.diagonal(power, axis1=1, axis2=2)
        field.assign(W, residual_factor(residual, own, self.ridge, np.float64))

    def statistics(self, field: Field, state: dict[str, Any], unit: int) -> dict[str, Any]:
        """Return the unit's own moments."""
        return {"seen": state["seen"], "moments": state["moments"][unit]}

    def _read(self, field: Field, unit: int, d: np.ndarray, h: np.ndarray) -> np.ndarray:
        """Return [z_u; d_u] of every presentation, (T, p + m): what the unit reads, and its own displacement."""
        count, m = len(d), field.channels
        parts = [np.ones((count, 1)), _rows(h, field.readers[unit])] if field.signal else []
        return np.concatenate([*parts, _rows(d, field.parents[unit]), d[:, :, unit].reshape(count, m)], axis=1)


def _rows(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Return the channels of some units, one unit after the other, (T, units * m); zeros where there is none (-1)."""
    there = (units >= 0)[:, None]
    return np.where(there, values[:, :, units].transpose(0, 2, 1), 0).reshape(len(values), -1)
