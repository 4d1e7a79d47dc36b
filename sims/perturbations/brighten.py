"""A change of brightness, the same for every pixel."""

from torch import Tensor

from localnoise.sims.perturbations.draws import Words
from localnoise.sims.perturbations.modification import IMAGE, Modification
from localnoise.sims.perturbations.registry import MODIFICATIONS


def brighten(images: Tensor, level: float, words: Words) -> Tensor:
    """Add `level` to every pixel; nothing is random."""
    return images + level


MODIFICATION = MODIFICATIONS.register("brighten")(
    Modification(
        name="brighten",
        function=brighten,
        words=0,
        shape=IMAGE,
        level=0.5,
        lowest=-1.0,
        highest=1.0,
        unit="black to white",
        description="Every pixel raised by level (lowered where it is negative) and clipped.",
    )
)
