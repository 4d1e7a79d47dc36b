"""The kinds of variability that are compared, and the spiking layer of each."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from brian2 import mV

from localnoise import UnitGrid
from localnoise.spiking import LIF, SpikingLayer


@dataclass(frozen=True, kw_only=True)
class Variability:
    """A kind of variability: why a layer's spike counts vary from trial to trial.

    Attributes
    ----------
    label : str
    field : str
        "structured": the grid's; "independent": of the same variances, without correlations; "none".
    neurons : str
        "lif" or "poisson".
    own : bool
        Whether LIF membranes have noise of their own.
    share : float
        Variance of the field as a share of the source's variance.
    """

    label: str
    field: str = "none"
    neurons: str = "lif"
    own: bool = True
    share: float = 1.0


VARIABILITIES = {
    "structured": Variability(label="structured field", field="structured"),
    "quiet": Variability(label="structured, 0.3 of the variance", field="structured", share=0.3),
    "independent": Variability(label="independent, same variances", field="independent"),
    "membrane": Variability(label="membrane noise alone"),
    "poisson": Variability(label="Poisson", neurons="poisson"),
    "none": Variability(label="none", own=False),
}


def independent(grid: UnitGrid) -> UnitGrid:
    """Return a grid whose neurons have the variances of `grid` and no correlations."""
    config = grid.config
    out = UnitGrid(config.shape, config.channels, parents=1, dtype=config.dtype)
    spread = np.sqrt(grid.variance().reshape(config.channels, -1).T)
    out.field.S[:] = spread[:, :, None] * np.eye(config.channels)
    return out


def field_of(kind: Variability, grid: UnitGrid) -> UnitGrid:
    """Return the grid whose field a layer of this kind adds, made of the one that was learned."""
    own = grid if kind.field == "structured" else independent(grid)
    return own if kind.share == 1 else deepcopy(own).normalise(kind.share * float(own.variance().mean()))


def layer_of(kind: Variability, layout: tuple[int, int, int], field: UnitGrid | None, **options: Any) -> SpikingLayer:
    """Return the spiking layer of this kind, with `field` or without one; `options` are `SpikingLayer`'s."""
    lif = LIF() if kind.own else LIF(noise=0 * mV)
    return SpikingLayer(layout, field, lif=lif, neurons=kind.neurons, **options)
