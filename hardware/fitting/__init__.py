"""Fitting a grid onto a chip: wires and placement, memory, energy and time, limits, pruning to what is allowed."""

from localnoise.hardware.fitting.fit import Fit as Fit
from localnoise.hardware.fitting.fit import check_fits as check_fits
from localnoise.hardware.fitting.fit import fit as fit
from localnoise.hardware.fitting.pruning import prune as prune

__all__ = [
    "Fit",
    "check_fits",
    "fit",
    "prune",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
