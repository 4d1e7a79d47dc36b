"""A black square at a random place."""

import numpy as np
import torch
from torch import Tensor

from localnoise.sims.perturbations.draws import Words, uniform
from localnoise.sims.perturbations.modification import IMAGE, Modification
from localnoise.sims.perturbations.registry import MODIFICATIONS

SHARE = 0.40  # of the image's side at level 1


def side(level: float, size: int = 28) -> int:
    """The square's side in pixels: 0.40 level size, rounded."""
    return round(SHARE * level * size)


def obstruction(images: Tensor, level: float, words: Words) -> Tensor:
    """Set a square of side round(0.40 level 28) pixels to 0 in each image, uniform over the places inside the frame."""
    size = images.shape[-1]
    length = side(level, size)
    corner = torch.from_numpy(np.floor(uniform(words) * (size - length + 1))).to(images)
    pixel = torch.arange(size).to(images)
    inside = (pixel >= corner[..., None]) & (pixel < corner[..., None] + length)  # (N, 2, size): rows and columns
    return images.masked_fill((inside[:, 0, :, None] & inside[:, 1, None, :])[:, None], 0.0)


MODIFICATION = MODIFICATIONS.register("obstruction")(
    Modification(
        name="obstruction",
        function=obstruction,
        words=2,
        shape=IMAGE,
        numbers=2,
        level=2.0,
        lowest=0.0,
        highest=2.5,
        unit="0.40 of the image's side",
        description="Covered by a black square of side 0.40 level times the image's, at a random place in the frame.",
    )
)
