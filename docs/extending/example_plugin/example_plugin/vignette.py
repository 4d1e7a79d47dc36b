"""A corruption: darker towards the corners, as through a cheap lens."""

import torch
from torch import Tensor

from localnoise.sims.perturbations import MODIFICATIONS, Modification


def vignette(images: Tensor, level: float, words: object) -> Tensor:
    """Return each pixel times 1 - level r^2, r its distance from the center over that of a corner; no random number."""
    height, width = images.shape[-2:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    return images * (1 - level * (y**2 + x**2) / 2).to(images)


MODIFICATION = MODIFICATIONS.register("vignette")(
    Modification(
        name="vignette",
        function=vignette,
        words=0,
        level=0.8,
        lowest=0.0,
        highest=1.0,
        unit="the light of a corner that is lost",
        description="Darker towards the corners, by level r^2.",
    )
)
