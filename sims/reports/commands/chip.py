"""The reports of `localnoise bits` and `localnoise wires`: nets whose noise a chip emulates, beside floating point."""

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, Self

from rich.table import Table

from localnoise.files import write_text
from localnoise.hardware.chips.profile import load_profile, profile_names
from localnoise.sims.defenses import DEFENSES
from localnoise.sims.defenses.chip_arms import FAN_IN, ORDERS, WEIGHT_BITS, WORD_BITS
from localnoise.sims.reports import chips, deployed
from localnoise.sims.reports.commands.base import ArmName, Report, SourceText, arms_of, sources_of
from localnoise.sims.reports.comparison import Level, outcomes
from localnoise.sims.reports.figures import kinds
from localnoise.sims.results.records import Record

_UNITS = 14 * 14  # of the paper's layer
_BESIDE = ("none", "full", deployed.FLOAT)


class OnChip(Report):
    """A table of arms on a chip, the full covariance and the float grid first.

    Attributes
    ----------
    arms : list of str
        On a chip, in the order of the table.
    sources : list of str
        Learned from, and tested on.
    """

    columns: ClassVar[tuple[str, ...]]
    pruned: ClassVar[bool]
    arms: list[ArmName]
    sources: list[SourceText]

    def show(self, records: list[Record]) -> list[Table | str]:
        """Return nothing: the table is too wide for a terminal."""
        return []

    def write(self, records: list[Record], out: Path) -> list[str]:
        """Write table and figure."""
        table, figure = self._table(records), f"{self.name}.png"
        write_text(out / "table.md", self._markdown(table) + "\n")
        if not table:
            return ["table.md"]
        self.draw(table, out / figure)
        return ["table.md", *kinds(figure)]

    @abstractmethod
    def draw(self, table: chips.Table, path: Path) -> None:
        """Draw the figure."""

    @property
    def _labels(self) -> dict[str, str]:
        return {name: DEFENSES[name].label for name in dict.fromkeys(("full", deployed.FLOAT, *self.arms))}

    def _table(self, records: list[Record]) -> chips.Table:
        return deployed.rows(outcomes(records), [*self._labels], [*map(Level.named, self.sources)])

    def _markdown(self, table: chips.Table) -> str:
        return deployed.markdown(table, self._labels, self.columns)

    @classmethod
    def of(cls, records: list[Record]) -> Self:
        """All arms of the command, on all sources."""
        arms = [arm for arm in arms_of(records) if arm not in _BESIDE and arm.startswith("wires-") == cls.pruned]
        return cls(arms=arms, sources=sources_of(records))


class Bits(OnChip):
    """By the bits of weights and words."""

    name: ClassVar[str] = "bits"
    columns: ClassVar[tuple[str, ...]] = ("divergence", "covariance_error", "saturated")
    pruned: ClassVar[bool] = False

    def draw(self, table: chips.Table, path: Path) -> None:
        """Draw accuracy against both widths."""
        by_weight = {n: arm for n in WEIGHT_BITS if (arm := f"chip-w{n}-d12") in self.arms}
        by_word = {n: arm for n in sorted({*WORD_BITS, 12}) if (arm := f"chip-w8-d{n}") in self.arms}
        chips.bits_figure(table, by_weight, by_word, path)


class Wires(OnChip):
    """By the parents that a unit keeps."""

    name: ClassVar[str] = "wires"
    columns: ClassVar[tuple[str, ...]] = ("links", "wire_length")
    pruned: ClassVar[bool] = True

    def draw(self, table: chips.Table, path: Path) -> None:
        """Draw what is kept against links, wire length and bytes, beside what chips hold."""
        orders = {order: [arm for n in FAN_IN if (arm := f"wires-{order}-{n}") in self.arms] for order in ORDERS}
        held = {name: chips.room(load_profile(name), _UNITS) for name in profile_names()}
        chips.wires_figure(table, orders, {name: room for name, room in held.items() if room is not None}, path)
