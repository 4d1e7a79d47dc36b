"""Carry an experiment out: run what is missing, keep records and grids, say how long it took, report."""

import hashlib
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from localnoise import load
from localnoise.errors import ArgumentError, LocalnoiseError
from localnoise.files import as_folder, write_bytes
from localnoise.sims import tasks
from localnoise.sims.defenses import check_crossing, named
from localnoise.sims.evaluation.names import check_eps
from localnoise.sims.evaluation.source import DRIFT, Source
from localnoise.sims.experiments.cell import Cell, strengths
from localnoise.sims.experiments.rehearsal import rehearse
from localnoise.sims.experiments.run_cells import run_cells
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.results import experiment
from localnoise.sims.results.experiment import Report
from localnoise.sims.results.records import NAME, Record, RecordFile, key
from localnoise.sims.runtime.console import console, show
from localnoise.validate import as_count

_LONG = 160  # characters of a file's name that are kept: file systems take 255 bytes


def conduct(
    cells: list[Cell],
    settings: Settings,
    out: Path,
    report: Report,
    *,
    data_dir: Path | None,
    jobs: int,
    scheduler: str = "",
    mix: bool = False,
    grids: str = "grids",
) -> None:
    """Run the cells that `out`/record.sqlite lacks, then write the report of all of them into `out`.

    The report is tried on invented results first: hours of cells never end in an error of a figure.

    jobs, scheduler : processes of this machine, or the address of a Dask scheduler.
    grids : folder in `out` for the grids that cells learned.

    Raises
    ------
    ArgumentError
        There is no cell: no arm can learn from what is given; an arm that learns from gradients across layers which
        learn by a local rule.
    WriteError
        `out` is no folder.
    MixedRecordsError
        The file holds records of other data, or that other code wrote; of the latter only without `mix`.
    """
    if not cells:
        raise ArgumentError("nothing to run: no arm can learn from these sources or meet these threats; name others")
    as_folder("out", out)
    check_crossing(settings.training, dict.fromkeys(cell.arm for cell in cells))
    check_eps(strengths(cells), tasks.find(settings.network).bounds)
    configs = [cell.config(settings) for cell in cells]
    began, records = perf_counter(), RecordFile(out / NAME)
    if not mix:
        records.refuse_to_mix(settings.fingerprint)
    if not records.done().issuperset(map(key, configs)):
        rehearse(report, cells, settings)
    keep = partial(keep_grids, out / grids, settings)
    experiment.keep(report, configs, out)
    how: dict[str, Any] = {"jobs": as_count("jobs", jobs, 1), "scheduler": scheduler}
    fresh = run_cells(cells, settings, records, out, data_dir=data_dir, keep=keep, **how)
    console.print(f"{fresh} of {len(cells)} cells run in {perf_counter() - began:.0f} s, all in {records.path}")
    publish(report, records.of(configs), out)


def publish(report: Report, records: list[Record], out: Path) -> None:
    """Show a report, and write its files into `out`."""
    for part in report.show(records):
        show(part)
    out.mkdir(parents=True, exist_ok=True)
    console.print(f"{out}: {', '.join(report.write(records, out))}")


def keep_grids(folder: Path, settings: Settings, cell: Cell, grids: tuple[bytes, ...]) -> None:
    """Save the grids or the repairs that a cell learned, without their running statistics.

    Their names say the sources, those levels that are not the usual ones, the arm, and how the network learned where
    that is not backpropagation. A file of another cell stays as it is: the new one's name then ends in eight digits of
    its record's key, which its provenance holds whole.
    """
    kind = "grid" if named(cell.arm).repair is None else "layer"
    own = [f"{kind}-{'+'.join(map(_said, cell.sources))}-{cell.arm}"]
    own += [] if cell.variance is None else [f"variance{cell.variance:g}"]
    own += [] if settings.training == BACKPROP else [f"by-{settings.training}"]
    record = key(cell.config(settings))
    for index, content in enumerate(grids):
        if content:
            turn = f"-{index}" if len(grids) > 1 else ""
            name = f"{_short('-'.join(own) + turn)}-seed{cell.seed}"
            path = folder / f"{name}.h5"
            write_bytes(path if _free(path, record) else folder / f"{name}-{record[:8]}.h5", content)


def _said(source: Source) -> str:
    usual = source.name == DRIFT or source.level == Source.default(source.name).level
    return source.name if usual else f"{source.name}@{source.level:g}"


def _free(path: Path, record: str) -> bool:
    """Return whether a file is of this record, or of a version that did not say; or there is none."""
    try:
        return not path.exists() or load(path).provenance.get("record", record) == record
    except LocalnoiseError:
        return False


def _short(name: str) -> str:
    """A name that file systems take: the end of a long one becomes a hash."""
    return name if len(name) <= _LONG else f"{name[:_LONG]}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"
