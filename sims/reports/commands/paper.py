"""The report of `localnoise paper`: measured beside stated, and how many rows agree."""

from pathlib import Path
from typing import ClassVar, Self

from rich.table import Table

from localnoise.files import write_text
from localnoise.sims.reports import figures, side_by_side
from localnoise.sims.reports.commands.base import Report, threats_of
from localnoise.sims.reports.comparison import outcomes
from localnoise.sims.results.records import Record


class Paper(Report):
    """The paper's table.

    Attributes
    ----------
    sources : list of str
        Names, in the order of the table.
    """

    name: ClassVar[str] = "paper"
    sources: list[str]

    def show(self, records: list[Record]) -> list[Table | str]:
        """Return the table and the verdict."""
        rows = self._rows(records)
        return [
            side_by_side.terminal(rows, f"Measured against the paper, {self.title}"),
            side_by_side.verdict(rows),
        ]

    def write(self, records: list[Record], out: Path) -> list[str]:
        """Write table, verdict and figure."""
        rows = self._rows(records)
        text = f"{side_by_side.markdown(rows)}\n\n{side_by_side.verdict(rows)}\n"
        write_text(out / "table.md", text)
        if not rows:
            return ["table.md"]
        figures.strengths(rows, out / "paper.png", self.headline)
        return ["table.md", *figures.kinds("paper.png")]

    def _rows(self, records: list[Record]) -> list[side_by_side.PaperRow]:
        return side_by_side.rows(outcomes(records), self.sources)

    @classmethod
    def of(cls, records: list[Record]) -> Self:
        """All sources, attacks first, as in the paper."""
        names = list(dict.fromkeys(threat.partition("@")[0] for threat in threats_of(records)))
        return cls(sources=sorted(names, key=lambda name: not name.startswith("art-")))
