"""Settings of an experiment: which data, seeds, sources and arms; stored with every record."""

from dataclasses import asdict, dataclass, field
from typing import Any

from localnoise.errors import ArgumentError, choose
from localnoise.sims.arms import ARMS
from localnoise.sims.attacks import PGD
from localnoise.sims.modifications import MODIFICATIONS


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where displacements come from, and how loud the noise learned from them is made.

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


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One experiment: every combination of seeds, sources (alone and together) and arms is a cell.

    Attributes
    ----------
    data : str
        "embedded" or "full".
    fingerprint : str
        Of the data set, so that a record never stands for other images.
    seeds, sources, arms : tuple
        What is combined.
    mixed_arms : tuple of str
        Arms that are also trained on all modifications at once, one drawn per presentation, and tested on each.
    base_epochs, epochs : int
        Of training all layers, and of retraining those after the noise.
    draws : int
        Noisy logits that the deployed predictor averages.
    attack : PGD
        The attack on the deployed predictor.
    attacked_train, attacked_test : int
        Images attacked to learn from, and to test.
    """

    data: str
    fingerprint: str
    seeds: tuple[int, ...]
    sources: tuple[Source, ...]
    arms: tuple[str, ...]
    mixed_arms: tuple[str, ...] = ()
    base_epochs: int = 10
    epochs: int = 3
    draws: int = 10
    attack: PGD = field(default_factory=PGD)
    attacked_train: int = 20_000
    attacked_test: int = 1_000

    def __post_init__(self) -> None:
        choose("data", self.data, ("embedded", "full"))
        for arm in (*self.arms, *self.mixed_arms):
            choose("arm", arm, ARMS)
        for name in ("seeds", "sources", "arms"):
            if not getattr(self, name):
                raise ArgumentError(f"{name} is empty: expected at least one")
        for name in ("base_epochs", "epochs", "draws", "attacked_train", "attacked_test"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name}={getattr(self, name)!r}: expected a whole number >= 1")

    @property
    def modifications(self) -> tuple[Source, ...]:
        """The sources that are no attack."""
        return tuple(source for source in self.sources if source.name != "pgd")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One trained network: a seed, the sources that it learned from, an arm."""

    seed: int
    sources: tuple[Source, ...]
    arm: str

    def config(self, settings: Settings) -> dict[str, Any]:
        """Everything that the cell's result depends on, as plain values: its key in the records."""
        shared = asdict(settings)
        for name in ("seeds", "sources", "arms", "mixed_arms"):
            del shared[name]
        revision = ARMS[self.arm].revision
        return asdict(self) | shared | ({"revision": revision} if revision > 1 else {})

    def provenance(self) -> dict[str, Any]:
        """What a grid's file says of where it was learned."""
        return {"seed": self.seed, "arm": self.arm, "sources": [asdict(source) for source in self.sources]}


def cells(settings: Settings) -> list[Cell]:
    """All cells, those that share a seed and a source together: they share the dear steps."""
    out = []
    for seed in settings.seeds:
        for source in settings.sources:
            arms = [arm for arm in settings.arms if source.name != "pgd" or ARMS[arm].causes == 1]
            out += [Cell(seed=seed, sources=(source,), arm=arm) for arm in arms]
        if len(settings.modifications) > 1:
            out += [Cell(seed=seed, sources=settings.modifications, arm=arm) for arm in settings.mixed_arms]
    return out
