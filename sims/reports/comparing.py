"""Tables of a comparison: rows = arms, columns = threats; differences from a reference arm, paired."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.table import Table

from localnoise.sims.arms import ARMS
from localnoise.sims.reports.comparison import Outcome, Place
from localnoise.sims.reports.intervals import Estimate
from localnoise.sims.reports.tables import share


@dataclass(frozen=True)
class Comparison:
    """Outcomes, and the arms and threats to show, in their order.

    Attributes
    ----------
    outcomes : dict
        By (arm, learned from, tested on); no arm has two nets for one threat.
    arms, threats : list of str
    """

    outcomes: dict[Place, Outcome]
    arms: list[str]
    threats: list[str]

    def entry(self, arm: str, threat: str) -> Outcome | None:
        """Outcome of an arm against a threat."""
        return next((own for (name, _, tested), own in self.outcomes.items() if (name, tested) == (arm, threat)), None)

    def clean(self, arm: str) -> float | None:
        """Clean accuracy, mean over the arm's nets."""
        found = [
            own.accuracy.mean for (name, _, tested), own in self.outcomes.items() if (name, tested) == (arm, "clean")
        ]
        return float(np.mean(found)) if found else None


def terminal(table: Comparison, title: str) -> Table:
    """Accuracy with its half width, one row an arm; `!` marks evaluations that failed a check."""
    out = Table(title=title, title_justify="left", box=box.SIMPLE, show_edge=False, pad_edge=False)
    out.add_column("arm", no_wrap=True)
    for column in ("clean", *(threat.replace("@", "\n") for threat in table.threats), "para-\nmeters", "bytes/\nunit"):
        out.add_column(column, justify="right", no_wrap=True)
    before = None
    for arm in table.arms:
        own = [entry for threat in table.threats if (entry := table.entry(arm, threat))]
        if before is not None and ARMS[arm].central != before:
            out.add_section()
        before, clean = ARMS[arm].central, table.clean(arm)
        out.add_row(
            ARMS[arm].label,
            "" if clean is None else share(clean),
            *(_cell(table.entry(arm, threat)) for threat in table.threats),
            f"{max(entry.parameters for entry in own):,}" if own else "",
            f"{max(entry.bytes_per_unit for entry in own):,.0f}" if own else "",
        )
    return out


def _cell(entry: Outcome | None) -> str:
    if entry is None:
        return ""
    accuracy = entry.accuracy
    return f"{share(accuracy.mean)} ±{share(accuracy.half_width)}" + ("!" if any(entry.unreliable.values()) else "")


def footnote(table: Comparison) -> str:
    """What the numbers are, how many images, and which evaluations are unreliable, and why."""
    found = [entry for arm in table.arms for threat in table.threats if (entry := table.entry(arm, threat))]
    if not found:
        return "No cell is done."
    seeds, images = max(len(e.correct) for e in found), sorted({e.accuracy.images for e in found})
    method = f"Student's t over {seeds} seeds" if seeds > 1 else "Wilson over images, one seed"
    lines = [f"± is the 95 % interval ({method}); n = {', '.join(f'{n:,}' for n in images)} images a seed."]
    for arm in table.arms:
        for threat in table.threats:
            for seed, reason in (table.entry(arm, threat) or Outcome(0, 0)).unreliable.items():
                lines.append(f"! {ARMS[arm].label}, {threat}, seed {seed} is unreliable: {reason}")
    return "\n".join(lines)


def markdown(table: Comparison, against: str | None) -> str:
    """The table in Markdown, and below it the paired differences from the arm `against`."""
    blocks = [_rows(table, lambda arm, threat: _estimate(e.accuracy) if (e := table.entry(arm, threat)) else "")]
    if against is not None:
        blocks.append(
            f"Less {ARMS[against].label}, paired:\n\n" + _rows(table, lambda a, t: _less(table, a, t, against))
        )
    return "\n\n".join([*blocks, footnote(table)]) + "\n"


def _rows(table: Comparison, text: Callable[[str, str], str]) -> str:
    lines = ["| | " + " | ".join(table.threats) + " |", "|---" * (len(table.threats) + 1) + "|"]
    for arm in table.arms:
        lines.append(f"| {ARMS[arm].label} | " + " | ".join(text(arm, threat) for threat in table.threats) + " |")
    return "\n".join(lines)


def _less(table: Comparison, arm: str, threat: str, against: str) -> str:
    own, other = table.entry(arm, threat), table.entry(against, threat)
    difference = own.less(other) if own and other else None
    return _estimate(difference, "+") if difference else ""


def _estimate(estimate: Estimate, sign: str = "") -> str:
    return f"{estimate.mean:{sign}.3f} ± {estimate.half_width:.3f}"
