"""The report of `localnoise retention` and `localnoise demo`: every arm on every source, and what it keeps."""

from pathlib import Path
from typing import ClassVar, Self

from rich.table import Table

from localnoise.files import write_text
from localnoise.sims.reports import figures, summarised
from localnoise.sims.reports.commands.base import Report
from localnoise.sims.reports.summary import summarise
from localnoise.sims.results.records import Record
from localnoise.sims.tasks import OWN_DATA


class Retention(Report):
    """Arms on the sources that they learned from.

    Attributes
    ----------
    on : str
        The data.
    brief : bool
        One figure and no file of tables: the demonstration's.
    """

    name: ClassVar[str] = "retention"
    on: str = "Fashion-MNIST"
    brief: bool = False

    def show(self, records: list[Record]) -> list[Table | str]:
        """Return the table, and what its numbers are."""
        summary = summarise(records)
        if not summary.entries:
            return ["No cell is done."]
        return [summarised.terminal(summary, f"Accuracy on {self.on}, {self.title}"), summarised.footnote(summary)]

    def write(self, records: list[Record], out: Path) -> list[str]:
        """Write the tables, accuracies, and retention against memory where there is a central gain."""
        summary, names = summarise(records), []
        if not summary.entries:
            return []
        if not self.brief:
            write_text(out / "tables.md", summarised.all_of(summary) + "\n")
            names.append("tables.md")
        figures.accuracies(summary, out / "accuracy.png", self.headline)
        names += figures.kinds("accuracy.png")
        if not self.brief and any(entry.retention for entry in summary.entries.values()):
            figures.retentions(summary, out / "retention.png", self.headline)
            names += figures.kinds("retention.png")
        return names

    @classmethod
    def of(cls, records: list[Record]) -> Self:
        """As the records say."""
        seeds = len({record.config["seed"] for record in records})
        config = records[0].config if records else {}
        data = "embedded subset" if config.get("data") == "embedded" else "full set"
        spread = f"{seeds} seed{'s' * (seeds != 1)}"
        if config.get("data") == OWN_DATA:
            return cls(title=spread, on=config["network"])
        return cls(title=f"{data}, {spread}")
