"""Any arms against any threats, under the paper's protocol or a reviewer's: one table, with paired differences."""

from pathlib import Path
from typing import Annotated

import typer

from localnoise.errors import choose
from localnoise.files import write_text
from localnoise.sims.arms import ARMS
from localnoise.sims.attacks import EPS, PAPER_ATTACKS
from localnoise.sims.console import console, show
from localnoise.sims.experiments.budget import budget
from localnoise.sims.experiments.cells import Cell
from localnoise.sims.experiments.conduct import conduct
from localnoise.sims.experiments.matched import matched, named, threat, trained_on
from localnoise.sims.experiments.source import Source
from localnoise.sims.experiments.threat import Threat
from localnoise.sims.reports import comparing, figures
from localnoise.sims.reports.comparison import outcomes

PROTOCOLS = ("paper", "adaptive")


def compare(
    arms: Annotated[
        str, typer.Option(help="Comma-separated; `list` shows them all.")
    ] = "none,identity,diagonal,full,multiscale-8,signal-8,augmentation",
    threats: Annotated[
        str, typer.Option(help="Comma-separated NAME or NAME@LEVEL: modifications, attacks.")
    ] = "rotate,obstruction,pgd",
    sources: Annotated[
        str,
        typer.Option(help="What to learn from: matched (the threat itself), or NAME@LEVEL,... all in one net."),
    ] = "matched",
    protocol: Annotated[
        str, typer.Option(help="paper: ART's attacks as they come. adaptive: all attacks, the noise known.")
    ] = "adaptive",
    against: Annotated[str, typer.Option(help="Arm that differences are taken from.")] = "full",
    spend: Annotated[str, typer.Option("--budget", help="quick, standard or full.")] = "quick",
    seeds: Annotated[int | None, typer.Option(help="How many; default: the budget's.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Of retraining; default: the budget's.")] = None,
    network: Annotated[str, typer.Option(help="v1, v2 or v3.")] = "v2",
    activation: Annotated[str, typer.Option(help="tanh or relu.")] = "tanh",
    layer: Annotated[int, typer.Option(help="Hidden layer after which the noise enters.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder for the record, table and figure.")] = Path("results/compare"),
    data_dir: Annotated[Path | None, typer.Option(help="Folder with the four IDX files of the full set.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes.")] = 2,
    mix: Annotated[bool, typer.Option("--mix", help="Go on in a record that other code began.")] = False,
) -> None:
    """Compare arms against threats; each finished cell is kept, and the same command goes on after an interruption.

    Examples
    --------
        localnoise compare --arms none,full,multiscale-8 --threats rotate@2,pgd --budget quick

        localnoise compare --protocol paper --threats pgd@0.08,autopgd@0.08 --arms none,identity,full

        localnoise compare --sources rotate@2,obstruction@2 --threats rotate@2,obstruction@2,fog --arms signal-8
    """
    if arms == "list":
        width = max(map(len, ARMS))
        console.print("\n".join(f"{name:{width}}  {arm.label}" for name, arm in ARMS.items()))
        return
    choose("protocol", protocol, PROTOCOLS)
    plan, names = budget(spend, seeds=seeds, epochs=epochs), [name.strip() for name in arms.split(",")]
    wanted = [threat(_attack(text, protocol), plan.images, plan.attacked_test) for text in threats.split(",")]
    cells = _cells(sources, names, wanted, plan.seeds)
    chosen = plan.settings(data_dir, network, activation, layer)
    records = conduct(cells, chosen, out, data_dir=data_dir, jobs=jobs, mix=mix)
    found = outcomes(records)
    labels = [one.label for one in wanted if one.name != "clean"]
    table = comparing.Comparison(found, names, labels, _groups(sources, labels))
    show(comparing.terminal(table, f"Accuracy, {protocol} protocol, {spend} budget"))
    console.print(comparing.footnote(table))
    write_text(out / "table.md", comparing.markdown(table, against if against in names else None))
    figures.threats(table, out / "accuracy.png", f"{protocol} protocol, {spend} budget".capitalize())
    console.print(f"{out}: table.md, accuracy.png")


def _attack(text: str, protocol: str) -> str:
    """Under `paper` an attack's name means ART's; under `adaptive` it means the worst case over all attacks."""
    name, level = named(text)
    strength = EPS if level is None else level
    if name not in PAPER_ATTACKS:
        return text
    return f"art-{name}@{strength:g}" if protocol == "paper" else f"adaptive@{strength:g}"


def _groups(sources: str, threats: list[str]) -> dict[str, list[str]]:
    """Means of one net: over the threats that it learned from, and over the others, where there are several of each."""
    if sources == "matched":
        return {}
    learned = {f"{one.name}@{one.level:g}" for one in _sources(sources)}
    own, others = [one for one in threats if one in learned], [one for one in threats if one not in learned]
    groups = {f"mean of the {len(own)} learned from": own, f"mean of the {len(others)} others": others}
    return {name: group for name, group in groups.items() if len(group) > 1}


def _sources(text: str) -> tuple[Source, ...]:
    return tuple(Source.default(*named(part)) for part in text.split(","))


def _cells(sources: str, arms: list[str], threats: list[Threat], seeds: int) -> list[Cell]:
    if sources == "matched":
        return matched(range(seeds), arms, threats)
    own = _sources(sources)
    clean = Threat(name="clean", level=0.0, images=max(one.images for one in threats))
    wanted = list(dict.fromkeys([clean, *threats]))
    return [cell for seed in range(seeds) for cell in trained_on(seed, own, arms, wanted)]


if __name__ == "__main__":
    typer.run(compare)
