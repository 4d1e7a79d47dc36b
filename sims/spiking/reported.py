"""The report that `localnoise spiking` writes: a table and a figure for each part."""

from pathlib import Path
from typing import Any, ClassVar, Self

from rich.table import Table

from localnoise.errors import MissingDependencyError
from localnoise.sims.reports.commands.base import Report
from localnoise.sims.reports.table import as_terminal
from localnoise.sims.results.records import Record


class Spiking(Report):
    """Parts of the grid in Brian2."""

    name: ClassVar[str] = "spiking"

    def show(self, records: list[Record]) -> list[Table | str]:
        """Return the tables of the parts that the records hold."""
        return [as_terminal(table, title) for title, table in _module().tables(records).items()]

    def write(self, records: list[Record], out: Path) -> list[str]:
        """Write tables and figures."""
        title = f"{self.title} preset" if "title" in self.model_fields_set else self.title
        written: list[str] = _module().write(records, out, title)
        return written

    @classmethod
    def of(cls, records: list[Record]) -> Self:
        """All parts."""
        return cls()


def _module() -> Any:
    """The tables and figures, which know the kinds of variability, and so Brian2."""
    try:
        from localnoise.sims.spiking import report as spiking
    except ImportError as error:
        raise MissingDependencyError(
            "a report of spikes needs brian2: pip install 'localnoise[sims,robustness,spiking]'"
        ) from error
    return spiking
