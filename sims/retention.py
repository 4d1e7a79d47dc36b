"""How much of the central method's robustness the local rules keep: the results' first table, on the full data set."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from localnoise.errors import choose
from localnoise.sims.attacks import ATTACKS
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.cell import crossed
from localnoise.sims.experiments.chosen import DEFAULT, Chosen
from localnoise.sims.experiments.conduct import conduct
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.perturbations import MODIFICATIONS
from localnoise.sims.reports.commands import Retention
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.options import (
    DataDir,
    Defenses,
    Images,
    Layer,
    Mix,
    Out,
    Scheduler,
    TaskName,
    Train,
    Training,
    counted,
    words,
)
from localnoise.validate import as_count

DEFENSES = (
    "none",
    "identity",
    "diagonal",
    "full",
    "raster-1",
    "multiscale-4",
    "multiscale-8",
    "hubs-8",
    "signal-8",
    "bank-8",
    "augmentation",
)
SOURCES = ("rotate", "obstruction", "line_blur", "brighten", "pgd")

_SOURCES, _DEFENSES = ",".join(SOURCES), ",".join(DEFENSES)


@commands.register(
    "retention",
    "Evaluate",
    "Compare local with central noise on every source, with intervals: hours.",
)
def retention(
    out: Out = Path("results/retention"),
    data: Images = "full",
    data_dir: DataDir = None,
    seeds: Annotated[int, typer.Option(help="Seeds 0, 1, ..., each with its own network.")] = 3,
    sources: Train = _SOURCES,
    arms: Defenses = _DEFENSES,
    mixed: Annotated[
        str, typer.Option(help="Defenses also trained on all modifications at once.")
    ] = "signal-8,bank-8,augmentation",
    task: TaskName = DEFAULT,
    layer: Layer = None,
    training: Training = BACKPROP,
    jobs: Annotated[int, typer.Option(help="Processes, each with one thread and about 4 GiB.")] = 2,
    scheduler: Scheduler = "",
    mix: Mix = False,
) -> None:
    """Compare local with central noise on every source, with 95 % intervals over seeds; hours on the full set.

    Interrupt it whenever you like: finished cells are kept, and the same command goes on.

    Examples
    --------
        localnoise retention

        localnoise retention --data embedded --seeds 2 --train rotate --defenses none,full,multiscale-8

        localnoise retention --training local-heads --out results/retention-local
    """
    mine = Chosen.of(task, layer=layer, training=training)
    names = words(mine.usual(sources, _SOURCES))
    named = [choose("source", name, (*MODIFICATIONS, *ATTACKS)) for name in names]
    cells = crossed(
        range(as_count("seeds", seeds, 1)), tuple(map(Source.default, named)), tuple(words(arms)), tuple(words(mixed))
    )
    spent = Settings(**mine.settings(data, data_dir))
    chosen = replace(spent, base_epochs=mine.epochs(spent.base_epochs), epochs=mine.epochs(spent.epochs))
    conduct(
        cells, chosen, out, report_of(mine, data, seeds), data_dir=data_dir, jobs=jobs, scheduler=scheduler, mix=mix
    )


def report_of(chosen: Chosen, data: str, seeds: int) -> Retention:
    """Return the report, whose title says which network it is of, where that is not the paper's, and how it learns."""
    many = counted(seeds, "seed") + ("" if chosen.training == BACKPROP else f", trained by {chosen.training}")
    if chosen.own_data:
        return Retention(title=many, on=chosen.task.name)
    network = "" if chosen.task.name == DEFAULT else f"{chosen.task.name}, "
    return Retention(title=f"{network}{data} set, {many}")


if __name__ == "__main__":
    typer.run(retention)
