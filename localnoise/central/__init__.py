"""Central baselines and controls: covariances that need all pairs of neurons, or none, as samplers like a grid.

From displacements d (T, C, H, W): `full`, `diagonal`, `identity`, `none`, and `mix` of full and identity (Preble et al.
2026, arXiv 2606.13801). Controls, which share part of the full covariance's law: `shuffled`, `spectrum_matched`. From
displacements and the activations that were displaced: `affine`. From a grid: `dense`.
"""

from localnoise.central.baselines import dense as dense
from localnoise.central.baselines import diagonal as diagonal
from localnoise.central.baselines import full as full
from localnoise.central.baselines import identity as identity
from localnoise.central.baselines import mix as mix
from localnoise.central.baselines import none as none
from localnoise.central.conditional import AffineNoise as AffineNoise
from localnoise.central.controls import shuffled as shuffled
from localnoise.central.controls import spectrum_matched as spectrum_matched
from localnoise.central.noise import CentralNoise as CentralNoise
from localnoise.central.regression import affine as affine

__all__ = [
    "AffineNoise",
    "CentralNoise",
    "affine",
    "dense",
    "diagonal",
    "full",
    "identity",
    "mix",
    "none",
    "shuffled",
    "spectrum_matched",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
