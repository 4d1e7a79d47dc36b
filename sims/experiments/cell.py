"""Cells: one trained network each, and what it is tested on; what an experiment runs, skips when done, and records."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from localnoise.errors import ArgumentError
from localnoise.sims.defenses import DEFENSES, named
from localnoise.sims.evaluation.names import WORST
from localnoise.sims.evaluation.source import Source
from localnoise.sims.evaluation.threat import Threat
from localnoise.sims.evaluation.worst_case import REVISION
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.perturbations import MODIFICATIONS
from localnoise.sims.results.plain import AS_TRACE, LATER, plain


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One trained network: a seed, the sources that it learned from, an arm; and what it is tested on.

    Attributes
    ----------
    seed : int
    sources : tuple of Source
        Empty for arms that learn from none.
    arm : str
    threats : tuple of Threat
        Empty: clean images and the sources themselves.
    variance : float or None
        Noise variance per neuron of the signal-independent arms; None: the source's own.
    """

    seed: int
    sources: tuple[Source, ...]
    arm: str
    threats: tuple[Threat, ...] = field(default=(), metadata=LATER)
    variance: float | None = field(default=None, metadata=LATER | AS_TRACE)

    def __post_init__(self) -> None:
        named(self.arm)

    def config(self, settings: Settings) -> dict[str, Any]:
        """Everything that the cell's result depends on, as plain values: its key in the records."""
        revision = DEFENSES[self.arm].revision
        said = {**plain(self), **plain(settings), **({"revision": revision} if revision > 1 else {})}
        judged = any(threat.name == WORST for threat in self.threats)  # which earlier records do not say
        if judged:
            said["verdict"] = REVISION
            if settings.training != BACKPROP:  # whose twin's examples earlier evaluations did not try
                said["twin"] = BACKPROP
        return said | ({"milder": "as declared"} if self._declared else {})  # before, no task could

    @property
    def _declared(self) -> bool:
        """Return whether a repair asks what it is worth at milder levels that a task declares."""
        plan = DEFENSES[self.arm].repair
        kinds = [MODIFICATIONS[one.name] for one in self.sources if one.name in MODIFICATIONS]
        return plan is not None and plan.worth and any(one.harmless is not None for one in kinds)

    def provenance(self) -> dict[str, Any]:
        """Return what a grid's file says of where it was learned."""
        return {"seed": self.seed, "arm": self.arm, "sources": plain(self.sources)}

    def transfers(self, settings: Settings) -> bool:
        """Return whether it is attacked by what the backprop twin of its network falls to."""
        return settings.training != BACKPROP and any(threat.name == WORST for threat in self.threats)

    @property
    def trained(self) -> "Cell":
        """The cell without its threats: two cells with the same one test the same network."""
        return replace(self, threats=())


def strengths(cells: Iterable[Cell]) -> Iterator[tuple[str, float]]:
    """Name and level of all that cells learn from and are tested on."""
    for cell in cells:
        yield from ((source.name, source.level) for source in cell.sources)
        yield from ((threat.name, threat.level) for threat in cell.threats)


def crossed(
    seeds: Iterable[int], sources: tuple[Source, ...], arms: tuple[str, ...], mixed_arms: tuple[str, ...] = ()
) -> list[Cell]:
    """Every combination as a cell that is tested on its own sources; those that share the expensive steps together.

    mixed_arms : also trained on all modifications at once, one drawn per presentation, and tested on each.
    """
    for name, given in (("seeds", seeds), ("sources", sources), ("arms", arms)):
        if not given:
            raise ArgumentError(f"{name} is empty: expected at least one")
    modifications = tuple(source for source in sources if source.name in MODIFICATIONS)
    out = []
    for seed in seeds:
        for source in sources:
            fitting = [arm for arm in arms if source.name in MODIFICATIONS or named(arm).causes == 1]
            out += [Cell(seed=seed, sources=(source,), arm=arm) for arm in fitting]
        if len(modifications) > 1:
            out += [Cell(seed=seed, sources=modifications, arm=arm) for arm in mixed_arms]
    return out
