"""Modifications of images by name: each registers itself, one of a plug-in's too."""

from localnoise.registry import Registry
from localnoise.sims.perturbations.modification import Modification, in_turn, parts_of


def _fault(name: str, modification: Modification) -> str:
    return "" if modification.name == name else f"calls itself {modification.name!r}: expected the same name"


def _mixture(name: str) -> Modification | None:
    """Return several modifications one after the other, "motion_blur@3+brightness"; None: the name is no such thing."""
    parts = parts_of(name)
    if len(parts) < 2 or "@" in parts[-1]:
        return None
    named = [part.partition("@") for part in parts]
    if not all(one in MODIFICATIONS for one, _, _ in named):
        return None
    return in_turn(name, [(MODIFICATIONS[one], level or None) for one, _, level in named])


MODIFICATIONS = Registry(
    "perturbation",
    Modification,
    group="localnoise.perturbations",
    home="localnoise.sims.perturbations",
    check=_fault,
    spelled=_mixture,
)
"""Modifications by name. `MODIFICATIONS.register(name)(modification)` enters one; "a@2+b@3" is a mixture of two."""
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
