"""What robustness costs: clean against robust accuracy over the noise's strength, arm by arm."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from localnoise.sims.evaluation.names import name_and_level, variances_of
from localnoise.sims.evaluation.source import Source
from localnoise.sims.evaluation.threat import threat
from localnoise.sims.experiments.conduct import conduct
from localnoise.sims.experiments.design import trained_on
from localnoise.sims.experiments.presets import preset
from localnoise.sims.reports.commands import Tradeoff
from localnoise.sims.runtime.options import words


def tradeoff(
    source: Annotated[str, typer.Option(help="NAME@LEVEL: what the noise is learned from, and tested on.")] = "pgd@0.1",
    tested: Annotated[str, typer.Option("--threat", help="NAME@LEVEL; default: the source.")] = "",
    arms: Annotated[str, typer.Option(help="Comma-separated.")] = (
        "none,identity,diagonal,full,multiscale-4,multiscale-8,adversarial-90"
    ),
    traces: Annotated[str, typer.Option(help="Noise variances per neuron.")] = "0.25,0.5,1,2,4",
    spend: Annotated[str, typer.Option("--budget", help="quick, standard or full.")] = "quick",
    seeds: Annotated[int | None, typer.Option(help="How many; default: the budget's.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Of retraining; default: the budget's.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the record, table and figure.")] = Path("results/tradeoff"),
    data_dir: Annotated[Path | None, typer.Option(help="Folder with the four IDX files of the full set.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes.")] = 2,
    mix: Annotated[bool, typer.Option("--mix", help="Go on in a record that other code began.")] = False,
) -> None:
    """Sweep the noise variance: one line an arm, clean against robust accuracy, memory per unit as marker size.

    Examples
    --------
        localnoise tradeoff --source pgd@0.1 --traces 0.5,2

        localnoise tradeoff --source rotate@2 --arms none,full,multiscale-8,augmentation --budget standard

        localnoise tradeoff --source pgd@0.1 --threat adaptive@0.1
    """
    plan = preset(spend, seeds=seeds, epochs=epochs)
    wanted = [threat(text, plan.images, plan.attacked_test) for text in ("clean", tested or source)]
    learned = Source.default(*name_and_level(source))
    variances = variances_of(traces)
    names = words(arms)
    cells = [
        cell
        for seed in range(plan.seeds)
        for trace in variances
        for cell in trained_on(seed, (replace(learned, trace=trace),), names, wanted)
    ]
    report = Tradeoff(title=f"{spend} budget", arms=names, threat=wanted[1].label)
    once = list(dict.fromkeys(cells))
    conduct(once, plan.settings(data_dir), out, report, data_dir=data_dir, jobs=jobs, mix=mix)


if __name__ == "__main__":
    typer.run(tradeoff)
