"""Every source against itself: arms side by side, one row a source, what each keeps of the central gain at the end."""

from localnoise.sims.defenses import DEFENSES
from localnoise.sims.reports import heat, retained
from localnoise.sims.reports.comparison import OWN, Level, Outcome, Place
from localnoise.sims.reports.table import accuracy, as_markdown, texts


def markdown(found: dict[Place, Outcome], arms: list[str], sources: list[Level], tested: Level = OWN) -> str:
    """Accuracy ± half of the 95 % interval of nets that learned from a source, tested on it or on `tested`.

    No noise comes first. The last columns, one for each arm that is not central: its share of the central gain. Below:
    mean and least share.
    """
    names = list(dict.fromkeys(["none", *arms]))
    local = [name for name in names if not DEFENSES[name].central] if "full" in names else []
    head = [
        *(DEFENSES[name].label for name in names),
        *(f"{DEFENSES[name].label}: share of the central gain" for name in local),
    ]
    lines = []
    labels = [source.words for source in sources]
    kept: dict[str, list[float]] = {name: [] for name in local}
    for source in sources:
        own = {name: heat.outcome(found, name, source, tested) for name in names}
        parts = kept_of(found, local, source, tested)
        shares = []
        for name in local:
            part = parts[name]
            if part is not None and part.share is not None:
                kept[name].append(part.share.mean)
            shares.append(retained.cell(part))
        lines.append([*(accuracy(None if one is None else one.accuracy) for one in own.values()), *shares])
    ends = [f"{sum(own) / len(own):.2f}, least {min(own):.2f}" if own else "" for own in kept.values()]
    if any(ends):
        lines.append([""] * len(names) + ends)
        labels.append("mean")
    return as_markdown(texts(head, lines, labels))


def kept_of(
    found: dict[Place, Outcome], arms: list[str], source: Level, tested: Level = OWN
) -> dict[str, retained.RetainedGain | None]:
    """Return what each arm keeps of the central gain where it learned from a source."""
    none, full = (heat.outcome(found, name, source, tested) for name in ("none", "full"))
    return {name: retained.kept(heat.outcome(found, name, source, tested), none, full) for name in arms}
