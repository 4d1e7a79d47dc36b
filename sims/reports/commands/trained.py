"""The report of `localnoise train`: accuracy of networks that learned by local rules, beside backpropagation."""

from pathlib import Path
from typing import ClassVar, Self

import pandas as pd
from pydantic import Field
from rich.table import Table

from localnoise.files import write_text
from localnoise.sims.evaluation.equal import equals
from localnoise.sims.evaluation.names import CLEAN
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.reports import figures, trained_figures
from localnoise.sims.reports.commands.base import Report, threats_of
from localnoise.sims.reports.evidence import evidence
from localnoise.sims.reports.locality import central_arms
from localnoise.sims.reports.table import accuracy, as_markdown, as_terminal, texts
from localnoise.sims.reports.trained_rows import AND, SEP, BySeed, Found, accuracy_of, by_row, label, less, tested
from localnoise.sims.results.records import Record

_NOTE = (
    "± half of the 95 % interval: over seeds Student's t, with one seed over images. Differences are paired, seed by "
    "seed: of the same architecture, initial weights and batches."
)
_SAME = " Of a network with noise they are from the other training's with the same noise."


class Train(Report):
    """One row a way of training.

    Attributes
    ----------
    trainings : list of str
        In the order of rows: NAME, or NAME@EPOCHS of another number of epochs than the others have, NAME@EPOCH/EPOCHS
        of training that was stopped; "NAME, ARM" of networks with an arm's noise.
    threats : list of str
        NAME@LEVEL, beside clean images.
    against : str
        The training that differences are taken from, each row's from the row of the same noise.
    epochs : int
        Of rows that name none; 0: of all.
    kept : dict of str to int
        Activations that a training step must keep for one input, by training; empty where it is not known.
    """

    name: ClassVar[str] = "train"
    trainings: list[str]
    threats: list[str] = Field(default_factory=list)
    against: str = BACKPROP
    epochs: int = 0
    kept: dict[str, int] = Field(default_factory=dict)

    def show(self, records: list[Record]) -> list[Table | str]:
        """Return the table, and what its numbers are."""
        frame = self.frame(records)
        if not len(frame):
            return ["No network is done."]
        return [as_terminal(frame, f"Accuracy, {self.title}"), *self._notes(records)]

    def write(self, records: list[Record], out: Path) -> list[str]:
        """Write the table, and figures of clean accuracy and of accuracy under what else was tested."""
        found = by_row(records, self.epochs)
        rows = self._shown(found)
        if not rows:
            return []
        text = as_markdown(self.frame(records))
        write_text(out / "table.md", "\n\n".join([text, *self._notes(records)]) + "\n")
        trained_figures.accuracies(found, rows, self.against, out / "accuracy.png")
        names = ["table.md", *figures.kinds("accuracy.png")]
        if any(found[row].get(threat) for row in rows for threat in self.threats):
            trained_figures.robustness(found, rows, self.threats, out / "robustness.png")
            names += figures.kinds("robustness.png")
        return names

    @classmethod
    def of(cls, records: list[Record]) -> Self:
        """All trainings and threats that the records name; differences from backpropagation of most epochs."""
        epochs = max((int(record.config["base_epochs"]) for record in records), default=0)
        named = dict.fromkeys(label(record, epochs) for record in records)
        return cls(trainings=list(named), threats=threats_of(records), epochs=epochs)

    def frame(self, records: list[Record]) -> pd.DataFrame:
        """Return the table's texts."""
        found = by_row(records, self.epochs)
        shown = self._shown(found)
        return self._by_threat(found, shown) if self.threats else self._by_training(found, shown)

    def _shown(self, found: Found) -> list[str]:
        return [name for name in self.trainings if CLEAN in found.get(name, {})]

    def _by_training(self, found: Found, shown: list[str]) -> pd.DataFrame:
        """Return a row a training, all on clean images."""
        rows = []
        for name in shown:
            own, other = found[name][CLEAN], self._other(name)
            less = "" if name == other else _less(own, found.get(other, {}).get(CLEAN, {}), CLEAN)
            rows.append([str(len(own)), _accuracy(own, CLEAN), less, *([self._memory(name)] if self.kept else [])])
        heads = ["seeds", CLEAN, self._less_whom, *(["activations kept"] if self.kept else [])]
        return texts(heads, rows, shown)

    def _by_threat(self, found: Found, shown: list[str]) -> pd.DataFrame:
        """Return a row for clean images and each threat, and columns for each training."""
        tested = [CLEAN, *self.threats]
        columns: dict[str, list[str]] = {}
        for name in shown:
            own = [found[name].get(threat, {}) for threat in tested]
            columns[name] = [_accuracy(of, threat) for of, threat in zip(own, tested, strict=True)]
            from_row = found.get(self._other(name), {})
            if from_row and name != self._other(name):
                columns[f"{name}, {self._less_whom}"] = [
                    _less(of, from_row.get(threat, {}), threat) for of, threat in zip(own, tested, strict=True)
                ]
        rows = [list(row) for row in zip(*columns.values(), strict=True)]
        return texts(list(columns), rows, tested)

    def _other(self, name: str) -> str:
        """Return the row that a row's differences are taken from: the other training's, of the same noise."""
        _, sep, arm = name.partition(AND)
        return self.against + sep + arm

    @property
    def _less_whom(self) -> str:
        return f"less {'backpropagation' if self.against == BACKPROP else self.against}"

    def _notes(self, records: list[Record]) -> list[str]:
        """Say what the numbers are, and which evaluations an attack's checks call unreliable."""
        failed = [
            f"{label(record, self.epochs)}, seed {record.config['seed']}, {threat} is unreliable: {reason}"
            for record in records
            if (reason := record.results.get("adaptive.unreliable"))
            for threat in tested(record)
        ]
        said = evidence(records, lambda record: label(record, self.epochs), broken=True)
        note = _NOTE + _SAME * any(AND in name for name in self.trainings)
        return [note, *self._equal(records), *said, *central_arms(records), *(f"! {line}" for line in failed)]

    def _equal(self, records: list[Record]) -> list[str]:
        """Say how near the row that was made as accurate as a local rule came to it."""
        lines = []
        for by, one in equals(records).items():
            rows = (f"{BACKPROP}{SEP}{one.epoch}/{one.epochs}", f"{BACKPROP}{SEP}{one.epoch}", BACKPROP)
            row = next((name for name in rows if name in self.trainings), rows[0])
            own, other = (
                {record.config["seed"]: record for record in records if label(record, self.epochs) == name
                 and f"accuracy.{CLEAN}" in record.results}
                for name in (by, row)
            )  # fmt: skip
            less = _less(own, other, CLEAN) if own and other else "?"
            lines.append(
                f"{row} is as accurate as {by}: on {one.held:,} held-out training images {one.accuracy:.3f} and "
                f"{one.wanted:.3f}, of epochs 1 to {one.epochs} the nearest (networks that had not seen these images, "
                f"seeds: {one.seeds}); on the clean test images {by} less {row} is {less}."
            )
        return lines

    def _memory(self, name: str) -> str:
        count = self.kept.get(name.partition(SEP)[0])
        return "" if count is None else f"{count:,}"


def _accuracy(own: BySeed, threat: str) -> str:
    return accuracy(accuracy_of(own, threat))


def _less(own: BySeed, other: BySeed, threat: str) -> str:
    """Return an accuracy less that of another training as text; nothing where no seed is shared."""
    found = less(own, other, threat)
    return "" if found is None else f"{found.mean:+.3f} ±{found.half_width:.3f}"
