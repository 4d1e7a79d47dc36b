"""The threat that a trained network is tested against."""

from dataclasses import dataclass

from localnoise.errors import ArgumentError
from localnoise.sims.attacks import EPS
from localnoise.sims.evaluation.names import CLEAN, WORST, as_name, check_level, in_full, name_and_level
from localnoise.sims.perturbations import MODIFICATIONS


@dataclass(frozen=True, kw_only=True)
class Threat:
    """A modification or an attack of the first test images.

    Attributes
    ----------
    name : str
        "clean", a modification or several in turn, an attack, or "adaptive": the worst case, image by image, over the
        attacks of an attacker who knows the noise.
    level : float
        The modification's level, or the attack's eps; 0 for "clean".
    images : int
        How many test images.
    """

    name: str
    level: float
    images: int

    def __post_init__(self) -> None:
        as_name("threat", self.name, CLEAN, WORST)
        check_level(self.name, self.level)
        if self.images < 1:
            raise ArgumentError(f"images={self.images!r}: expected a whole number >= 1")

    @property
    def label(self) -> str:
        """Name and level, as a table's column says it."""
        return self.name if self.name == "clean" else f"{self.name}@{self.level:g}"


def threat(text: str, images: int, attacked: int) -> Threat:
    """Threat from "NAME" or "NAME@LEVEL", on `images` test images; `attacked` where each is expensive."""
    name, level = name_and_level(text)
    name = in_full(as_name("threat", name, CLEAN, WORST))
    if name in MODIFICATIONS or name == CLEAN:
        standard = MODIFICATIONS[name].level if name in MODIFICATIONS else 0.0
        return Threat(name=name, level=standard if level is None else level, images=images)
    return Threat(name=name, level=EPS if level is None else level, images=attacked if name == WORST else images)
