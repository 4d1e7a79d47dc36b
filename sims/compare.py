"""Any defenses on any perturbations, the paper's attacks or a reviewer's: one table, with paired differences."""

from typing import Annotated

import typer

from localnoise.errors import ArgumentError, choose
from localnoise.sims.attacks import ATTACKS, PAPER_ATTACKS
from localnoise.sims.evaluation.names import WORST, name_and_level
from localnoise.sims.evaluation.source import Source
from localnoise.sims.evaluation.threat import Threat, threat
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.command import Run, experiment
from localnoise.sims.experiments.design import matched, trained_on
from localnoise.sims.models import ACTIVATIONS
from localnoise.sims.reports.commands import Compare
from localnoise.sims.reports.commands.compare import means
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.options import Defenses, one_of, words
from localnoise.sims.tools.names import names as list_names

PROTOCOLS = ("any", "paper", "adaptive")
_AGAINST, _TESTED = "full", "rotate,obstruction,adaptive"


@commands.register(
    "compare",
    "Evaluate",
    "Compare any defenses on any perturbations, under the paper's protocol or a reviewer's.",
)
@experiment
def compare(
    run: Run,
    arms: Defenses = "none,identity,diagonal,full,multiscale-8,signal-8,augmentation",
    threats: Annotated[
        str,
        typer.Option(
            "--test",
            help="Comma-separated NAME or NAME@LEVEL: modifications; adaptive (the worst case over an attacker's "
            "attacks who knows the noise); single attacks (pgd, apgd-ce, ...); art-pgd, ...: the paper's.",
        ),
    ] = _TESTED,
    sources: Annotated[
        str,
        typer.Option(
            "--train", help="What to learn from: matched (what is tested itself), or NAME@LEVEL,... all in one net."
        ),
    ] = "matched",
    protocol: Annotated[
        str,
        one_of(PROTOCOLS, help="Attacks to allow in --test: paper (art-... alone), adaptive (adaptive alone), any."),
    ] = "any",
    against: Annotated[str, typer.Option(help="Defense that differences are taken from.")] = _AGAINST,
    activation: Annotated[str, one_of(ACTIVATIONS, help="Of v1, v2, v3: the nonlinearity.")] = "tanh",
) -> None:
    """Compare defenses on perturbations; finished cells are kept, and the same command goes on after an interruption.

    Examples
    --------
        localnoise compare --defenses none,full,multiscale-8 --test rotate@2,adaptive@0.1 --preset quick

        localnoise compare --test art-pgd@0.08,art-autopgd@0.08,pgd@0.08 --defenses none,identity,full

        localnoise compare --train rotate@2,obstruction@2 --test rotate@2,obstruction@2,fog --defenses signal-8

        localnoise compare --task my_task.py --defenses none,full,signal-8,augmentation --test dark,pgd@0.1
    """
    if arms == "list":
        list_names("defenses", every=True)
        return
    choose("protocol", protocol, PROTOCOLS)
    chosen, names = run.chosen(activation), words(arms)
    plan, threats = run.plan(), chosen.usual(threats, _TESTED)
    if against != _AGAINST:
        choose("against", against, names)
    wanted = [threat(text, plan.images, plan.attacked_test) for text in words(threats)]
    wanted = list(dict.fromkeys(_allowed(one, protocol) for one in wanted))
    cells = _cells(sources, names, wanted, plan.seeds)
    labels = [one.label for one in wanted if one.name != "clean"]
    report = Compare(
        title=run.title(chosen),
        arms=names,
        threats=labels,
        against=against if against in names else None,
        groups={} if sources == "matched" else means([_label(one) for one in _sources(sources)], labels),
    )
    run.conduct(cells, chosen, report)


def _allowed(one: Threat, protocol: str) -> Threat:
    """Return the threat, unless it is an attack of another protocol: names mean the same under each."""
    of_paper, attack = one.name.startswith("art-"), one.name in ATTACKS or one.name == WORST
    if not attack or protocol == "any" or (of_paper if protocol == "paper" else one.name == WORST):
        return one
    instead = WORST if protocol == "adaptive" else f"art-{one.name}" if one.name in PAPER_ATTACKS else "art-pgd"
    raise ArgumentError(
        f"threats={one.label!r} is no attack of --protocol {protocol}: expected one such as {instead}@{one.level:g}; "
        "or leave --protocol out"
    )


def _label(source: Source) -> str:
    return f"{source.name}@{source.level:g}"


def _sources(text: str) -> tuple[Source, ...]:
    return tuple(Source.default(*name_and_level(part)) for part in words(text))


def _cells(sources: str, arms: list[str], threats: list[Threat], seeds: int) -> list[Cell]:
    if sources == "matched":
        return matched(range(seeds), arms, threats)
    own = _sources(sources)
    clean = Threat(name="clean", level=0.0, images=max(one.images for one in threats))
    wanted = list(dict.fromkeys([clean, *threats]))
    return [cell for seed in range(seeds) for cell in trained_on(seed, own, arms, wanted)]


if __name__ == "__main__":
    typer.run(compare)
