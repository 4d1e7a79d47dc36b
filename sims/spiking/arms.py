"""The kinds of variability that are compared, and the spiking layer of each."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from localnoise import UnitGrid
from localnoise.spiking import LIF, SpikingLayer


@dataclass(frozen=True, kw_only=True)
class Variability:
    """What makes a layer's spike counts vary from trial to trial.

    Attributes
    ----------
    label : str
    field : str
        "structured": the grid's; "independent": of the same variances, without correlations; "none".
    neurons : str
        "lif" or "poisson".
    own : bool
        Whether LIF membranes have noise of their own.
    """

    label: str
    field: str = "none"
    neurons: str = "lif"
    own: bool = True


VARIABILITIES = {
    "structured": Variability(label="structured field", field="structured"),
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


def field_of(kind: Variability, grid: UnitGrid | None) -> UnitGrid | None:
    """Return the grid whose field a layer of this kind adds."""
    if grid is None or kind.field == "none":
        return None
    return grid if kind.field == "structured" else independent(grid)


def layer_of(kind: Variability, layout: tuple[int, int, int], grid: UnitGrid | None, **options: Any) -> SpikingLayer:
    """Return the spiking layer of this kind; `options` are `SpikingLayer`'s."""
    from brian2 import mV

    lif = LIF() if kind.own else LIF(noise=0 * mV)
    return SpikingLayer(layout, field_of(kind, grid), lif=lif, neurons=kind.neurons, **options)
