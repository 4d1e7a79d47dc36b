"""The definition of a report: settings that a file can hold, and the tables and figures that they make of records."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict
from rich.table import Table

from localnoise.sims.attacks import ATTACKS
from localnoise.sims.defenses import named as arm_named
from localnoise.sims.defenses import ordered
from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.perturbations import MODIFICATIONS
from localnoise.sims.results.records import Record


def _arm(name: str) -> str:
    arm_named(name)
    return name


def _source(text: str) -> str:
    name_and_level(text)  # the name may be of a task that is not loaded here
    return text


ArmName = Annotated[str, AfterValidator(_arm)]
SourceText = Annotated[str, AfterValidator(_source)]
"""A source as NAME or NAME@LEVEL, at the trace that the results' tables use."""


class Report(BaseModel, ABC):
    """Tables and figures of one command. They are made of records only, and of as many as there are.

    Attributes
    ----------
    name : str
        The command's.
    title : str
        What tables and figures say that they are of, such as "quick preset".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: ClassVar[str]
    title: str = "from records"

    @abstractmethod
    def show(self, records: list[Record]) -> list[Table | str]:
        """Return what the terminal shows."""

    @abstractmethod
    def write(self, records: list[Record], out: Path) -> list[str]:
        """Write tables and figures into a folder that is there; returns their names."""

    @classmethod
    @abstractmethod
    def of(cls, records: list[Record]) -> Self:
        """Return the report of records whose command is not known further: everything that they hold."""

    @property
    def headline(self) -> str:
        """The title at the beginning of a line."""
        return self.title[:1].upper() + self.title[1:]


def arms_of(records: Iterable[Record]) -> list[str]:
    """Arms that records hold, in the order of tables."""
    return ordered(_arm(record.config["arm"]) for record in records)


def threats_of(records: Iterable[Record]) -> list[str]:
    """Threats NAME@LEVEL that records were tested on, but for clean images, in the order of tables."""
    found = {(t["name"], t["level"]) for record in records for t in record.config.get("threats", ())}
    return [f"{name}@{level:g}" for name, level in sorted(found, key=_place) if name != "clean"]


def sources_of(records: Iterable[Record]) -> list[str]:
    """Sources NAME@LEVEL of the nets that learned from one each, in the order of tables."""
    nets = (record.config["sources"] for record in records if len(record.config["sources"]) == 1)
    found = {(source["name"], source["level"]) for (source,) in nets}
    return [f"{name}@{level:g}" for name, level in sorted(found, key=_place)]


def _place(one: tuple[str, float]) -> tuple[int, str, float]:
    """Modifications in their table's order, then attacks in theirs, then others; each by level."""
    name, level = one
    known = [*MODIFICATIONS, *ATTACKS]
    return (known.index(name) if name in known else len(known)), name, level
