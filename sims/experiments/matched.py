"""Cells of a comparison: arms x threats, each network trained on a threat's own source, or on given ones."""

from collections.abc import Iterable

from localnoise.errors import ArgumentError
from localnoise.sims.arms import named as find_arm
from localnoise.sims.attacks import EPS
from localnoise.sims.experiments.budget import Budget
from localnoise.sims.experiments.cells import Cell
from localnoise.sims.experiments.names import CLEAN, WORST, as_name
from localnoise.sims.experiments.source import Source
from localnoise.sims.experiments.threat import Threat
from localnoise.sims.modifications import MODIFICATIONS
from localnoise.validate import as_trace


def named(text: str) -> tuple[str, float | None]:
    """Split "rotate@2" into a name and a level; without a level it is None.

    Raises
    ------
    ArgumentError
        The level is no number.
    """
    name, _, level = text.strip().partition("@")
    try:
        return name, float(level) if level else None
    except ValueError:
        raise ArgumentError(f"{text!r}: expected NAME or NAME@LEVEL, such as rotate@1.6") from None


def variances_of(text: str) -> list[float]:
    """Noise variances from "2,0.5".

    Raises
    ------
    ArgumentError
        One of them is no number > 0.
    """
    try:
        return [as_trace(float(part)) for part in text.split(",")]
    except ValueError:
        raise ArgumentError(f"traces={text!r}: expected numbers > 0, separated by commas, such as 2,0.5") from None


def threat(text: str, images: int, attacked: int) -> Threat:
    """Threat from "NAME" or "NAME@LEVEL", on `images` test images; `attacked` where each is expensive."""
    name, level = named(text)
    as_name("threat", name, CLEAN, WORST)
    if name in MODIFICATIONS or name == CLEAN:
        standard = MODIFICATIONS[name].level if name in MODIFICATIONS else 0.0
        return Threat(name=name, level=standard if level is None else level, images=images)
    return Threat(name=name, level=EPS if level is None else level, images=attacked if name == WORST else images)


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


def own_threats(sources: str, arms: Iterable[str], plan: Budget) -> tuple[list[Cell], list[Source]]:
    """Cells of each source's nets, clean and against what the source itself does; and the sources."""
    names, cells, learned = list(arms), [], []
    for text in sources.split(","):
        source = Source.default(*named(text)).of(plan.displaced)
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
        arm = find_arm(name)
        if arm.causes > 1 and not any(source.name in MODIFICATIONS for source in sources):
            continue  # an attack has one cause
        learned = sources if arm.learns else ()
        trace = sources[0].trace if not arm.learns and arm.build is not None and arm.when != "never" else None
        out += [Cell(seed=seed, sources=learned, arm=name, threats=(one,), trace=trace) for one in wanted]
    return out
