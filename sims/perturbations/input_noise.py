"""Independent normal noise on every pixel."""

import torch
from torch import Tensor

from localnoise.sims.perturbations.draws import Words, normal
from localnoise.sims.perturbations.modification import IMAGE, Modification
from localnoise.sims.perturbations.registry import MODIFICATIONS


def input_noise(images: Tensor, level: float, words: Words) -> Tensor:
    """Add normal noise of standard deviation `level` to every pixel."""
    return images + level * torch.from_numpy(normal(words)).to(images).view(images.shape)


MODIFICATION = MODIFICATIONS.register("input_noise")(
    Modification(
        name="input_noise",
        function=input_noise,
        words=28 * 28 // 2,
        shape=IMAGE,
        level=0.25,
        lowest=0.0,
        highest=1.0,
        unit="standard deviation, black to white",
        description="Normal noise of standard deviation level added to every pixel, and clipped.",
    )
)
