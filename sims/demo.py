"""The main job, end to end: train a network, let grids learn noise from neighbors, defend it, repair it, compare.

One table. Its last row is the network as it was trained: units that learned how activations move undo it, told nothing.
"""

from pathlib import Path
from typing import Annotated

import typer

from localnoise.sims.data import load
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.cell import crossed
from localnoise.sims.experiments.conduct import conduct
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.reports.commands import Retention
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import command, console
from localnoise.sims.runtime.options import Jobs, Scheduler

DEFENSES = ("none", "identity", "diagonal", "full", "raster-1", "multiscale-4", "signal-4", "repair")
SOURCES = ("pgd", "line_blur", "obstruction")  # the longest first, so that no process waits for it


def settings() -> Settings:
    """Return the settings by which the demonstration trains and tests: the embedded images, few attacked ones."""
    return Settings(
        data="embedded",
        fingerprint=load("embedded").fingerprint,
        base_epochs=10,
        epochs=4,
        attacked_train=4_000,
        attacked_test=300,
    )


@commands.register(
    "demo",
    "Start",
    "Train, learn, defend, repair and compare on the embedded images: about 3 minutes on 2 cores.",
)
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the record, the figure and the grids.")] = Path("results/demo"),
    seed: Annotated[int, typer.Option(help="Fixes weights, batches, noise and modifications.")] = 0,
    jobs: Jobs = 2,
    scheduler: Scheduler = "",
) -> None:
    """Train, learn, defend, repair and compare on the embedded images: about 3 minutes on 2 cores.

    Cells that the record holds already are not run again: delete the folder to start afresh.

    Examples
    --------
        localnoise demo

        localnoise demo --out results/seed1 --seed 1
    """
    chosen, cells = settings(), crossed((seed,), tuple(map(Source.default, SOURCES)), DEFENSES)
    report = Retention(title=f"embedded subset, seed {seed}", brief=True)
    conduct(cells, chosen, out, report, data_dir=None, jobs=jobs, scheduler=scheduler, grids=".")
    saved = sorted(path.name for path in out.glob("grid-*.h5"))
    console.print(f"figure {out / 'accuracy.png'}, {len(saved)} grids {out / 'grid-*.h5'}")
    if saved:  # none where the record is complete but its grids were deleted
        console.print(f"look at a grid with: {command('inspect', out / saved[0])}")


if __name__ == "__main__":
    typer.run(demo)
