"""The main job, end to end: train a network, let grids learn noise from neighbours, defend it, compare. One table."""

from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

from localnoise import Bank, UnitGrid
from localnoise.sims.console import console, show
from localnoise.sims.data import load
from localnoise.sims.experiments.cells import Cell, crossed
from localnoise.sims.experiments.pool import run
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.source import Source
from localnoise.sims.reports import figures, tables
from localnoise.sims.reports.records import RecordFile
from localnoise.sims.reports.summary import summarise

ARMS = ("none", "identity", "diagonal", "full", "raster-1", "multiscale-4", "signal-4")
SOURCES = ("pgd", "line_blur", "obstruction")  # the longest first, so that no process waits for it


def settings() -> Settings:
    """How the demonstration trains and tests: the embedded images, few attacked ones."""
    return Settings(
        data="embedded",
        fingerprint=load("embedded").fingerprint,
        base_epochs=10,
        epochs=4,
        attacked_train=4_000,
        attacked_test=300,
    )


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the record, the figure and the grids.")] = Path("results/demo"),
    seed: Annotated[int, typer.Option(help="Fixes weights, batches, noise and modifications.")] = 0,
    jobs: Annotated[int, typer.Option(help="Processes.")] = 2,
) -> None:
    """Train, learn, defend and compare on the embedded images: about 4 minutes on 2 cores.

    Cells that the record holds already are not run again: delete the folder to start afresh.

    Examples
    --------
        localnoise demo

        localnoise demo --out results/seed1 --seed 1
    """
    began = perf_counter()
    chosen, cells = settings(), crossed((seed,), tuple(map(Source.default, SOURCES)), ARMS)
    records = RecordFile(out / "record.h5")
    fresh = run(cells, chosen, records, out, data_dir=None, keep=partial(keep_grid, out), jobs=jobs)
    summary = summarise(records.of(cell.config(chosen) for cell in cells))
    show(tables.terminal(summary, f"Accuracy on Fashion-MNIST, embedded subset, seed {seed}"))
    console.print(tables.footnote(summary))
    figures.accuracies(summary, out / "accuracy.png", f"Embedded subset, seed {seed}")
    saved = sorted(path.name for path in out.glob("grid-*.h5"))
    console.print(f"record {records.path}, figure {out / 'accuracy.png'}, {len(saved)} grids {out / 'grid-*.h5'}")
    console.print(f"{fresh} cells run in {perf_counter() - began:.0f} s")
    if saved:  # none where the record is complete but its grids were deleted
        console.print(f"look at a grid with: localnoise inspect {out / saved[0]}")


def keep_grid(out: Path, cell: Cell, noise: Any) -> None:
    """Save the grids that a cell learned, without their running statistics."""
    members = noise.members if isinstance(noise, Bank) else [noise]
    names = "+".join(source.name for source in cell.sources)
    for index, member in enumerate(members):
        if isinstance(member, UnitGrid):
            turn = f"-{index}" if len(members) > 1 else ""
            member.provenance = cell.provenance() | {"member": index}
            member.save(out / f"grid-{names}-{cell.arm}{turn}-seed{cell.seed}.h5", state=False)


if __name__ == "__main__":
    typer.run(demo)
