"""The report of `localnoise train`: clean accuracy of networks that learned by local rules, beside backpropagation."""

from pathlib import Path
from typing import ClassVar, Self

import pandas as pd
from pydantic import Field
from rich.table import Table

from localnoise.files import write_text
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.reports.commands.base import Report
from localnoise.sims.reports.table import accuracy, as_markdown, as_terminal, texts
from localnoise.sims.results.records import Record
from localnoise.sims.results.statistics import difference, over_seeds

_NOTE = (
    "± half of the 95 % interval: over seeds Student's t, with one seed over images. Less backpropagation: the same "
    "architecture, initial weights, batches and epochs, seed by seed."
)


class Train(Report):
    """One row a way of training.

    Attributes
    ----------
    trainings : list of str
        In the order of rows.
    kept : dict of str to int
        Activations that a training step must keep for one input, by training; empty where it is not known.
    """

    name: ClassVar[str] = "train"
    trainings: list[str]
    kept: dict[str, int] = Field(default_factory=dict)

    def show(self, records: list[Record]) -> list[Table | str]:
        """Return the table, and what its numbers are."""
        frame = self._frame(records)
        return [as_terminal(frame, f"Clean accuracy, {self.title}"), _NOTE] if len(frame) else ["No network is done."]

    def write(self, records: list[Record], out: Path) -> list[str]:
        """Write the table."""
        frame = self._frame(records)
        if not len(frame):
            return []
        write_text(out / "table.md", f"{as_markdown(frame)}\n\n{_NOTE}\n")
        return ["table.md"]

    @classmethod
    def of(cls, records: list[Record]) -> Self:
        """All trainings that the records name."""
        return cls(trainings=list(dict.fromkeys(training_of(record) for record in records)))

    def _frame(self, records: list[Record]) -> pd.DataFrame:
        found: dict[str, dict[int, Record]] = {}
        for record in records:
            found.setdefault(training_of(record), {})[record.config["seed"]] = record
        rows, labels, central = [], [], found.get(BACKPROP, {})
        for name in [name for name in self.trainings if name in found]:
            own = found[name]
            seeds = sorted(own)
            images = len(own[seeds[0]].results["correct.clean"])
            clean = over_seeds([own[seed].results["accuracy.clean"] for seed in seeds], images)
            rows.append([str(len(seeds)), accuracy(clean), _less(own, central, name), self._memory(name)])
            labels.append(name)
        return texts(["seeds", "clean", "less backpropagation", "activations kept"], rows, labels)

    def _memory(self, name: str) -> str:
        return f"{self.kept[name]:,}" if name in self.kept else ""


def training_of(record: Record) -> str:
    """Return how a record's network learned."""
    return str(record.config.get("training", BACKPROP))


def _less(own: dict[int, Record], central: dict[int, Record], name: str) -> str:
    """Return an accuracy less that of backpropagation, paired; nothing where no seed is shared."""
    shared = sorted(own.keys() & central.keys())
    if name == BACKPROP or not shared:
        return ""
    if len(shared) == 1:
        pair = (of[shared[0]].results["correct.clean"] for of in (central, own))
        found = difference(*pair)
    else:
        gaps = [own[seed].results["accuracy.clean"] - central[seed].results["accuracy.clean"] for seed in shared]
        found = over_seeds(gaps, len(own[shared[0]].results["correct.clean"]))
    return f"{found.mean:+.3f} ±{found.half_width:.3f}"
