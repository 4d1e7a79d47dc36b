"""The definition of an arm."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from localnoise.nn import Predictor
from localnoise.nn.local.base import BACKPROP
from localnoise.sims.defenses.augmentation_plan import Augmenting
from localnoise.sims.defenses.augmentation_training import MOST, converged
from localnoise.sims.defenses.lesson import Lesson
from localnoise.sims.defenses.repair_plan import FIRST, NONE, Repairing
from localnoise.sims.defenses.reward_plan import Rewarding
from localnoise.sims.defenses.reward_training import rewarded

Array = npt.NDArray[np.float32]
Build = Callable[[Array, Array, float], Any]


@dataclass(frozen=True, kw_only=True)
class Defense:
    """One defense.

    Attributes
    ----------
    name, label : str
        Its name in records and on the command line; its name in tables.
    summary : str
        One plain sentence for `localnoise list defenses`. Those whose names differ by a number and who say the same
        share a row, the number called K. Default: the label.
    build : callable or None
        (displacements d, activations h, variance) -> noise; the layers after it are retrained.
    train : callable or None
        Lesson -> defended predictor: a defense that trains in its own way.
    repair : Repairing or None
        How activations are repaired; the network is left as it is. Of `build`, `train` and `repair` one is given.
    central : bool
        Whether anything in it needs more than a unit and its neighbors.
    central_locally : bool or None
        The same where the layers learn by a local rule; None: as `central`.
    crosses : bool
        Whether its noise or its layers learn from gradients that cross the layers after the noise: with a local rule
        there are none.
    when : str
        When the noise is on: "both", "train" (tested without), "eval" (trained without) or "never".
    clean : float
        Share of the training presentations that are left clean.
    causes : int
        Into how many causes a source is cut (16 ranges of angle, say), each with a field of its own: a bank, one drawn
        per presentation.
    learns : bool
        Whether it learns from the sources: if not, one net serves them all.
    whole : bool
        Whether it trains all layers, for as many epochs as the undefended network times `longer`.
    longer : float
        Epochs, relative to the undefended network's: images that change each epoch are learned for longer.
    most : int or None
        At most so many epochs, where the training itself decides how many; `longer` is not asked.
    deployed : int
        Bits of weights of the whole network, which is deployed in integers; 0: in floating point.
    twin : str
        Of an arm in integers, the arm in floating point that is trained for it.
    revision : int
        Raised when what the arm does changes: records of an earlier revision no longer count as done.
    """

    name: str
    label: str
    build: Build | None = None
    train: Callable[[Lesson], Predictor] | None = None
    repair: Repairing | None = None
    central: bool
    central_locally: bool | None = None
    crosses: bool = False
    when: str = "both"
    clean: float = 0.0
    causes: int = 1
    learns: bool = True
    whole: bool = False
    longer: float = 1.0
    revision: int = 1
    most: int | None = None
    deployed: int = 0
    twin: str = ""
    summary: str = ""

    def is_central(self, training: str) -> bool:
        """Return whether anything in it is central where the network's layers learn so.

        Parameters
        ----------
        training : str
            "backprop", or a local rule.

        Returns
        -------
        bool
            As `central`, or `central_locally`.
        """
        own = self.central if self.central_locally is None else self.central_locally
        return self.central if training == BACKPROP else own

    @classmethod
    def of_augmentation(cls, plan: Augmenting, name: str = "") -> Self:
        """Return the arm that trains all layers on modified images, to convergence.

        Parameters
        ----------
        plan : Augmenting
            Width and patience.
        name : str
            In records; "": what the plan spells out.

        Returns
        -------
        Defense
            Of the name and the plan's label.
        """
        return cls(
            name=name or plan.name,
            label=plan.label,
            summary="augmentation of all layers until held-out images say that it is enough.",
            train=lambda lesson: converged(lesson, plan),
            central=True,
            central_locally=False,
            whole=True,
            longer=1.0,
            most=MOST,
        )

    @classmethod
    def of_rewards(cls, plan: Rewarding, name: str = "", label: str = "") -> Self:
        """Return the arm whose noise learns as the plan says.

        Parameters
        ----------
        plan : Rewarding
            How it learns.
        name, label : str
            In records and in tables; "": what the plan spells out.

        Returns
        -------
        Defense
            Central where the plan is.
        """
        return cls(
            name=name or plan.name,
            label=label or plan.label,
            train=lambda lesson: rewarded(lesson, plan),
            central=plan.central,
            central_locally=plan.central_locally,
            crosses=plan.crosses,
        )

    @classmethod
    def of_repair(cls, plan: Repairing, name: str = "", label: str = "") -> Self:
        """Return the arm that repairs as the plan says.

        Parameters
        ----------
        plan : Repairing
            How it repairs.
        name, label : str
            In records and in tables; "": what the plan spells out.

        Returns
        -------
        Defense
            Central where the plan is dense or retrains.
        """
        return cls(
            name=name or plan.name,
            label=label or plan.label,
            repair=plan,
            central=plan.dense or plan.retrained or plan.layers == NONE or bool(plan.after),
            central_locally=plan.dense,
            causes=plan.causes,
            learns=plan.layers != NONE,
            most=MOST if plan.retrained else None,
            revision=_revision(plan),
        )


def _revision(plan: Repairing) -> int:
    """Return the revision of a repair.

    In integers 1 rounded to the nearest, 2 did not ask what a repair is worth, 3 asked what the float densities had
    taught; in floating point 1 had margins first, 2 behind worth. Retrained, 2 trained for as many epochs as noise arms
    do, with fewer clean images, and repaired one layer; 3 trained behind the task's repair alone, with margins.
    """
    if plan.retrained:
        return 4
    if plan.bits:
        return (3 if plan.worth or plan.layers != FIRST else 2) if plan.told else 4
    return 3 if plan.worth and not plan.told and plan.layers != NONE else 1
