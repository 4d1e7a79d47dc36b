"""Which source's noise helps against which threat: heat maps of source x threat, central and local side by side."""

from pathlib import Path
from typing import Annotated

import typer

from localnoise.sims.console import console
from localnoise.sims.experiments.budget import budget
from localnoise.sims.experiments.conduct import conduct
from localnoise.sims.experiments.matched import named, threat, trained_on
from localnoise.sims.experiments.source import Source
from localnoise.sims.modifications import PAPER
from localnoise.sims.reports import heat
from localnoise.sims.reports.comparison import outcomes

STRONGEST = ",".join(
    f"{name}@{2 if name in ('elastic', 'perspective', 'rotate', 'obstruction') else 5}" for name in PAPER
)
ATTACKS = "art-autopgd@0.1,art-pgd@0.1,art-fgm@0.1,art-square@0.1"


def transfer(
    sources: Annotated[
        str, typer.Option(help="NAME@LEVEL,...; `attacks`: the paper's four attacks and Gaussian input noise.")
    ] = STRONGEST,
    threats: Annotated[str, typer.Option(help="NAME@LEVEL,...; default: the sources.")] = "",
    arms: Annotated[str, typer.Option(help="Arms, one heat map each.")] = "full,multiscale-8",
    spend: Annotated[str, typer.Option("--budget", help="quick, standard or full.")] = "quick",
    out: Annotated[Path, typer.Option(help="Folder for the record, tables and figure.")] = Path("results/transfer"),
    data_dir: Annotated[Path | None, typer.Option(help="Folder with the four IDX files of the full set.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes.")] = 2,
    mix: Annotated[bool, typer.Option("--mix", help="Go on in a record that other code began.")] = False,
) -> None:
    """Fill source x threat heat maps: each net learns from one source and is tested on every threat.

    Examples
    --------
        localnoise transfer --budget quick

        localnoise transfer --sources attacks --budget standard

        localnoise transfer --sources rotate@2,elastic@2 --threats rotate@2,elastic@2,fog@5 --arms full,signal-8
    """
    attacks = sources == "attacks"
    tested = threats or (ATTACKS if attacks else sources)
    given = f"{ATTACKS},input_noise@0.25" if attacks else sources
    plan, names = budget(spend), [name.strip() for name in arms.split(",")]
    learned = [Source.default(*named(text)) for text in given.split(",")]
    wanted = [threat(text, plan.images, plan.attacked_test) for text in ("clean", *tested.split(","))]
    cells = [
        cell
        for seed in range(plan.seeds)
        for source in learned
        for cell in (*trained_on(seed, (source,), names, wanted), *trained_on(seed, (source,), ["none"], wanted))
    ]
    cells = list(dict.fromkeys(cells))
    chosen = plan.settings(data_dir)
    records = conduct(cells, chosen, out, data_dir=data_dir, jobs=jobs, mix=mix)
    found = outcomes(records)
    maps = [heat.measured(found, arm, learned, wanted) for arm in names]
    (out / "table.md").write_text("\n\n".join(map(heat.markdown, maps)) + "\n")
    heat.figure([*maps, *heat.stated_beside(maps)], out / "transfer.png")
    for one in maps:
        console.print(heat.summary(one))
    console.print(f"{out}: table.md, transfer.png")


if __name__ == "__main__":
    typer.run(transfer)
