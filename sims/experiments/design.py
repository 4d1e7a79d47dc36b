"""Cells of a comparison: arms x threats, each network trained on a threat's own source, or on given ones."""

from collections.abc import Iterable

from localnoise.sims.defenses import named
from localnoise.sims.evaluation.names import CLEAN, WORST, name_and_level
from localnoise.sims.evaluation.source import Source
from localnoise.sims.evaluation.threat import Threat
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.presets import Preset
from localnoise.sims.perturbations import MODIFICATIONS, PAPER

STRONGEST = ",".join(
    f"{name}@{2 if name in ('elastic', 'perspective', 'rotate', 'obstruction') else 5}" for name in PAPER
)
"""The paper's ten modifications, each at the highest level that the paper has."""


def matched(seeds: Iterable[int], arms: Iterable[str], threats: Iterable[Threat], attack: str = "pgd") -> list[Cell]:
    """Cells in which each network learned from what it is tested against; and each is tested clean.

    attack : the source that a net learns from which is tested against "adaptive", which is many attacks.
    """
    wanted, out = [one for one in threats if one.name != CLEAN], []
    clean = max((one.images for one in wanted), default=1)
    for seed in seeds:
        for one in wanted:
            source = Source.default(attack if one.name == WORST else one.name, one.level)
            out += trained_on(seed, (source,), arms, [Threat(name=CLEAN, level=0.0, images=clean), one])
    return list(dict.fromkeys(out))


def own_threats(sources: str, arms: Iterable[str], plan: Preset) -> tuple[list[Cell], list[Source]]:
    """Cells of each source's nets, clean and against what the source itself does; and the sources."""
    names, cells, learned = list(arms), [], []
    for text in sources.split(","):
        source = Source.default(*name_and_level(text)).of(plan.displaced)
        learned.append(source)
        own = Threat(name=source.name, level=source.level, images=plan.images)
        against = [Threat(name=CLEAN, level=0.0, images=plan.images), own]
        for seed in range(plan.seeds):
            cells += trained_on(seed, (source,), names, against)
    return sorted(dict.fromkeys(cells), key=lambda cell: cell.seed), learned


def trained_on(seed: int, sources: tuple[Source, ...], arms: Iterable[str], threats: Iterable[Threat]) -> list[Cell]:
    """Cells of arms trained on all of `sources` together, one threat each; those that learn from none are shared."""
    wanted, out = list(threats), []
    for name in arms:
        arm = named(name)
        if arm.causes > 1 and not any(source.name in MODIFICATIONS for source in sources):
            continue  # an attack has one cause
        learned = sources if arm.learns else ()
        variance = sources[0].variance if not arm.learns and arm.build is not None and arm.when != "never" else None
        out += [Cell(seed=seed, sources=learned, arm=name, threats=(one,), variance=variance) for one in wanted]
    return out
