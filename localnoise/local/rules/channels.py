"""Channels that compete for classes: no readout."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.local.rules.base import UNIT_RULES, Floats, State, Units
from localnoise.validate import check_positive


@UNIT_RULES.register("channels")
@dataclass(frozen=True, kw_only=True)
class UnitChannels:
    """Each unit's channels stand for the classes and compete.

    q_j = sharpness * mean of h^2 over the channels of class j,   e = onehot(y) - softmax(q)
    W_u += rate (f' * 2 sharpness h * e / count) z_u' / |z_u|^2

    No weights beside W_u. Source: the loss of Papachristodoulou et al. 2024 (arXiv 2312.12668), here in each unit.

    Parameters
    ----------
    rate, sharpness : float
        > 0.
    """

    name: ClassVar[str] = "channels"
    labels: ClassVar[bool] = True
    rate: float = 0.05
    sharpness: float = 4.0

    def __post_init__(self) -> None:
        check_positive("rate", self.rate)
        check_positive("sharpness", self.sharpness)

    def start(self, units: Units, regressors: int) -> State:
        """No state: the channels are dealt out in order."""
        if units.channels < units.classes:
            raise ArgumentError(
                f"channels={units.channels}: fewer than the {units.classes} classes that channels stand for; expected "
                "at least one for each, or rule='local-heads'"
            )
        return {"seen": 0}

    def observe(self, units: Units, W: Floats, state: State, x: Floats, labels: npt.NDArray[np.int64]) -> None:
        """One step a presentation."""
        from localnoise.kernels.features import channels

        owner, count = dealt(units)
        channels(W, x, labels, units.readers, units.bend, owner, count, self.sharpness, self.rate)
        state["seen"] += len(x)

    def votes(self, units: Units, state: State, h: Floats) -> Floats:
        """Log probabilities of the competition."""
        from localnoise.kernels.features import channel_votes

        out = np.empty((len(h), units.classes, h.shape[2]), h.dtype)
        channel_votes(out, h, *dealt(units), self.sharpness)
        return out


def dealt(units: Units) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the class of each channel, and how many channels each class has."""
    owner = np.arange(units.channels) * units.classes // units.channels
    return owner, np.bincount(owner, minlength=units.classes)
