"""Which report belongs to a folder of records, and to which of them: experiment.json."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ClassVar, Protocol

from rich.table import Table

from localnoise.errors import FileFormatError
from localnoise.files import write_text
from localnoise.sims.results.records import Record, key

NAME = "experiment.json"


class Report(Protocol):
    """Tables and figures of one command, made of records alone, and of as many as there are."""

    name: ClassVar[str]

    def show(self, records: list[Record]) -> list[Table | str]:
        """Return what the terminal shows."""

    def write(self, records: list[Record], out: Path) -> list[str]:
        """Write tables and figures into a folder that is there; return their names."""

    def model_dump(self) -> dict[str, Any]:
        """Return its settings as plain values."""


_DRAFT: ContextVar[bool] = ContextVar("draft", default=False)


@contextmanager
def draft() -> Iterator[None]:
    """Let figures be drawn once, not in every kind: a report is only tried."""
    before = _DRAFT.set(True)
    try:
        yield
    finally:
        _DRAFT.reset(before)


def is_draft() -> bool:
    """Return whether a report is only tried."""
    return _DRAFT.get()


def keep(report: Report, configs: Iterable[dict[str, Any]], folder: Path) -> None:
    """Write which report belongs to a folder's records, and of which configurations; the last command counts."""
    content = {"command": report.name, "report": report.model_dump(), "records": [key(config) for config in configs]}
    write_text(folder / NAME, json.dumps(content, indent=1) + "\n")


def kept(file: Path) -> tuple[str, dict[str, Any], set[str]]:
    """Return the command, its report's settings, and the keys of the records that belong to it.

    Raises
    ------
    FileFormatError
        The file is damaged or was edited.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return str(content["command"]), dict(content["report"]), set(map(str, content["records"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(file, str(error)) from None


def damaged(file: Path, why: str) -> FileFormatError:
    """Return the error of an experiment.json that cannot be used."""
    return FileFormatError(f"{file}: damaged or edited ({why[:120]}); remove it, and name the command with --as")
