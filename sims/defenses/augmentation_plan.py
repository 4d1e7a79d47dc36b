"""End-to-end augmentation spelled out: `augmentation:width=2.25`, a wider network, trained to convergence."""

import math
from dataclasses import dataclass
from typing import Self

from localnoise.errors import ArgumentError
from localnoise.sims.defenses.parameters import parameters
from localnoise.validate import as_count

PREFIX = "augmentation:"
NAME = "augmentation-converged"


@dataclass(frozen=True, kw_only=True)
class Augmenting:
    """Training of all layers on modified images until held-out ones are answered no better.

    Attributes
    ----------
    width : float
        Times the channels and neurons of the task's network, each rounded; not of the classes.
    patience : int
        Epochs without a rise of the held-out accuracy, until the rate falls, and until training ends.
    """

    width: float = 1.0
    patience: int = 5

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        if not 0.25 <= self.width <= 256:
            raise ArgumentError(f"width={self.width!r}: expected a number from 0.25 to 256, times the channels")
        as_count("patience", self.patience, 1)

    @property
    def name(self) -> str:
        """The name that `parse` takes."""
        said = [f"width={self.width:g}"] if self.width != 1 else []
        said += [f"patience={self.patience}"] if self.patience != type(self).patience else []
        return PREFIX + ":".join(said) if said else NAME

    @property
    def label(self) -> str:
        """Short words for tables."""
        wide = "" if self.width == 1 else f", {self.width:g} times as wide"
        return f"augmentation, all layers, converged{wide}"

    @classmethod
    def parse(cls, name: str) -> Self:
        """Read "augmentation:width=VALUE:patience=VALUE".

        Parameters
        ----------
        name : str
            As `name` spells it.

        Returns
        -------
        Augmenting
            The plan.

        Raises
        ------
        ArgumentError
            An unknown name, or a value out of its range.
        """
        given = parameters(name, PREFIX, {"width": float, "patience": int})
        if not math.isfinite(given.get("width", 1.0)):
            raise ArgumentError(f"arm {name!r}: expected a finite width")
        return cls(**given)
