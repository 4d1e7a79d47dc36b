"""The report of `localnoise compare`: arms against threats, paired differences, what is kept of the central gain."""

from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field
from rich.table import Table

from localnoise.files import write_text
from localnoise.sims.defenses import DEFENSES
from localnoise.sims.reports import comparing, figures
from localnoise.sims.reports.commands.base import ArmName, Report, arms_of, threats_of
from localnoise.sims.reports.comparison import outcomes
from localnoise.sims.reports.evidence import evidence
from localnoise.sims.reports.locality import central_arms
from localnoise.sims.results.records import Record


class Compare(Report):
    """Arms against threats.

    Attributes
    ----------
    arms, threats : list of str
        In the order of the table.
    against : str or None
        Defense that differences are taken from.
    groups : dict of str to list of str
        Threats whose mean is shown, too.
    """

    name: ClassVar[str] = "compare"
    arms: list[ArmName]
    threats: list[str]
    against: ArmName | None = None
    groups: dict[str, list[str]] = Field(default_factory=dict)

    def show(self, records: list[Record]) -> list[Table | str]:
        """Return the table, and what its numbers are."""
        table = self._table(records)
        return [comparing.terminal(table, f"Accuracy, {self.title}"), comparing.footnote(table), *_beside(records)]

    def write(self, records: list[Record], out: Path) -> list[str]:
        """Write table and figure."""
        table = self._table(records)
        lines = [comparing.markdown(table, self.against), *(f"{line}\n" for line in _beside(records))]
        write_text(out / "table.md", "\n".join(lines))
        figures.threats(table, out / "accuracy.png", self.headline)
        return ["table.md", *figures.kinds("accuracy.png")]

    def _table(self, records: list[Record]) -> comparing.Comparison:
        return comparing.Comparison(outcomes(records), self.arms, self.threats, self.groups)

    @classmethod
    def of(cls, records: list[Record]) -> Self:
        """All arms and threats; differences from the full covariance."""
        arms, threats = arms_of(records), threats_of(records)
        sets = {tuple(f"{s['name']}@{s['level']:g}" for s in r.config["sources"]) for r in records} - {()}
        groups = means(list(sets.pop()), threats) if len(sets) == 1 else {}
        return cls(arms=arms, threats=threats, against="full" if "full" in arms else None, groups=groups)


def _beside(records: list[Record]) -> list[str]:
    """Return what else the records say, a line each."""
    return [*evidence(records, lambda record: DEFENSES[record.config["arm"]].label), *central_arms(records)]


def means(learned: list[str], threats: list[str]) -> dict[str, list[str]]:
    """Means of one net: over the threats that it learned from, and over the others, where there are several of each."""
    own, others = [one for one in threats if one in learned], [one for one in threats if one not in learned]
    groups = {f"mean of the {len(own)} learned from": own, f"mean of the {len(others)} others": others}
    return {name: group for name, group in groups.items() if len(group) > 1}
