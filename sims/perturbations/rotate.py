"""Rotation about the image's centre by a random angle."""

import torch
from kornia.geometry.transform import rotate as rotate_by
from torch import Tensor

from localnoise.sims.perturbations.draws import Words, uniform
from localnoise.sims.perturbations.modification import IMAGE, Modification
from localnoise.sims.perturbations.registry import MODIFICATIONS

DEGREES = 60.0  # largest angle at level 1


def rotate(images: Tensor, level: float, words: Words) -> Tensor:
    """Rotate each image by its own angle, uniform in +-60 level degrees; bilinear, black outside the frame."""
    angles = (2 * uniform(words[:, 0]) - 1) * DEGREES * level
    return rotate_by(images, torch.from_numpy(angles).to(images), mode="bilinear", padding_mode="zeros")


MODIFICATION = MODIFICATIONS.register("rotate")(
    Modification(
        name="rotate",
        function=rotate,
        words=1,
        shape=IMAGE,
        numbers=1,
        level=1.6,
        lowest=0.0,
        highest=3.0,
        unit="±60 degrees",
        description="Rotated about the centre by an angle uniform in ±60 level degrees; black outside the frame.",
    )
)
