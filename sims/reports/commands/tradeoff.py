"""The report of `localnoise tradeoff`: clean against robust accuracy over the noise's strength."""

from pathlib import Path
from typing import ClassVar, Self

from rich.table import Table

from localnoise.files import write_text
from localnoise.sims.reports import figures, trading
from localnoise.sims.reports.commands.base import ArmName, Report, arms_of, threats_of
from localnoise.sims.reports.comparison import attacks_run, outcomes
from localnoise.sims.results.records import Record


class Tradeoff(Report):
    """One line an arm.

    Attributes
    ----------
    arms : list of str
    threat : str
        NAME@LEVEL.
    """

    name: ClassVar[str] = "tradeoff"
    arms: list[ArmName]
    threat: str

    def show(self, records: list[Record]) -> list[Table | str]:
        """Return which attacks were run; the figure says the rest."""
        return [*attacks_run(outcomes(records))]

    def write(self, records: list[Record], out: Path) -> list[str]:
        """Write table and figure."""
        lines = self._lines(records)
        said = attacks_run(outcomes(records))
        write_text(out / "table.md", "\n".join([trading.markdown(lines, self.threat), *said]) + "\n")
        trading.figure(lines, self.threat, out / "tradeoff.png")
        return ["table.md", *figures.kinds("tradeoff.png")]

    def _lines(self, records: list[Record]) -> dict[str, list[trading.Point]]:
        return trading.lines(outcomes(records), self.arms, self.threat)

    @classmethod
    def of(cls, records: list[Record]) -> Self:
        """All arms, and the threat that most records were tested on."""
        tested = [threat for record in records for threat in threats_of([record])]
        return cls(arms=arms_of(records), threat=max(threats_of(records), key=tested.count, default=""))
