"""How many wires robustness needs: units pruned to their best parents, in both orders, beside what chips hold."""

from typing import Annotated

import typer

from localnoise.sims.defenses.chip_arms import FAN_IN, ORDERS
from localnoise.sims.experiments.command import Run, experiment
from localnoise.sims.experiments.design import own_threats
from localnoise.sims.reports import deployed
from localnoise.sims.reports.commands import Wires
from localnoise.sims.reports.comparison import Level
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.options import Train

SOURCES = "motion_blur@5,rotate@2,pgd@0.1"


@commands.register("wires", "Chip", "How many wires robustness needs: pruned chip grids beside what chips hold.")
@experiment
def wires(
    run: Run,
    sources: Train = SOURCES,
    fan_in: Annotated[
        str, typer.Option("--parents", help="Parents a unit keeps; of 1, 2, 3, 4, 6, 8.")
    ] = "1,2,3,4,6,8",
) -> None:
    """Prune units to their best parents and count links, wire length and bytes against what robustness is kept.

    Examples
    --------
        localnoise wires --train rotate@2 --parents 2,4

        localnoise wires --preset standard
    """
    plan, mine = run.plan(), run.chosen()
    chosen = deployed.numbers("fan_in", fan_in, FAN_IN)
    names = [f"wires-{order}-{n}" for order in ORDERS for n in chosen]
    cells, learned = own_threats(mine.usual(sources, SOURCES), ["none", "full", deployed.FLOAT, *names], plan)
    report = Wires(title=run.title(mine), arms=names, sources=[Level.of(source).label for source in learned])
    run.conduct(cells, mine, report)


if __name__ == "__main__":
    typer.run(wires)
