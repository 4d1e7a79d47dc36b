"""Where displacements come from, and how loud the noise learned from them is made."""

from dataclasses import dataclass

from localnoise.errors import choose
from localnoise.sims.modifications import MODIFICATIONS


@dataclass(frozen=True, kw_only=True)
class Source:
    """A modification or an attack whose displacements a noise is learned from.

    Attributes
    ----------
    name : str
        A modification, or "pgd".
    level : float
        The modification's level, or the attack's eps.
    trace : float
        Noise variance per neuron of the signal-independent arms (paper: 0.5 for modifications, 2 for attacks).
    """

    name: str
    level: float
    trace: float

    def __post_init__(self) -> None:
        choose("source", self.name, (*MODIFICATIONS, "pgd"))
        if self.name != "pgd":
            MODIFICATIONS[self.name].checked(self.level)

    @classmethod
    def default(cls, name: str) -> "Source":
        """The level and trace that the README's tables use."""
        choose("source", name, (*MODIFICATIONS, "pgd"))
        return (
            cls(name="pgd", level=0.1, trace=2.0)
            if name == "pgd"
            else cls(name=name, level=MODIFICATIONS[name].level, trace=0.5)
        )
