"""Local cross-entropy heads: each unit tells the classes apart by a readout of its own."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from localnoise.local.rules.base import UNIT_RULES, Floats, State, Units
from localnoise.validate import check_positive


@UNIT_RULES.register("local-heads")
@dataclass(frozen=True, kw_only=True)
class UnitHeads:
    """Each unit tells the classes apart by a linear readout of its own channels.

    e = onehot(y) - softmax(V_u [1; h_u]),   h_u = f(W_u z_u)
    W_u += rate (f' * V_u' e) z_u' / |z_u|^2,   V_u += rate e [1; h_u]' / |[1; h_u]|^2

    The gradient of the unit's own cross-entropy, normalized; O(m p) a presentation and unit. Source: Mono-Forward
    (arXiv 2501.09238), here with the unit in the place of the layer.

    Parameters
    ----------
    rate : float
        > 0.
    """

    name: ClassVar[str] = "local-heads"
    labels: ClassVar[bool] = True
    rate: float = 0.05

    def __post_init__(self) -> None:
        check_positive("rate", self.rate)

    def start(self, units: Units, regressors: int) -> State:
        """Readouts of zero."""
        return {"seen": 0, "V": np.zeros((len(units.readers), units.channels + 1, units.classes), units.dtype)}

    def observe(self, units: Units, W: Floats, state: State, x: Floats, labels: npt.NDArray[np.int64]) -> None:
        """One step a presentation."""
        from localnoise.kernels.features import local_heads

        local_heads(W, state["V"], x, labels, units.readers, units.bend, self.rate)
        state["seen"] += len(x)

    def votes(self, units: Units, state: State, h: Floats) -> Floats:
        """Log probabilities of each unit's readout."""
        from localnoise.kernels.features import head_votes

        out = np.empty((len(h), units.classes, h.shape[2]), h.dtype)
        head_votes(out, state["V"], h)
        return out
