"""Reports of repairs that differ in one thing, or in size: `localnoise repair --ablate` and `--front`."""

import math
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from rich.table import Table

from localnoise.errors import ArgumentError
from localnoise.files import write_text
from localnoise.sims.defenses import DEFENSES
from localnoise.sims.reports import comparing, figures, pointing
from localnoise.sims.reports.commands.base import ArmName, Report, arms_of
from localnoise.sims.reports.comparison import outcomes, seed_means
from localnoise.sims.reports.pointing import Measured
from localnoise.sims.reports.table import accuracy, as_markdown, as_terminal, signed, texts
from localnoise.sims.results.records import Record
from localnoise.sims.results.statistics import Estimate, over_seeds

_UNREPAIRED, _MEAN = "undefended", "mean"


class Point(BaseModel):
    """One repair of several.

    Attributes
    ----------
    value : str
        What tables and figures call it.
    arm : str
    images : int or None
        Activations of a source that it learned from, where they differ.
    twin : str
        The same in floating point, where it is in integers; "" for none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    value: str
    arm: ArmName
    images: int | None = None
    twin: str = ""


class Points(Report):
    """Repairs, each with its accuracy over what was learned, clean accuracy, and size.

    Attributes
    ----------
    varies : str
        What differs between them.
    default : str
        The point's value from which the others' differences are taken; "": none are.
    learned : list of str
    points : list of Point
    """

    varies: str = ""
    default: str = ""
    learned: list[str]
    points: list[Point] = Field(min_length=1)

    @property
    @abstractmethod
    def stem(self) -> str:
        """Name of the files, without their kind."""

    @abstractmethod
    def draw(self, found: list[Measured], undefended: Measured | None, path: Path) -> None:
        """Draw the figure."""

    def show(self, records: list[Record]) -> list[Table | str]:
        """Return the table, and what its numbers are."""
        found, undefended = self._measured(records)
        return [as_terminal(self._frame(found, undefended), self.headline), self._footnote(records)]

    def write(self, records: list[Record], out: Path) -> list[str]:
        """Write table and figure."""
        found, undefended = self._measured(records)
        blocks = [as_markdown(self._frame(found, undefended)), as_markdown(self._each(found, undefended))]
        write_text(out / f"{self.stem}.md", "\n\n".join([*blocks, self._footnote(records)]) + "\n")
        self.draw(found, undefended, out / f"{self.stem}.png")
        return [f"{self.stem}.md", *figures.kinds(f"{self.stem}.png")]

    def _measured(self, records: list[Record]) -> tuple[list[Measured], Measured | None]:
        found = [one for point in self.points if (one := self._one(records, point)) is not None]
        return found, self._one(records, Point(value=_UNREPAIRED, arm=_UNREPAIRED))

    def _one(self, records: list[Record], point: Point) -> Measured | None:
        table = self._table(records, point, point.arm)
        mean, clean = table.estimate(point.arm, _MEAN), table.estimate(point.arm, "clean")
        if mean is None and clean is None:
            return None
        entry = next(own for place, own in table.outcomes.items() if place.defense == point.arm)
        said = next((own for own in entry.extra.values() if "repair.bytes" in own), {})
        images = next((n for own in entry.extra.values() if (n := own.get("repair.learned"))), None)
        twin = self._table(records, point, point.twin).estimate(point.twin, _MEAN) if point.twin else None
        other = next((one for one in self.points if one.value == self.default != point.value), None)
        return Measured(
            value=point.value,
            plan=DEFENSES[point.arm].repair,
            mean=mean,
            clean=clean,
            twin=twin,
            each={row: table.estimate(point.arm, row) for row in self.learned},
            numbers=entry.parameters,
            bytes=said.get("repair.bytes", entry.parameters),  # of a dense repair the numbers, a byte each
            work=said.get("repair.work"),
            images=None if point.images is None else images,
            less=self._less(records, point, other, self.learned),
            clean_less=self._less(records, point, other, ["clean"]),
        )

    def _less(self, records: list[Record], point: Point, other: Point | None, rows: list[str]) -> Estimate | None:
        """Return the mean over rows less that of another point, of the same seeds; of one seed without an interval."""
        if other is None:
            return None
        tables = [(self._table(records, one, one.arm), one.arm) for one in (point, other)]
        ours, theirs = (seed_means([table.entry(arm, row) for row in rows]) for table, arm in tables)
        shared = sorted(set(ours or {}) & set(theirs or {}))
        if not shared or ours is None or theirs is None:
            return None
        several = [ours[seed] - theirs[seed] for seed in shared]
        return over_seeds(several, 1) if len(several) > 1 else Estimate(several[0], math.nan, math.nan, 1, 1)

    def _table(self, records: list[Record], point: Point, arm: str) -> comparing.Comparison:
        own = [
            record
            for record in records
            if record.config["arm"] == arm
            and (
                point.images is None or {source.get("images") for source in record.config["sources"]} == {point.images}
            )
        ]
        return comparing.Comparison(outcomes(own), [arm], self.learned, {_MEAN: self.learned})

    def _frame(self, found: list[Measured], undefended: Measured | None) -> pd.DataFrame:
        heads = [f"mean of {len(self.learned)} learned", "clean", "numbers", "MB at 8 bits", "M multiplications"]
        counted = any(one.images is not None for one in found)
        heads[2:2] = [f"less {self.default}", "clean, less"] if self.default else []
        heads += ["learned from"] if counted else []
        twins = any(one.twin is not None for one in found)
        rows, labels = [], []
        for one in [*([] if undefended is None else [undefended]), *found]:
            work = "" if one.work is None else f"{one.work / 1e6:.2f}"
            sizes = [f"{one.numbers:,}", f"{one.bytes / 1e6:.3f}", work] if one.numbers else ["", "", ""]
            float_mean = [accuracy(one.twin)] if twins else []
            less = [signed(one.less), signed(one.clean_less)] if self.default else []
            sizes += ["" if one.images is None else f"{one.images:,.0f}"] if counted else []
            rows.append([accuracy(one.mean), *float_mean, accuracy(one.clean), *less, *sizes, *self._more(one, found)])
            labels.append(one.value)
        heads[1:1] = ["in floating point"] if twins else []
        return texts([*heads, *self._more_heads], rows, labels).rename_axis(self.varies or "repair")

    @property
    def _more_heads(self) -> list[str]:
        return []

    def _more(self, one: Measured, found: list[Measured]) -> list[str]:
        return []

    def _each(self, found: list[Measured], undefended: Measured | None) -> pd.DataFrame:
        """Return a column for each repair, a row for each perturbation."""
        every = [*([] if undefended is None else [undefended]), *found]
        rows = [[accuracy(one.each.get(row)) for one in every] for row in self.learned]
        return texts([one.value for one in every], rows, self.learned).rename_axis("perturbation")

    def _footnote(self, records: list[Record]) -> str:
        arms = [_UNREPAIRED, *(point.arm for point in self.points)]
        table = comparing.Comparison(outcomes(records), list(dict.fromkeys(arms)), self.learned)
        return (
            "Sizes: of the repair alone; bytes as an exported chip's tables hold them, but that laws which are shared "
            "count once, where today's exporter writes them out for every unit; multiplications an input to decide "
            "and, at most, to undo. "
            + f"Less {self.default}: of the same seeds, paired. " * bool(self.default)
            + "\n"
            + comparing.footnote(table)
        )

    @classmethod
    def of(cls, records: list[Record]) -> Self:
        """All repairs that records hold, and what they learned."""
        arms = [name for name in arms_of(records) if DEFENSES[name].repair is not None and name != _UNREPAIRED]
        if not arms:
            raise ArgumentError(
                "records hold no repair: expected those of `localnoise repair`; name another command with --as"
            )
        own = next(record for record in records if record.config["arm"] == arms[0])
        learned = [f"{source['name']}@{source['level']:g}" for source in own.config["sources"]]
        points = list[Point]()
        for arm in arms:
            counts = {source.get("images") for r in records if r.config["arm"] == arm for source in r.config["sources"]}
            label = DEFENSES[arm].label
            if len(counts) == 1:
                points.append(Point(value=label, arm=arm))
                continue
            for count in sorted(counts, key=lambda one: one or 0):
                said = "all" if count is None else f"{count:,}"
                points.append(Point(value=f"{label}, from {said} images", arm=arm, images=count))
        return cls(learned=learned, points=points)


class Ablation(Points):
    """Repairs that differ in one thing."""

    name: ClassVar[str] = "repair-ablation"

    @property
    def stem(self) -> str:
        """Say what varies."""
        return f"ablation-{self.varies}" if self.varies else "ablation"

    def draw(self, found: list[Measured], undefended: Measured | None, path: Path) -> None:
        """Draw accuracy and memory against what varies."""
        pointing.ablated(found, undefended, self.varies or "repair", path, self.headline)


class Front(Points):
    """Repairs of any design, by their bytes."""

    name: ClassVar[str] = "repair-front"

    @property
    def stem(self) -> str:
        """The front."""
        return "front"

    def draw(self, found: list[Measured], undefended: Measured | None, path: Path) -> None:
        """Draw accuracy against bytes."""
        pointing.front(found, undefended, path, self.headline)

    def _measured(self, records: list[Record]) -> tuple[list[Measured], Measured | None]:
        found, undefended = super()._measured(records)
        return sorted(found, key=lambda one: -one.bytes), undefended

    @property
    def _more_heads(self) -> list[str]:
        return ["on the front"]

    def _more(self, one: Measured, found: list[Measured]) -> list[str]:
        return ["yes" if one in pointing.best(found) else ""]
