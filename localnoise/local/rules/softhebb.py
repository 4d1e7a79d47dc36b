"""SoftHebb: a unit's channels compete softly for each window and move toward what they win; no labels."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.local.rules.base import UNIT_RULES, Floats, State, Units
from localnoise.validate import check_positive


@UNIT_RULES.register("softhebb")
@dataclass(frozen=True, kw_only=True)
class UnitSoftHebb:
    """Each unit's channels compete softly for every window and move toward what they win; no labels.

    c = (z_u - mean) / |z_u - mean|,  v = W_u c,  y = softmax(sharpness v), of all but the winner negative
    W_uk += rate |1 - |W_uk||^(1/2) y_k (c - v_k W_uk)

    The mean is the unit's own running one; afterwards the unit answers to z_u - mean. Sources: Moraitis et al. 2022
    (arXiv 2107.05747); Journe et al. 2023 (arXiv 2209.11883: the negative y, the rate).

    Parameters
    ----------
    rate, sharpness : float
        > 0; sharpness is the inverse temperature of the competition.
    """

    name: ClassVar[str] = "softhebb"
    labels: ClassVar[bool] = False
    rate: float = 0.05
    sharpness: float = 8.0

    def __post_init__(self) -> None:
        check_positive("rate", self.rate)
        check_positive("sharpness", self.sharpness)

    def start(self, units: Units, regressors: int) -> State:
        """Means of zero."""
        return {"seen": 0, "mean": np.zeros((len(units.readers), regressors), units.dtype)}

    def observe(self, units: Units, W: Floats, state: State, x: Floats, labels: npt.NDArray[np.int64]) -> None:
        """One step a presentation."""
        from localnoise.kernels.features import softhebb

        softhebb(W, state["mean"], x, units.readers, state["seen"], self.rate, self.sharpness)
        state["seen"] += len(x)

    def votes(self, units: Units, state: State, h: Floats) -> Floats:
        """Refuse: no unit knows of classes."""
        raise ArgumentError(
            "rule='softhebb' reads no labels, so that its units have no heads that answer: expected a rule with "
            "labels, as rule='local-heads'; or train a readout on forward(x)"
        )
