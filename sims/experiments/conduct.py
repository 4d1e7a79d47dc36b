"""Carry an experiment out: run what is missing, keep records and grids, say how long it took."""

from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from localnoise import Bank, UnitGrid
from localnoise.hardware import ChipGrid
from localnoise.sims.console import console
from localnoise.sims.experiments.cells import Cell
from localnoise.sims.experiments.pool import run
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.reports.records import Record, RecordFile


def conduct(
    cells: list[Cell],
    settings: Settings,
    out: Path,
    *,
    data_dir: Path | None,
    jobs: int,
    mix: bool = False,
    grids: str = "grids",
) -> list[Record]:
    """Return the records of `cells`, of which those that `out`/record.h5 lacks are run first.

    grids : folder in `out` for the grids that cells learned.
    """
    began, records = perf_counter(), RecordFile(out / "record.h5")
    keep = partial(keep_grid, out / grids)
    fresh = run(cells, settings, records, out, data_dir=data_dir, keep=keep, jobs=jobs, mix=mix)
    console.print(f"{fresh} of {len(cells)} cells run in {perf_counter() - began:.0f} s, all in {records.path}")
    return records.of(cell.config(settings) for cell in cells)


def keep_grid(folder: Path, cell: Cell, noise: Any) -> None:
    """Save the grids that a cell learned, without their running statistics."""
    members = noise.members if isinstance(noise, Bank) else [noise]
    names = "+".join(source.name for source in cell.sources)
    for index, member in enumerate(members):
        if isinstance(member, (UnitGrid, ChipGrid)):
            turn = f"-{index}" if len(members) > 1 else ""
            member.provenance = cell.provenance() | {"member": index}
            member.save(folder / f"grid-{names}-{cell.arm}{turn}-seed{cell.seed}.h5", state=False)
