"""The report of `localnoise repair`: each perturbation unrepaired, repaired, and what the gate made of it."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from pydantic import Field
from rich.table import Table

from localnoise.errors import ArgumentError
from localnoise.files import write_text
from localnoise.sims.defenses import DEFENSES
from localnoise.sims.defenses.repair_plan import NONE
from localnoise.sims.perturbations.modification import parts_of
from localnoise.sims.reports import comparing, figures, harm
from localnoise.sims.reports import confusions as confusing
from localnoise.sims.reports.commands.base import ArmName, Report, arms_of, threats_of
from localnoise.sims.reports.comparison import outcomes
from localnoise.sims.reports.table import accuracy, as_markdown, as_terminal, share, texts
from localnoise.sims.results.records import Record
from localnoise.sims.results.statistics import Estimate, over_seeds

_UNREPAIRED = "undefended"


def head(arm: str) -> str:
    """Return an arm's column: how it differs from the repair that is told nothing."""
    plan = DEFENSES[arm].repair
    if plan is None or plan.layers == NONE:
        return DEFENSES[arm].label
    kinds = (
        (plan.told, "told the source"),
        (plan.dense, "dense"),
        (plan.retrained, "later layers retrained"),
        (bool(plan.after), f"after {plan.after}"),
    )
    return ", ".join(word for said, word in kinds if said) or "repaired"


class Repair(Report):
    """A repaired network beside the same one without repair.

    Attributes
    ----------
    arm : str
        The repair, told nothing.
    beside : list of str
        Arms that are shown beside it.
    learned, others : list of str
        Perturbations NAME@LEVEL that it learned, and that it never met: learned ones at milder levels are "milder", at
        others, or where nobody knows which are milder, "other levels"; two in turn are "mixed", what an attacker does
        is an "attack", all else was "never learned".
    milder : list of str
        Of the others those that a task declares to be milder, whose perturbations nobody knows when the report is made
        again.
    named : list of str
        Of the others those that the user named, which the terminal shows, too.
    heads : dict of str to str
        Columns of arms whose names do not say what they are for.
    """

    name: ClassVar[str] = "repair"
    arm: ArmName
    beside: list[ArmName] = Field(default_factory=list)
    learned: list[str]
    others: list[str] = Field(default_factory=list)
    milder: list[str] = Field(default_factory=list)
    named: list[str] = Field(default_factory=list)
    heads: dict[str, str] = Field(default_factory=dict)

    def show(self, records: list[Record]) -> list[Table | str]:
        """Return the table, and what its numbers are."""
        table = self._table(records)
        frame = self._frame(table)
        shown = [self._shown(table, row) for row in table.rows]
        rows = [row for row, one in zip(table.rows, shown, strict=True) if one]
        parts = ["mean" if row in table.groups else self.kind(row) for row in rows]
        return [as_terminal(frame[shown], f"Repair, {self.title}", groups=parts), self._footnote(table)]

    def write(self, records: list[Record], out: Path) -> list[str]:
        """Write the table, what the gate said, and the figure."""
        table = self._table(records)
        blocks = [as_markdown(self._frame(table))]
        if beside := [arm for arm in self.beside if DEFENSES[arm].repair is None]:
            leads = harm.leads(table, self.arm, beside, list(map(self._head, beside)))
            blocks.append(f"Repaired less those that were trained with labels, paired:\n\n{as_markdown(leads)}")
        said = self._said(table)
        if said is not None:
            blocks.append(f"What the gate said (share of the images of a row):\n\n{as_markdown(said)}")
        found = self._confusions(table)
        if any(not one.right for one in found):
            what = (
                "What it costs where the gate named something else: told less repaired, as a share of the row's images"
            )
            blocks.append(f"{what}:\n\n{as_markdown(confusing.frame(found))}")
        write_text(out / "table.md", "\n\n".join([*blocks, self._footnote(table)]) + "\n")
        known = [row for row in table.threats if self.kind(row) != harm.MILDER]
        called = {arm: self._head(arm) for arm in table.arms}
        figures.threats(replace(table, threats=known), out / "accuracy.png", self.headline, called)
        names = ["table.md", *figures.kinds("accuracy.png")]
        mild = [row for row in table.threats if self.kind(row) == harm.MILDER]
        if mild:
            arms = [arm for arm in table.arms if arm in (_UNREPAIRED, self.arm) or DEFENSES[arm].repair is None]
            few = replace(table, arms=arms)
            harm.figure(few, self.learned, mild, out / "milder.png", self.headline, called, table.arms)
            names += figures.kinds("milder.png")
        return names

    def _shown(self, table: comparing.Comparison, row: str) -> bool:
        """Return whether the terminal shows a row: a mean is enough of milder ones and mixtures that nobody named."""
        if row in self.named or self.kind(row) not in (harm.MILDER, harm.MIXED):
            return True
        return not any(row in rows for rows in table.groups.values())

    def kind(self, row: str) -> str:
        """Return what a row is to the repair: "clean", "learned", or one of `harm.KINDS`."""
        return harm.MILDER if row in self.milder else harm.kind(row, self.learned)

    def _table(self, records: list[Record]) -> comparing.Comparison:
        kinds = {what: [row for row in self.others if self.kind(row) == what] for what in harm.KINDS}
        several = {"learned": self.learned, **kinds}
        groups = {f"mean of {len(rows)} {what}": rows for what, rows in several.items() if len(rows) > 1}
        arms = [_UNREPAIRED, self.arm, *self.beside]
        attacks = [row for row in self.others if self.kind(row) == harm.ATTACK]
        threats = [*self.learned, *(row for rows in kinds.values() for row in rows), *attacks]
        return comparing.Comparison(outcomes(records), arms, threats, groups)

    def _head(self, arm: str) -> str:
        """Return an arm's column; where another one beside it would be called the same, its label."""
        called = [self.heads.get(one) or head(one) for one in (self.arm, *self.beside)]
        own = self.heads.get(arm) or head(arm)
        return DEFENSES[arm].label if arm != self.arm and called.count(own) > 1 else own

    def _frame(self, table: comparing.Comparison) -> pd.DataFrame:
        heads = [*map(self._head, table.arms), "less undefended", "gate right", "left alone"]
        rows = []
        for row in table.rows:
            less = table.less(self.arm, row, _UNREPAIRED)
            signed = "" if less is None else f"{less.mean:+.3f} ±{share(less.half_width)}"
            signed += harm.attacked(less, self.kind(row)) if row not in table.groups else ""
            right = self._gate(table, row, None)
            alone = self._gate(table, row, "clean") if row not in ("clean", *table.groups) else None
            known = [accuracy(table.estimate(arm, row)) for arm in table.arms]
            rows.append([*known, signed, accuracy(right), accuracy(alone)])
        return texts(heads, rows, table.rows).rename_axis("perturbation")

    def _gate(self, table: comparing.Comparison, row: str, called: str | None) -> Estimate | None:
        """Return the share of a row's images that the gate called so; None: that it called what they are."""
        several = [text for text in table.groups.get(row, [row]) if called or self._right(text)]
        if not several or (row in table.groups and called):
            return None
        shares: dict[int, list[float]] = {}
        images = 0
        for text in several:
            for seed, counts in self._counts(table, text).items():
                at = self._names.index(called or self._right(text))
                images = int(counts.sum())
                shares.setdefault(seed, []).append(float(counts[at] / max(images, 1)) if at < len(counts) else 0.0)
        means = [float(np.mean(own)) for own in shares.values() if len(own) == len(several)]
        return over_seeds(means, images) if means else None

    def _right(self, text: str) -> str:
        """Return what the gate should call a row: the source of its name; "" where it has learned none."""
        names = [name for name in self._names if name.partition("@")[0] == text.partition("@")[0]]
        return "" if len(parts_of(text)) > 1 or not names else text if text in names else names[0]

    @property
    def _names(self) -> list[str]:
        """The sources that the gate tells apart."""
        return ["clean", *self.learned]

    def _counts(self, table: comparing.Comparison, text: str) -> dict[int, np.ndarray]:
        entry = table.entry(self.arm, text)
        found = {} if entry is None else {seed: own.get(f"gate.{text}") for seed, own in entry.extra.items()}
        return {seed: np.asarray(counts) for seed, counts in found.items() if counts is not None}

    def _confusions(self, table: comparing.Comparison) -> list[confusing.Confusion]:
        """Return what the gate took learned rows for; none where no arm was told, or records do not say."""
        plan = DEFENSES[self.arm].repair
        told = [arm for arm in self.beside if plan and DEFENSES[arm].repair == replace(plan, told=True)]
        if not told:
            return []
        return confusing.confusions(table, self.arm, told[0], _UNREPAIRED, self.learned, self._names)

    def _said(self, table: comparing.Comparison) -> pd.DataFrame | None:
        rows, labels = [], []
        for text in ["clean", *table.threats]:
            counts = self._counts(table, text)
            if counts:
                mean = np.mean([own / max(own.sum(), 1) for own in counts.values()], axis=0)
                rows.append([share(value) for value in mean])
                labels.append(text)
        return texts(self._names, rows, labels).rename_axis("tested") if rows else None

    def _footnote(self, table: comparing.Comparison) -> str:
        entry = next((own for place, own in table.outcomes.items() if place.defense == self.arm), None)
        size = "" if entry is None else harm.size(entry)
        plans = [DEFENSES[arm].repair for arm in self.beside]
        but = ", but for the later layers that were retrained" if any(plan and plan.retrained for plan in plans) else ""
        but += "; where it comes after another arm, that one read labels" if any(p and p.after for p in plans) else ""
        arms = ", ".join(f"{self._head(arm)}: {arm}" for arm in table.arms)
        trained = [line for arm in self.beside if (line := harm.training(table, arm, self._head(arm)))]
        rows = [row for row in table.rows if row not in table.groups and row not in self.learned]
        lines = [
            f"Defenses: {arms}. {size}The repair reads no label and changes no weight of the network{but}. Gate right: "
            "it named what had happened; left alone: it called the input clean.",
            *trained,
            *filter(None, [confusing.said(self._confusions(table))]),
            *harm.said(table, self.arm, _UNREPAIRED, rows, self.kind),
            *harm.said_of_attacks(table, self.arm, _UNREPAIRED, rows, self.kind),
            comparing.footnote(table),
        ]
        return "\n".join(lines)

    @classmethod
    def of(cls, records: list[Record]) -> Self:
        """The first repair of the network as it is, told nothing, all arms beside it; what it learned comes first."""
        arms = arms_of(records)
        repairs = [name for name in arms if DEFENSES[name].repair is not None and name != _UNREPAIRED]
        if not repairs:
            raise ArgumentError(
                "records hold no repair: expected those of `localnoise repair`; name another command with --as"
            )
        repairs.sort(key=lambda name: head(name) != "repaired")
        own = next(record for record in records if record.config["arm"] == repairs[0])
        sources = [f"{source['name']}@{source['level']:g}" for source in own.config["sources"]]
        tested = threats_of(records)
        others = [text for text in tested if text not in sources]
        beside = [*repairs[1:], *(name for name in arms if name != _UNREPAIRED and name not in repairs)]
        return cls(arm=repairs[0], beside=beside, learned=sources, others=others)
