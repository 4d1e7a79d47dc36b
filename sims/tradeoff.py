"""The price of robustness: clean against robust accuracy over the noise's strength, arm by arm."""

from dataclasses import replace
from typing import Annotated

import typer

from localnoise.sims.evaluation.names import name_and_level, variances_of
from localnoise.sims.evaluation.source import Source
from localnoise.sims.evaluation.threat import threat
from localnoise.sims.experiments.command import Run, experiment
from localnoise.sims.experiments.design import trained_on
from localnoise.sims.reports.commands import Tradeoff
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.options import Defenses, Variances, words


@commands.register("tradeoff", "Evaluate", "What robustness costs: clean against robust accuracy, by noise variance.")
@experiment
def tradeoff(
    run: Run,
    source: Annotated[
        str, typer.Option("--train", help="NAME@LEVEL: what the noise is learned from, and tested on.")
    ] = "pgd@0.1",
    tested: Annotated[str, typer.Option("--test", help="NAME@LEVEL; default: as --train.")] = "",
    arms: Defenses = ("none,identity,diagonal,full,multiscale-4,multiscale-8,adversarial-90"),
    traces: Variances = "0.25,0.5,1,2,4",
) -> None:
    """Sweep the noise variance: one line an arm, clean against robust accuracy, memory per unit as marker size.

    Examples
    --------
        localnoise tradeoff --train pgd@0.1 --variances 0.5,2

        localnoise tradeoff --train rotate@2 --defenses none,full,multiscale-8,augmentation --preset standard

        localnoise tradeoff --train pgd@0.1 --test adaptive@0.1
    """
    plan, chosen = run.plan(), run.chosen()
    wanted = [threat(text, plan.images, plan.attacked_test) for text in ("clean", tested or source)]
    learned = Source.default(*name_and_level(source))
    variances = variances_of(traces)
    names = words(arms)
    cells = [
        cell
        for seed in range(plan.seeds)
        for variance in variances
        for cell in trained_on(seed, (replace(learned, variance=variance),), names, wanted)
    ]
    report = Tradeoff(title=run.title(chosen), arms=names, threat=wanted[1].label)
    run.conduct(cells, chosen, report)


if __name__ == "__main__":
    typer.run(tradeoff)
