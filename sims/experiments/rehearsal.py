"""What is tried before the long part, so that what cannot be done fails at once.

A report is made of invented results of the same design, and every perturbation acts on a few inputs.
"""

import hashlib
import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from localnoise.files import temporary_folder
from localnoise.sims import tasks
from localnoise.sims.defenses import DEFENSES
from localnoise.sims.evaluation.source import DRIFT
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.chosen import few_of
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.perturbations import MODIFICATIONS
from localnoise.sims.perturbations.applied import apply
from localnoise.sims.perturbations.modification import parts_of
from localnoise.sims.results.experiment import Report, draft
from localnoise.sims.results.records import Record
from localnoise.sims.runtime.console import PlainConsole

_IMAGES = 40
_RIGHT = {"none": 0.2, "full": 0.7}  # so that there is a central gain to keep a share of


def rehearse(report: Report, cells: Sequence[Cell], settings: Settings) -> list[str]:
    """Make all tables and figures of invented results; returns the files' names."""
    return attempt(report, invented(cells, settings))


def attempt(report: Report, records: list[Record]) -> list[str]:
    """Show a report to nobody, and write it into a folder that is removed; returns the files' names."""
    with temporary_folder() as folder, draft():
        for part in report.show(records):
            PlainConsole(file=io.StringIO(), width=1000).print(part)
        return report.write(records, folder)


def try_on_few(strengths: Iterable[tuple[str, float]], network: str) -> None:
    """Apply each modification to a few inputs of a task; what is no modification is passed over.

    So are the task's own, which were tried when it was made: of few inputs all may stay as they are by chance.

    Raises
    ------
    MissingDependencyError
        The library that makes one of them is not installed.
    ArgumentError
        A task's own modification does not give what it should.
    """
    task = tasks.find(network)
    few = few_of(task)
    for name, level in dict.fromkeys(strengths):
        parts = {part.partition("@")[0] for part in parts_of(name)}
        if name in MODIFICATIONS and not parts & {*task.own}:
            apply(name, few, level, seed=0)


def invented(cells: Sequence[Cell], settings: Settings, right: float | None = None) -> list[Record]:
    """Records as these cells would leave them, with outcomes drawn at random; `right`: the share of right images."""
    return [Record(cell.config(settings), _values(cell, right), {}, 0.0) for cell in cells]


def _values(cell: Cell, right: float | None) -> dict[str, Any]:
    arm = DEFENSES[cell.arm]
    values: dict[str, Any] = {"parameters": 1000, "bytes_per_unit": 10.0 if cell.arm != "none" else 0.0}
    if not arm.central and arm.build is not None and not arm.clean:
        values |= {"noise.links": 100, "noise.wire_length": 200}
        if cell.arm.startswith(("chip-", "wires-")) or "_bits=" in cell.arm:
            values |= {"noise.divergence": 0.1, "noise.covariance_error": 0.01, "noise.saturated": 0.001}
    if any(threat.name == "adaptive" for threat in cell.threats):
        values["adaptive.unreliable"] = "" if cell.seed else "invented"
    own = [source.name for source in cell.sources if source.name != DRIFT]
    tested = [threat.label for threat in cell.threats] or ["clean", *own]
    share = _RIGHT.get(cell.arm, 0.6) if right is None else right
    for name in tested:
        said = f"{cell.seed} {cell.arm} {cell.sources} {name}"
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(said.encode()).digest()[:8], "big"))
        hit = (rng.random(_IMAGES) < share).astype(np.uint8)
        values |= {f"accuracy.{name}": float(hit.mean()), f"correct.{name}": hit}
        if arm.repair is not None and arm.learns:
            called = rng.integers(1 + len(cell.sources), size=_IMAGES)
            values[f"gate.{name}"] = np.bincount(called, minlength=1 + len(cell.sources))
    return values
