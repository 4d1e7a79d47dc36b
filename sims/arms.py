"""Arms: the ways to defend a network that an experiment compares, one row of its table each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise import UnitGrid, central

Array = npt.NDArray[np.float32]
Build = Callable[[Array, Array, float], Any]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One defence.

    Attributes
    ----------
    name, label : str
        Its name in records and on the command line; its name in tables.
    build : callable or None
        (displacements d, activations h, trace) -> noise; None: augmentation, which learns no noise.
    central : bool
        Whether anything in it needs more than a unit and its neighbours.
    when : str
        When the noise is on: "both", "train" (tested without) or "never".
    clean : float
        Share of the training presentations that are left clean.
    causes : int
        Into how many causes a source is cut (16 ranges of angle, say), each with a field of its own: a bank, one drawn
        per presentation.
    revision : int
        Raised when what the arm does changes: records of an earlier revision no longer count as done.
    """

    name: str
    label: str
    build: Build | None
    central: bool
    when: str = "both"
    clean: float = 0.0
    causes: int = 1
    revision: int = 1


def _local(**wiring: Any) -> Build:
    def build(d: Array, h: Array, trace: float) -> UnitGrid:
        grid = UnitGrid(shape=d.shape[2:], channels=d.shape[1], **wiring)
        return grid.learn(d).normalise(trace, "global")

    return build


def _signal(**wiring: Any) -> Build:
    def build(d: Array, h: Array, trace: float) -> UnitGrid:
        return UnitGrid(shape=d.shape[2:], channels=d.shape[1], signal="local", **wiring).learn(d, h)

    return build


ARMS: dict[str, Arm] = {
    arm.name: arm
    for arm in (
        Arm(name="none", label="no noise", build=lambda d, h, t: central.none(d), central=True, when="never"),
        Arm(name="identity", label="identity", build=lambda d, h, t: central.identity(d, trace=t), central=True),
        Arm(name="diagonal", label="diagonal", build=lambda d, h, t: central.diagonal(d, trace=t), central=True),
        Arm(
            name="full", label="full covariance, central", build=lambda d, h, t: central.full(d, trace=t), central=True
        ),
        Arm(name="raster-1", label="raster r=1", build=_local(order="raster", radius=1), central=False),
        Arm(name="multiscale-4", label="multiscale K=4", build=_local(parents=4), central=False),
        Arm(name="multiscale-8", label="multiscale K=8", build=_local(parents=8), central=False),
        Arm(name="hubs-8", label="multiscale K=4+4 hubs", build=_local(parents=8, far=4), central=False),
        Arm(
            name="signal-4",
            label="signal-dependent K=4",
            build=_signal(parents=4),
            central=False,
            when="train",
            clean=0.2,
        ),
        Arm(
            name="signal-8",
            label="signal-dependent K=8",
            build=_signal(parents=8),
            central=False,
            when="train",
            clean=0.2,
        ),
        Arm(
            name="bank-8",
            label="signal-dependent K=8, bank of 16",
            build=_signal(parents=8),
            central=False,
            when="train",
            clean=0.2,
            causes=16,
            revision=2,  # 1 cut each source into four
        ),
        Arm(
            name="augmentation",
            label="augmentation, central",
            build=None,
            central=True,
            when="never",
            clean=0.2,
            revision=2,  # 1 began its optimiser anew with each epoch's modifications
        ),
    )
}
