"""The paper's study, rerun: every source at several strengths, side by side with what the paper states."""

from pathlib import Path
from typing import Annotated

import typer

from localnoise.errors import choose
from localnoise.sims.evaluation.names import variances_of
from localnoise.sims.evaluation.source import Source
from localnoise.sims.evaluation.threat import Threat
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.conduct import conduct
from localnoise.sims.experiments.design import trained_on
from localnoise.sims.experiments.presets import Preset, preset
from localnoise.sims.perturbations import MODIFICATIONS
from localnoise.sims.reports import stated
from localnoise.sims.reports.commands import Paper
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.options import DataDir, Epochs, Jobs, Mix, Out, PresetName, Scheduler, Seeds, words

SOURCES = (
    "art-autopgd",
    "art-pgd",
    "art-fgm",
    "art-square",
    "rotate",
    "motion_blur",
    "obstruction",
    "brightness",
    "elastic",
)


@commands.register("paper", "Evaluate", "Rerun the paper's study, side by side with what it states.")
def paper(
    sources: Annotated[str, typer.Option("--train", help="Comma-separated rows of the paper's table.")] = ",".join(
        SOURCES
    ),
    arms: Annotated[
        str, typer.Option("--defenses", help="Comma-separated; the paper has diagonal, too. A grid: multiscale-8.")
    ] = "none,identity,full",
    traces: Annotated[
        str,
        typer.Option(
            "--variances", help="Noise variance per neuron of the modifications: 2 by its table, 0.5 by its scripts."
        ),
    ] = "2,0.5",
    spend: PresetName = "quick",
    seeds: Seeds = None,
    epochs: Epochs = None,
    out: Out = Path("results/paper"),
    data_dir: DataDir = None,
    jobs: Jobs = 2,
    scheduler: Scheduler = "",
    mix: Mix = False,
) -> None:
    """Rerun the paper's table: a net for each source, strength and arm, tested on that source at that strength.

    Attacks are those of the paper's public code: one noise draw a gradient, library defaults. Each finished cell is
    kept; the same command goes on after an interruption.

    Examples
    --------
        localnoise paper

        localnoise paper --preset standard --train rotate,elastic --variances 0.5
    """
    names, plan = words(sources), preset(spend, seeds=seeds, epochs=epochs)
    for name in names:
        choose("source", name, {row.source for row in stated.table()})
    cells = _cells(plan, names, words(arms), variances_of(traces))
    report = Paper(title=f"{spend} preset", sources=names)
    conduct(cells, plan.settings(data_dir), out, report, data_dir=data_dir, jobs=jobs, scheduler=scheduler, mix=mix)


def _cells(plan: Preset, sources: list[str], arms: list[str], traces: list[float]) -> list[Cell]:
    """Cells of all seeds; the variance of an attack's noise is 2."""
    out: list[Cell] = []
    for seed in range(plan.seeds):
        for name in sources:
            attack = name not in MODIFICATIONS
            for level in stated.strengths(name, plan.strengths):
                one = Threat(name=name, level=level, images=plan.images)
                for variance in [2.0] if attack else traces:
                    source = Source(name=name, level=level, variance=variance).of(plan.displaced)
                    out += trained_on(seed, (source,), arms, [one])
    return list(dict.fromkeys(out))


if __name__ == "__main__":
    typer.run(paper)
