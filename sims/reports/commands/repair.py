"""The report of `localnoise repair`: each perturbation unrepaired, repaired, and what the gate made of it."""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from pydantic import Field
from rich.table import Table

from localnoise.errors import ArgumentError
from localnoise.files import write_text
from localnoise.sims.defenses import DEFENSES
from localnoise.sims.defenses.repairing import NONE
from localnoise.sims.reports import comparing, figures
from localnoise.sims.reports.commands.base import ArmName, Report, arms_of, threats_of
from localnoise.sims.reports.comparison import outcomes
from localnoise.sims.reports.table import accuracy, as_markdown, as_terminal, share, texts
from localnoise.sims.results.records import Record
from localnoise.sims.results.statistics import Estimate, over_seeds

_UNREPAIRED = "undefended"


def _head(arm: str) -> str:
    """Return an arm's column: how it differs from the repair that is told nothing."""
    plan = DEFENSES[arm].repair
    if plan is None or plan.layers == NONE:
        return DEFENSES[arm].label
    kinds = ((plan.told, "told the source"), (plan.dense, "dense"), (plan.retrained, "later layers retrained"))
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
        Perturbations NAME@LEVEL that it learned, and that it never met.
    """

    name: ClassVar[str] = "repair"
    arm: ArmName
    beside: list[ArmName] = Field(default_factory=list)
    learned: list[str]
    others: list[str] = Field(default_factory=list)

    def show(self, records: list[Record]) -> list[Table | str]:
        """Return the table, and what its numbers are."""
        table = self._table(records)
        rows = len(self.learned) + 1
        parts = ["clean", *["learned"] * (rows - 1), *["never learned"] * len(self.others)]
        parts += ["mean"] * (len(table.rows) - len(parts))
        shown = as_terminal(self._frame(table), f"Repair, {self.title}", groups=parts)
        return [shown, self._footnote(table)]

    def write(self, records: list[Record], out: Path) -> list[str]:
        """Write the table, what the gate said, and the figure."""
        table = self._table(records)
        blocks = [as_markdown(self._frame(table))]
        said = self._said(table)
        if said is not None:
            blocks.append(f"What the gate said (share of the images of a row):\n\n{as_markdown(said)}")
        write_text(out / "table.md", "\n\n".join([*blocks, self._footnote(table)]) + "\n")
        figures.threats(table, out / "accuracy.png", self.headline)
        return ["table.md", *figures.kinds("accuracy.png")]

    def _table(self, records: list[Record]) -> comparing.Comparison:
        groups = {
            f"mean of {len(several)} {what}": several
            for what, several in (("learned", self.learned), ("never learned", self.others))
            if len(several) > 1
        }
        arms = [_UNREPAIRED, self.arm, *self.beside]
        return comparing.Comparison(outcomes(records), arms, [*self.learned, *self.others], groups)

    def _frame(self, table: comparing.Comparison) -> pd.DataFrame:
        heads = [*map(_head, table.arms), "less undefended", "gate right", "left alone"]
        rows = []
        for row in table.rows:
            less = table.less(self.arm, row, _UNREPAIRED)
            signed = "" if less is None else f"{less.mean:+.3f} ±{share(less.half_width)}"
            right = self._gate(table, row, None)
            alone = self._gate(table, row, "clean") if row not in ("clean", *table.groups) else None
            known = [accuracy(table.estimate(arm, row)) for arm in table.arms]
            rows.append([*known, signed, accuracy(right), accuracy(alone)])
        return texts(heads, rows, table.rows).rename_axis("perturbation")

    def _gate(self, table: comparing.Comparison, row: str, called: str | None) -> Estimate | None:
        """Return the share of a row's images that the gate called so; None: that it called what they are."""
        several = [text for text in table.groups.get(row, [row]) if text in (*self._names, called) or called]
        if not several or (row in table.groups and called):
            return None
        shares: dict[int, list[float]] = {}
        images = 0
        for text in several:
            for seed, counts in self._counts(table, text).items():
                at = self._names.index(called or text)
                images = int(counts.sum())
                shares.setdefault(seed, []).append(float(counts[at] / max(images, 1)) if at < len(counts) else 0.0)
        means = [float(np.mean(own)) for own in shares.values() if len(own) == len(several)]
        return over_seeds(means, images) if means else None

    @property
    def _names(self) -> list[str]:
        """What the gate tells apart."""
        return ["clean", *self.learned]

    def _counts(self, table: comparing.Comparison, text: str) -> dict[int, np.ndarray]:
        entry = table.entry(self.arm, text)
        found = {} if entry is None else {seed: own.get(f"gate.{text}") for seed, own in entry.extra.items()}
        return {seed: np.asarray(counts) for seed, counts in found.items() if counts is not None}

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
        size = "" if entry is None else f"The repair holds {entry.parameters:,} numbers. "
        plans = [DEFENSES[arm].repair for arm in self.beside]
        but = ", but for the later layers that were retrained" if any(plan and plan.retrained for plan in plans) else ""
        arms = ", ".join(f"{_head(arm)}: {arm}" for arm in table.arms)
        return (
            f"Defenses: {arms}. {size}No label was read and no weight of the network changed{but}. Gate right: it "
            "named what had happened; left alone: it called the input clean.\n"
        ) + comparing.footnote(table)

    @classmethod
    def of(cls, records: list[Record]) -> Self:
        """The first repair that records hold, all others beside it; threats that it learned come first."""
        arms = arms_of(records)
        repairs = [name for name in arms if DEFENSES[name].repair is not None and name != _UNREPAIRED]
        if not repairs:
            raise ArgumentError(
                "records hold no repair: expected those of `localnoise repair`; name another command with --as"
            )
        own = next(record for record in records if record.config["arm"] == repairs[0])
        sources = [f"{source['name']}@{source['level']:g}" for source in own.config["sources"]]
        tested = threats_of(records)
        others = [text for text in tested if text not in sources]
        return cls(arm=repairs[0], beside=repairs[1:], learned=sources, others=others)
