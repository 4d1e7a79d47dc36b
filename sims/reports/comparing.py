"""Tables of a comparison: rows = arms, columns = threats; differences from a reference arm, paired."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd
from rich.table import Table

from localnoise.sims.defenses import DEFENSES
from localnoise.sims.defenses.facts import loud
from localnoise.sims.reports import retained
from localnoise.sims.reports.comparison import Outcome, Place, attacks_run, seed_means
from localnoise.sims.reports.table import accuracy, as_markdown, as_terminal, texts
from localnoise.sims.results.statistics import CLEAN, Estimate, over_seeds

_MANY = 6  # threats, beyond which each has a row instead of a column


@dataclass(frozen=True)
class Comparison:
    """Outcomes, and the arms and threats to show, in their order.

    Attributes
    ----------
    outcomes : dict
        By place; no defense has two nets for one threat.
    arms, threats : list of str
    groups : dict of str to list of str
        Threats whose mean is shown, too, by the name of the mean.
    """

    outcomes: dict[Place, Outcome]
    arms: list[str]
    threats: list[str]
    groups: dict[str, list[str]] = field(default_factory=dict)

    @property
    def rows(self) -> list[str]:
        """The rows that are shown of each arm, in order: clean accuracy where it is known, threats, means."""
        clean = any(place.test.name == "clean" for place in self.outcomes)
        return [*(["clean"] if clean else []), *self.threats, *self.groups]

    def estimate(self, arm: str, row: str) -> Estimate | None:
        """Return what one of `rows` says of an arm. Clean: the mean over its nets, if each threat has its own."""
        several = self._several(arm, row)
        if len(several) == 1:
            return None if several[0] is None else several[0].accuracy
        means = seed_means(several)
        images = max((one.accuracy.images for one in several if one is not None), default=0)  # the same in each place
        return None if means is None else over_seeds(list(means.values()), images)

    def less(self, arm: str, row: str, against: str) -> Estimate | None:
        """Return what `estimate` says of an arm less what it says of `against`, paired."""
        own, other = self._several(arm, row), self._several(against, row)
        if len(own) == len(other) == 1:
            return None if own[0] is None or other[0] is None else own[0].less(other[0])
        ours, theirs = seed_means(own), seed_means(other)
        if ours is None or theirs is None or len(shared := sorted(set(ours) & set(theirs))) < 2:
            return None
        images = max(one.accuracy.images for one in own if one is not None)
        return over_seeds([ours[seed] - theirs[seed] for seed in shared], images)

    def _several(self, arm: str, row: str) -> list[Outcome | None]:
        if row == "clean":
            return [own for place, own in self.outcomes.items() if (place.defense, place.test.name) == (arm, "clean")]
        return [self.entry(arm, threat) for threat in self.groups.get(row, [row])]

    def entry(self, arm: str, threat: str) -> Outcome | None:
        """Outcome of an arm against a threat."""
        found = (own for place, own in self.outcomes.items() if (place.defense, place.test.label) == (arm, threat))
        return next(found, None)


def terminal(table: Comparison, title: str) -> Table:
    """Accuracy with its half width; `!` marks evaluations that failed a check. Arms are the shorter side's columns."""
    grid = _grid(table, lambda arm, row: _cell(table, arm, row))
    if len(table.threats) > _MANY:
        return as_terminal(grid, title, groups=[row in table.groups for row in table.rows], widest=18)
    grid = grid.rename_axis("arm").rename(columns=lambda row: row.replace("@", "\n"))
    own = [[entry for threat in table.threats if (entry := table.entry(arm, threat))] for arm in table.arms]
    grid["para-\nmeters"] = [f"{max(e.parameters for e in some):,}" if some else "" for some in own]
    grid["bytes/\nunit"] = [f"{max(e.bytes_per_unit for e in some):,.0f}" if some else "" for some in own]
    return as_terminal(grid, title, groups=[DEFENSES[arm].central for arm in table.arms])


def _cell(table: Comparison, arm: str, row: str) -> str:
    own, entry = table.estimate(arm, row), table.entry(arm, row)
    failed = own is not None and entry is not None and any(entry.unreliable.values())
    return accuracy(own) + "!" * failed


def footnote(table: Comparison) -> str:
    """Say what the numbers are, how many images, and which evaluations are unreliable, and why."""
    shown = ["clean", *table.threats]
    found = [entry for arm in table.arms for threat in shown if (entry := table.entry(arm, threat))]
    if not found:
        return "No cell is done."
    seeds, images = max(len(e.correct) for e in found), sorted({e.accuracy.images for e in found})
    method = f"Student's t over {seeds} seeds" if seeds > 1 else "Wilson over images, one seed"
    lines = [f"± is the 95 % interval ({method}); n = {', '.join(f'{n:,}' for n in images)} images a seed."]
    if "clean" in table.rows:
        lines.append(CLEAN)
    ratios = [own["noise.of_layer"] for entry in found for own in entry.extra.values() if "noise.of_layer" in own]
    if ratios:
        lines.append(loud(ratios))
    wanted = table.outcomes.items()
    lines += attacks_run(
        {place: own for place, own in wanted if place.defense in table.arms and place.test.label in table.threats}
    )
    for arm in table.arms:
        for threat in table.threats:
            for seed, reason in (table.entry(arm, threat) or Outcome(0, 0)).unreliable.items():
                lines.append(f"! {DEFENSES[arm].label}, {threat}, seed {seed} is unreliable: {reason}")
    return "\n".join(lines)


def markdown(table: Comparison, against: str | None) -> str:
    """The table in Markdown; below it the paired differences from the arm `against`, and retention."""
    blocks = [as_markdown(_grid(table, lambda arm, row: _estimate(table.estimate(arm, row))))]
    if against is not None:
        less = _grid(table, lambda arm, row: _estimate(table.less(arm, row, against), "+"))
        blocks.append(f"Less {DEFENSES[against].label}, paired:\n\n{as_markdown(less)}")
    if {"none", "full"} <= set(table.arms):
        blocks.append("Retention of the central gain:\n\n" + _retained(table))
    return "\n\n".join([*blocks, footnote(table)]) + "\n"


def _retained(table: Comparison) -> str:
    arms = [arm for arm in table.arms if arm not in ("none", "full")]

    def find(i: int, j: int) -> retained.RetainedGain | None:
        return retained.kept(*(table.entry(arm, table.threats[j]) for arm in (arms[i], "none", "full")))

    return retained.markdown([DEFENSES[arm].label for arm in arms], table.threats, find)


def _grid(table: Comparison, text: Callable[[str, str], str]) -> pd.DataFrame:
    arms = [DEFENSES[arm].label for arm in table.arms]
    if len(table.threats) > _MANY:
        return texts(arms, [[text(arm, row) for arm in table.arms] for row in table.rows], table.rows)
    return texts(table.rows, [[text(arm, row) for row in table.rows] for arm in table.arms], arms)


def _estimate(estimate: Estimate | None, sign: str = "") -> str:
    return "" if estimate is None else f"{estimate.mean:{sign}.3f} ± {estimate.half_width:.3f}"
