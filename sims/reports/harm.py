"""Whether a repair does harm: rows never learned, milder or other levels, mixtures; and what it is set beside."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from localnoise.sims.attacks import ATTACKS
from localnoise.sims.evaluation.names import WORST, name_and_level
from localnoise.sims.evaluation.source import is_milder
from localnoise.sims.perturbations.modification import parts_of
from localnoise.sims.reports.comparing import Comparison
from localnoise.sims.reports.comparison import Level, Outcome
from localnoise.sims.reports.figures import DOUBLE, drawn, error_bars, legend, lettered, looks
from localnoise.sims.reports.table import sentence, signed, texts, words
from localnoise.sims.results.statistics import Estimate

LEARNED, NEVER, MIXED, MILDER, ATTACK = "learned", "never learned", "mixed", "milder", "attack"
OTHER = "other levels"  # of what was learned: harsher ones, or nobody knows which end is harsher
KINDS = (NEVER, MIXED, MILDER, OTHER)  # that a repair should not harm; an attacker who knows it is no accident
Kind = Callable[[str], str]  # what a row is to the repair
BOUND = 0.01  # of accuracy: what a repair may lose on any row


def kind(row: str, learned: Sequence[str]) -> str:
    """Return what a row NAME@LEVEL is to a repair that learned those."""
    if row == "clean" or row in learned:
        return row if row == "clean" else LEARNED
    if len(parts_of(row)) > 1:
        return MIXED
    name, level = name_and_level(row)
    if name in ATTACKS or name == WORST:
        return ATTACK
    own = [other for text in learned for one, other in [name_and_level(text)] if one == name]
    if not own:
        return NEVER
    known = level is not None and any(other is not None and is_milder(level, name, other) for other in own)
    return MILDER if known else OTHER


def milder(rows: Sequence[str], learned: Sequence[str]) -> list[str]:
    """Return those of the rows that are milder than what was learned."""
    return [row for row in rows if kind(row, learned) == MILDER]


def said(table: Comparison, arm: str, against: str, rows: Sequence[str], kind: Kind) -> list[str]:
    """Return lines: the worst of each kind, and which of all rows fall by more than `BOUND`."""
    accidents = [row for row in rows if kind(row) != ATTACK]
    found = {row: less for row in accidents if (less := table.less(arm, row, against)) is not None}
    if not found:
        return []
    lines = []
    for what in KINDS:
        own = {row: less for row, less in found.items() if kind(row) == what}
        if own:
            row = min(own, key=lambda name: own[name].mean)
            called = what.removesuffix("s") if len(own) == 1 else what
            lines.append(f"Worst of the {len(own)} {called}: {row}, {signed(own[row])} less undefended.")
    fallen = [f"{row} ({signed(less)})" for row, less in found.items() if less.mean < -BOUND]
    kinds = [what for what in ("clean", *KINDS) if any(kind(row) == what for row in found)]
    lines.append(
        f"Do no harm ({', '.join(kinds)}): {len(fallen)} of {len(found)} rows fall by more than "
        f".01{': ' if fallen else ''}{', '.join(fallen)}."
    )
    return lines


def attacked(less: Estimate | None, kind: str) -> str:
    """Return what a table says beside a difference: a repair is no defense against what it is not clearly better at."""
    return "" if kind != ATTACK or less is None or less.low > 0 else ", not a defense"


def said_of_attacks(table: Comparison, arm: str, against: str, rows: Sequence[str], kind: Kind) -> list[str]:
    """Return a line on attacks: which the repair withstands better than the unrepaired network, and which worse."""
    found = {row: less for row in rows if kind(row) == ATTACK and (less := table.less(arm, row, against))}
    if not found:
        return []
    better = [f"{row} ({signed(less)})" for row, less in found.items() if less.low > 0]
    worse = [f"{row} ({signed(less)})" for row, less in found.items() if less.high < 0]
    return [
        f"Attacks count neither in means nor as harm: of {len(found)}, {len(better)} above undefended beyond the "
        f"interval{': ' if better else ''}{', '.join(better)}; {len(worse)} below{': ' if worse else ''}"
        f"{', '.join(worse)}. A repair is affine but for its gate, and not a defense against attacks."
    ]


def leads(table: Comparison, arm: str, beside: Sequence[str], heads: Sequence[str]) -> pd.DataFrame:
    """Return by how much a repair is ahead of other arms, clean and in each mean, paired."""
    rows = ["clean", *(table.groups or table.threats)]
    cells = [[signed(table.less(arm, row, other)) for other in beside] for row in rows]
    return texts(list(heads), cells, rows).rename_axis("perturbation")


def size(entry: Outcome) -> str:
    """Return a sentence on the size of a repair."""
    found = next((own for own in entry.extra.values() if "repair.bytes" in own), None)
    text = f"The repair holds {entry.parameters:,} numbers"
    if found is None:
        return f"{text}. "
    gate, work, look = found["repair.gate"], found["repair.work"], found.get("repair.look")
    text += f", {found['repair.bytes'] / 1e6:.2f} MB of tables at 8 bits, and takes {gate / 1e6:.2f} M "
    ways = f"{work / 1e6:.2f} M at most with all layers' ways back"
    if look is None:  # a record from before it was counted
        return (
            f"{text}multiplications an input to decide in the first layer, {ways}; a second look by the next layer, "
            "where there is one, is not in this record's count. "
        )
    again = f", {look / 1e6:.2f} M to look again," if look else ","
    return f"{text}multiplications an input to decide{again} {ways}. "


def training(table: Comparison, arm: str, head: str) -> str:
    """Return a sentence on how long an arm was trained, and its network's size; "" of those that do not say."""
    entry = next((own for place, own in table.outcomes.items() if place.defense == arm), None)
    found = [own for own in entry.extra.values() if "trained.epochs" in own] if entry is not None else []
    if not found:
        return ""
    epochs = sorted({int(own["trained.epochs"]) for own in found})
    span = f"{epochs[0]}" if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}"
    cut = sum(not own["trained.ended"] for own in found)
    return (
        f"{sentence(head)}: {span} epochs, until held-out training images were answered no better"
        f"{f' (in {cut} of {len(found)} seeds the limit came first)' if cut else ''}; "
        f"{int(found[0]['trained.numbers']):,} numbers, {found[0]['trained.work'] / 1e6:.2f} M multiplications an "
        "input."
    )


def figure(
    table: Comparison,
    learned: Sequence[str],
    mild: Sequence[str],
    path: Path,
    title: str,
    names: Mapping[str, str],
    every: Sequence[str],
) -> None:
    """Accuracy against the level of what was learned, a panel for each source, a line for each arm.

    names : what arms are called. every : arms of the report, by which each has its look.
    """
    rows = [row for row in learned if any(_name(row) == _name(one) for one in mild)]
    wide = min(5, len(rows))
    high = math.ceil(len(rows) / wide)
    with drawn(path, (DOUBLE, 1.4 * high + 0.8 + 0.08 * len(table.arms))) as page:
        panels = page.subplots(high, wide, squeeze=False, sharey=True).ravel()
        look = looks(every)
        for axes, row in zip(panels, rows, strict=False):
            levels = sorted(
                [Level.named(one) for one in (*mild, row) if _name(one) == _name(row)], key=lambda x: x.level
            )
            axes.axvline(Level.named(row).level, color="#BBBBBB", lw=0.8, zorder=0)
            for arm in table.arms:
                found = [(one.level, own.accuracy) for one in levels if (own := table.entry(arm, one.label))]
                style: Any = {
                    "fmt": f"{look[arm].marker}-",
                    "color": look[arm].colour,
                    "label": names[arm],
                    "ms": 3,
                }
                error_bars(axes, [x for x, _ in found], [estimate for _, estimate in found], **style)
            axes.set(ylim=(0, 1), xticks=[one.level for one in levels])
            axes.set_xticklabels([f"{one.level:g}" for one in levels])
        lettered(panels[: len(rows)], [sentence(words(_name(row))) for row in rows])
        for axes in panels[len(rows) :]:
            axes.set_visible(False)
        for axes in panels[max(len(rows) - wide, 0) : len(rows)]:
            axes.set_xlabel("Severity or scale")
        for axes in panels[: len(rows) : wide]:
            axes.set_ylabel("Accuracy")
        legend(page, f"{title}. Gray line: the level that was learned.", columns=2)


def _name(row: str) -> str:
    return row.partition("@")[0]
