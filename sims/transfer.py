"""Which source's noise helps against which threat: heat maps of source x threat, central and local side by side."""

from typing import Annotated

import typer

from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.evaluation.source import Source
from localnoise.sims.evaluation.threat import Threat, threat
from localnoise.sims.experiments.command import Run, experiment
from localnoise.sims.experiments.design import STRONGEST, trained_on
from localnoise.sims.reports.commands import Transfer
from localnoise.sims.reports.comparison import OWN, Level
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.options import Defenses, words

ATTACKS = "art-autopgd@0.1,art-pgd@0.1,art-fgm@0.1,art-square@0.1"
GROUPS = {
    "modifications": STRONGEST,
    "attacks": f"{ATTACKS},input_noise@0.25",
    "all": f"{STRONGEST},{ATTACKS}",
}
"""The lists that one word stands for: the paper's ten; its four and Gaussian input noise; its fourteen sources."""
_LEARNED = "modifications"


@commands.register("transfer", "Evaluate", "Which noise helps against which perturbation: heat maps.")
@experiment
def transfer(
    run: Run,
    sources: Annotated[
        str,
        typer.Option(
            "--train",
            help="NAME@LEVEL,... or modifications (the paper's ten), attacks (its four, input noise), all.",
        ),
    ] = _LEARNED,
    threats: Annotated[
        str,
        typer.Option("--test", help="NAME@LEVEL,..., the words of --train, or `own`: what each was trained on itself."),
    ] = "",
    arms: Defenses = "full,multiscale-8",
) -> None:
    """Fill source x threat heat maps: each net learns from one source and is tested on every threat.

    Examples
    --------
        localnoise transfer --preset quick

        localnoise transfer --train attacks --preset standard

        localnoise transfer --train rotate@2,elastic@2 --test rotate@2,elastic@2,fog@5 --defenses full,signal-8

        localnoise transfer --train all --test own,adaptive@0.04
    """
    chosen, names = run.chosen(), words(arms)
    plan, sources = run.plan(), chosen.usual(sources, _LEARNED)
    learned = [Source.default(*name_and_level(text)).of(plan.displaced) for text in spelled(sources)]
    rows = ["clean", *spelled(threats or sources)]
    if not threats and sources == "attacks":
        rows.remove("input_noise@0.25")
    wanted = {text: threat(text, plan.images, plan.attacked_test) for text in rows if text != OWN.label}
    cells = []
    for seed in range(plan.seeds):
        for source in learned:
            itself = Threat(name=source.name, level=source.level, images=plan.images)
            against = [wanted.get(text, itself) for text in rows]
            for arm in (*names, "none"):
                cells += trained_on(seed, (source,), [arm], against)
    labels, trained = [wanted[text].label if text in wanted else text for text in rows], map(Level.of, learned)
    report = Transfer(title=run.title(chosen), arms=names, sources=[source.label for source in trained], threats=labels)
    run.conduct(cells, chosen, report)


def spelled(text: str) -> list[str]:
    """Words that stand for several names, written out; each name once."""
    return words(",".join(GROUPS.get(part, part) for part in words(text)))


if __name__ == "__main__":
    typer.run(transfer)
