"""Where displacements come from, and how loud the noise learned from them is made."""

from dataclasses import dataclass

from localnoise.errors import choose
from localnoise.sims.attacks import ATTACKS, EPS
from localnoise.sims.modifications import MODIFICATIONS

DRIFT = "drift"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A modification, an attack or a drifting stream whose displacements a noise is learned from.

    Attributes
    ----------
    name : str
        A modification, an attack, or "drift": from frame to frame, without clean images. "input_noise" is the sensor's
        own jitter: without labels or attacker.
    level : float
        The modification's level, the attack's eps, or the stream's level.
    trace : float
        Noise variance per neuron of the signal-independent arms (paper: 0.5 for modifications, 2 for attacks).
    """

    name: str
    level: float
    trace: float

    def __post_init__(self) -> None:
        choose("source", self.name, (*MODIFICATIONS, *ATTACKS, DRIFT))
        if self.name in MODIFICATIONS:
            MODIFICATIONS[self.name].checked(self.level)

    @classmethod
    def default(cls, name: str, level: float | None = None) -> "Source":
        """The trace, and by default the level, that the README's tables use."""
        choose("source", name, (*MODIFICATIONS, *ATTACKS, DRIFT))
        if name == DRIFT:
            return cls(name=name, level=1.0 if level is None else level, trace=0.5)
        if name in ATTACKS:
            return cls(name=name, level=EPS if level is None else level, trace=2.0)
        return cls(name=name, level=MODIFICATIONS[name].level if level is None else level, trace=0.5)
