"""Modifications of images by name: each registers itself, one of a plug-in's too."""

from localnoise.registry import Registry
from localnoise.sims.perturbations.modification import Modification


def _fault(name: str, modification: Modification) -> str:
    return "" if modification.name == name else f"calls itself {modification.name!r}: expected the same name"


MODIFICATIONS = Registry(
    "perturbation",
    Modification,
    group="localnoise.perturbations",
    home="localnoise.sims.perturbations",
    check=_fault,
)
PAPER = (
    "brightness",
    "contrast",
    "gaussian_noise",
    "impulse_noise",
    "motion_blur",
    "snow",
    "elastic",
    "perspective",
    "rotate",
    "obstruction",
)
"""The ten modifications of Preble et al. 2026, Methods."""
HELD_OUT = ("fog", "jpeg_compression", "pixelate", "shot_noise", "defocus_blur", "zoom_blur")
"""Modifications that no field is fitted on: what robustness to the ten is worth elsewhere."""
