"""How many wires robustness needs: units pruned to their best parents, in both orders, beside what chips hold."""

from pathlib import Path
from typing import Annotated

import typer

from localnoise.sims.defenses.chips import FAN_IN, ORDERS
from localnoise.sims.experiments.chosen import DEFAULT, Chosen
from localnoise.sims.experiments.conduct import conduct
from localnoise.sims.experiments.design import own_threats
from localnoise.sims.experiments.presets import preset
from localnoise.sims.reports import deployed
from localnoise.sims.reports.commands import Wires
from localnoise.sims.reports.comparison import Level
from localnoise.sims.runtime.options import (
    DataDir,
    Epochs,
    Jobs,
    Layer,
    Mix,
    Out,
    PresetName,
    Scheduler,
    Seeds,
    TaskName,
    Train,
)

SOURCES = "motion_blur@5,rotate@2,pgd@0.1"


def wires(
    sources: Train = SOURCES,
    fan_in: Annotated[
        str, typer.Option("--parents", help="Parents a unit keeps; of 1, 2, 3, 4, 6, 8.")
    ] = "1,2,3,4,6,8",
    task: TaskName = DEFAULT,
    layer: Layer = None,
    spend: PresetName = "quick",
    seeds: Seeds = None,
    epochs: Epochs = None,
    out: Out = Path("results/wires"),
    data_dir: DataDir = None,
    jobs: Jobs = 2,
    scheduler: Scheduler = "",
    mix: Mix = False,
) -> None:
    """Prune units to their best parents and count links, wire length and bytes against what robustness is kept.

    Examples
    --------
        localnoise wires --train rotate@2 --parents 2,4

        localnoise wires --preset standard
    """
    plan, mine = preset(spend, seeds=seeds, epochs=epochs), Chosen.of(task, layer=layer)
    chosen = deployed.numbers("fan_in", fan_in, FAN_IN)
    names = [f"wires-{order}-{n}" for order in ORDERS for n in chosen]
    cells, learned = own_threats(mine.usual(sources, SOURCES), ["none", "full", deployed.FLOAT, *names], plan)
    title = f"{mine.title}{spend} preset"
    report = Wires(title=title, arms=names, sources=[Level.of(source).label for source in learned])
    settings = plan.settings(data_dir, mine)
    conduct(cells, settings, out, report, data_dir=data_dir, jobs=jobs, scheduler=scheduler, mix=mix)


if __name__ == "__main__":
    typer.run(wires)
