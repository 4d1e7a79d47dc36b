"""The report of `localnoise transfer`: a heat map an arm, what is kept of the central gain, sources' own threats."""

from pathlib import Path
from typing import ClassVar, Self

from rich.table import Table

from localnoise.files import write_text
from localnoise.sims.defenses import DEFENSES
from localnoise.sims.reports import figures, heat, own, retained
from localnoise.sims.reports.commands.base import (
    ArmName,
    Report,
    SourceText,
    arms_of,
    sources_of,
    threats_of,
)
from localnoise.sims.reports.comparison import CLEAN, OWN, Level, Outcome, Place, attacks_run, outcomes
from localnoise.sims.results.records import Record


class Transfer(Report):
    """Sources against threats.

    Attributes
    ----------
    arms : list of str
        One heat map each.
    sources : list of str
        Columns.
    threats : list of str
        Rows; "own" is what each source does itself.
    """

    name: ClassVar[str] = "transfer"
    arms: list[ArmName]
    sources: list[SourceText]
    threats: list[str]

    def show(self, records: list[Record]) -> list[Table | str]:
        """Return one line an arm, and which attacks were run."""
        return [*(heat.summary(one) for one in self._maps(records)), *attacks_run(outcomes(records))]

    def write(self, records: list[Record], out: Path) -> list[str]:
        """Write tables and heat maps."""
        found, maps = outcomes(records), self._maps(records)
        learned, tested = self._levels(found)
        others = [arm for arm in self.arms if "full" in self.arms and arm != "full"]
        kept = [heat.retention(found, arm, learned, tested) for arm in others]
        matched = []
        if OWN in tested:
            table = own.markdown(found, self.arms, learned)
            local = [arm for arm in self.arms if not DEFENSES[arm].central]
            note = retained.note(one for source in learned for one in own.kept_of(found, local, source).values())
            matched = [f"Each source against itself:\n\n{table}\n\n{note}"]
        write_text(
            out / "table.md", "\n\n".join([*matched, *map(heat.markdown, maps), *kept, *attacks_run(found)]) + "\n"
        )
        heat.figure([*maps, *heat.stated_beside(maps)], out / "transfer.png")
        return ["table.md", *figures.kinds("transfer.png")]

    def _maps(self, records: list[Record]) -> list[heat.HeatMap]:
        found = outcomes(records)
        return [heat.measured(found, arm, *self._levels(found)) for arm in self.arms]

    def _levels(self, found: dict[Place, Outcome]) -> tuple[list[Level], list[Level]]:
        """Sources and threats; a threat's level is the record's, which a text may have rounded."""
        known = {place.test.label: place.test for place in found}
        learned = [*map(Level.named, self.sources)]
        return learned, [known.get(text) or Level.named(text) for text in self.threats]

    @classmethod
    def of(cls, records: list[Record]) -> Self:
        """All arms but no noise, which each map has; threats that every source met, and each source's own."""
        arms, sources = [arm for arm in arms_of(records) if arm != "none"], sources_of(records)
        places = [place for place in outcomes(records) if len(place.train) == 1]
        met = {(place.train[0].label, place.test.label) for place in places}
        threats = [one for one in threats_of(records) if all((source, one) in met for source in sources)]
        alone = [OWN.label] if all((source, source) in met for source in sources) else []
        return cls(arms=arms, sources=sources, threats=[CLEAN.label, *threats, *alone])
