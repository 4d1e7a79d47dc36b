"""What a trained network is tested against."""

from dataclasses import dataclass

from localnoise.errors import ArgumentError, choose
from localnoise.sims.attacks import ATTACKS
from localnoise.sims.modifications import MODIFICATIONS


@dataclass(frozen=True, kw_only=True)
class Threat:
    """A modification or an attack of the first test images.

    Attributes
    ----------
    name : str
        "clean", a modification, an attack, or "adaptive": the worst case over all attacks that know the noise.
    level : float
        The modification's level, or the attack's eps; 0 for "clean".
    images : int
        How many test images.
    """

    name: str
    level: float
    images: int

    def __post_init__(self) -> None:
        choose("threat", self.name, ("clean", *MODIFICATIONS, *ATTACKS, "adaptive"))
        if self.name in MODIFICATIONS:
            MODIFICATIONS[self.name].checked(self.level)
        if self.images < 1:
            raise ArgumentError(f"images={self.images!r}: expected a whole number >= 1")

    @property
    def label(self) -> str:
        """Name and level, as a table's column says it."""
        return self.name if self.name == "clean" else f"{self.name}@{self.level:g}"
