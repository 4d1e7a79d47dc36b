"""How many wires robustness needs: units pruned to their best parents, in both orders, beside what chips hold."""

from pathlib import Path
from typing import Annotated

import typer

from localnoise.files import write_text
from localnoise.hardware.chips.profile import load_profile, profile_names
from localnoise.sims.arms import ARMS
from localnoise.sims.arms.chips import FAN_IN, ORDERS
from localnoise.sims.console import console
from localnoise.sims.experiments.budget import budget
from localnoise.sims.experiments.conduct import conduct
from localnoise.sims.experiments.matched import own_threats
from localnoise.sims.options import Budget, DataDir, Epochs, Jobs, Mix, Seeds
from localnoise.sims.reports import chips, deployed
from localnoise.sims.reports.comparison import outcomes

SOURCES = "motion_blur@5,rotate@2,pgd@0.1"
_UNITS = 14 * 14  # of the paper's layer


def wires(
    sources: Annotated[str, typer.Option(help="NAME@LEVEL,...: learned from, and tested on.")] = SOURCES,
    fan_in: Annotated[str, typer.Option(help="Parents a unit keeps; of 1, 2, 3, 4, 6, 8.")] = "1,2,3,4,6,8",
    spend: Budget = "quick",
    seeds: Seeds = None,
    epochs: Epochs = None,
    out: Annotated[Path, typer.Option(help="Folder for the record, table and figure.")] = Path("results/wires"),
    data_dir: DataDir = None,
    jobs: Jobs = 2,
    mix: Mix = False,
) -> None:
    """Prune units to their best parents and count links, wire length and bytes against what robustness is kept.

    Examples
    --------
        localnoise wires --sources rotate@2 --fan-in 2,4

        localnoise wires --budget standard
    """
    plan = budget(spend, seeds=seeds, epochs=epochs)
    chosen = deployed.numbers("fan_in", fan_in, FAN_IN)
    orders = {order: [f"wires-{order}-{n}" for n in chosen] for order in ORDERS}
    names = [name for own in orders.values() for name in own]
    cells, learned = own_threats(sources, ["none", "full", deployed.FLOAT, *names], plan)
    records = conduct(cells, plan.settings(data_dir), out, data_dir=data_dir, jobs=jobs, mix=mix)
    labels = {name: ARMS[name].label for name in ("full", deployed.FLOAT, *names)}
    table = deployed.rows(outcomes(records), [*labels], learned)
    write_text(out / "table.md", deployed.markdown(table, labels, ("links", "wire_length")) + "\n")
    held = {name: chips.room(load_profile(name), _UNITS) for name in profile_names()}
    chips.wires_figure(table, orders, {k: v for k, v in held.items() if v is not None}, out / "wires.png")
    console.print(f"{out}: table.md, wires.png")


if __name__ == "__main__":
    typer.run(wires)
