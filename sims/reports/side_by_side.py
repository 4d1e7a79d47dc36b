"""The paper's table beside ours: one row for each source, strength and trace; misses are marked and counted."""

from dataclasses import dataclass

import pandas as pd
from rich.table import Table

from localnoise.sims.defenses import DEFENSES, ordered
from localnoise.sims.reports import stated
from localnoise.sims.reports.comparison import Outcome, Place
from localnoise.sims.reports.stated import Stated
from localnoise.sims.reports.table import accuracy, as_markdown, as_terminal, share, texts, words
from localnoise.sims.results.statistics import Estimate


@dataclass(frozen=True)
class PaperRow:
    """One arm at one source, strength and trace: measured, and stated where the paper has it."""

    source: str
    level: float
    trace: float
    arm: str
    measured: Estimate
    stated: Stated | None

    @property
    def agrees(self) -> bool | None:
        """Return whether the two agree; None where the paper states nothing."""
        return None if self.stated is None else self.stated.agrees(self.measured)


def rows(found: dict[Place, Outcome], sources: list[str]) -> list[PaperRow]:
    """Rows in the order of the sources, then strength, trace, arm."""
    wanted = {(row.source, row.level, row.arm): row for row in stated.table()}
    traces: dict[str, set[float]] = {}
    for place in found:
        traces.setdefault(place.test.name, set()).update([] if place.variance is None else [place.variance])
    out = []
    for place, own in found.items():
        source, level = place.test
        if source in sources:
            row = wanted.get((source, level, place.defense))
            # a defense without a variance of its own, such as no noise, stands beside each
            alone = sorted(traces[source]) or [2.0]
            for trace in alone if place.variance is None else [place.variance]:
                out.append(PaperRow(source, level, trace, place.defense, own.accuracy, row))
    order = ordered(place.defense for place in found)
    attack = {source for source in sources if source.startswith("art-")}
    kept = [row for row in out if row.source not in attack or row.trace == 2]
    return sorted(kept, key=lambda row: (sources.index(row.source), -row.trace, row.level, order.index(row.arm)))


def terminal(table: list[PaperRow], title: str) -> Table:
    """Measured ± half width, the paper's value in brackets; `*` where they disagree."""
    sources = [source for source, _, _ in _grouped(table)]
    return as_terminal(_texts(table), title, groups=sources, widest=18)


def markdown(table: list[PaperRow]) -> str:
    """As `terminal`, in Markdown."""
    return as_markdown(_texts(table))


def _texts(table: list[PaperRow]) -> pd.DataFrame:
    arms = list(dict.fromkeys(row.arm for row in table))
    heads = ["source", "strength", "variance", *(DEFENSES[arm].label for arm in arms)]
    rows = [
        [words(source), f"{level:g}", f"{trace:g}", *(_cell(own.get(arm)) for arm in arms)]
        for (source, level, trace), own in _grouped(table).items()
    ]
    return texts(heads, rows)


def verdict(table: list[PaperRow]) -> str:
    """Return how many rows agree, by trace, and which do not."""
    lines = []
    for trace in sorted({row.trace for row in table}, reverse=True):
        for kind, attack in (("attacks", True), ("modifications", False)):
            judged = [
                r for r in table if r.trace == trace and r.agrees is not None and r.source.startswith("art-") == attack
            ]
            if judged:
                lines.append(
                    f"variance {trace:g}, {kind}: {sum(r.agrees is True for r in judged)} of {len(judged)} agree"
                )
    lines.append("In brackets what the paper states; * differs by more than .03 and by more than both 95 % intervals.")
    images = sorted({row.measured.images for row in table})
    seeds = max((row.measured.seeds for row in table), default=0)
    lines.append(f"{seeds} seed{'s' * (seeds != 1)}, n = {', '.join(f'{n:,}' for n in images)} images each.")
    return "\n".join(lines)


def _grouped(table: list[PaperRow]) -> dict[tuple[str, float, float], dict[str, PaperRow]]:
    out: dict[tuple[str, float, float], dict[str, PaperRow]] = {}
    for row in table:
        out.setdefault((row.source, row.level, row.trace), {})[row.arm] = row
    return out


def _cell(row: PaperRow | None) -> str:
    if row is None:
        return ""
    text = accuracy(row.measured)
    return text if row.stated is None else f"{text} ({share(row.stated.mean)[:3]}){'' if row.agrees else '*'}"
