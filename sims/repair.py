"""Repair a trained network: its units learn to undo what happens to their activation; no label, no weight changed."""

from dataclasses import replace
from typing import Annotated

import typer

from localnoise.errors import ArgumentError
from localnoise.sims import perturbations
from localnoise.sims.defenses import Repairing, repairing_name
from localnoise.sims.defenses.repairing import ALL, FIRST
from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.evaluation.source import DRIFT, Source
from localnoise.sims.evaluation.threat import Threat, threat
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.command import Run, command
from localnoise.sims.experiments.design import STRONGEST, trained_on
from localnoise.sims.experiments.presets import Preset
from localnoise.sims.models.stages import named_modules
from localnoise.sims.reports.commands import Repair
from localnoise.sims.runtime.options import words

_LEARNED, _OTHERS = "modifications", "others"


@command
def repair(
    run: Run,
    sources: Annotated[
        str,
        typer.Option(
            "--train",
            help="NAME@LEVEL,...: what is learned; modifications: the paper's ten, or a task's own.",
        ),
    ] = _LEARNED,
    threats: Annotated[
        str,
        typer.Option(
            "--test",
            help="NAME@LEVEL,...: what is tested besides, clean and all that is learned apart; others: the "
            "corruptions that are never learned, or those of a task's own; none.",
        ),
    ] = _OTHERS,
    layers: Annotated[
        str,
        typer.Option(
            help="Layers to repair: all (the task's, and the last of each later stage), first (the task's alone), or "
            "the task's and modules after it, joined by +."
        ),
    ] = ALL,
    radius: Annotated[int, typer.Option(help="Chebyshev radius of the activations that a unit reads.")] = 2,
    causes: Annotated[
        int, typer.Option(help="Parts that a source is cut into where it has an angle, a direction or a place: 4, 16.")
    ] = 1,
    dense: Annotated[
        bool, typer.Option(help="Also learn the central counterpart, one affine map of whole layers.")
    ] = True,
    retrained: Annotated[
        bool, typer.Option("--retrained", help="Also retrain the later layers, with labels, on repaired activations.")
    ] = False,
) -> None:
    """Repair a trained network and test it: clean, on what was learned, and on what never was.

    Beside it stand the network as it is, the same repair told what has happened, and a dense one. Finished cells are
    kept, and the same command goes on after an interruption.

    Examples
    --------
        localnoise repair --train rotate@2,contrast@5 --test fog --preset quick

        localnoise repair --preset full --causes 16 --out results/repair16

        localnoise repair --task watch --train axis_lost,sensor_noise --test gain_drift

        localnoise repair --task my_task.py --layer layer2 --layers layer3+fc --radius 1
    """
    chosen, spent = run.chosen(), run.plan()
    plan = Repairing(layers=layers, radius=radius, causes=causes)
    learned = _sources(chosen.usual(sources, _LEARNED), spent)
    _check(plan, chosen, learned)
    names = [f"{one.name}@{one.level:g}" for one in learned if one.name != DRIFT]
    others = _others(threats, chosen, {one.name for one in learned}, spent)
    others = [one for one in others if one.label not in names]
    beside = [replace(plan, told=True), *([replace(plan, dense=True, causes=1)] if dense else [])]
    if retrained:
        beside.append(replace(plan, layers=FIRST, retrained=True))
    arms = [repairing_name(one) for one in (plan, *beside)]
    tested = [
        Threat(name="clean", level=0.0, images=spent.images),
        *(threat(name, spent.images, spent.attacked_test) for name in names),
        *others,
    ]
    cells = [
        cell for seed in range(spent.seeds) for cell in trained_on(seed, tuple(learned), ["undefended", *arms], tested)
    ]
    report = Repair(
        title=run.title(chosen) + f", {plan.label.partition(', ')[2]}" * (plan != Repairing()),
        arm=arms[0],
        beside=arms[1:],
        learned=names,
        others=[one.label for one in others],
    )
    run.conduct(cells, chosen, report, grids="repairs")


def _sources(text: str, spent: Preset) -> list[Source]:
    spelled = words(STRONGEST if text == _LEARNED else text)
    found = [Source.default(*name_and_level(one)).of(spent.displaced) for one in spelled]
    if not found:
        raise ArgumentError("train is empty: expected at least one perturbation, such as rotate@2")
    return list(dict.fromkeys(found))


def _others(text: str, chosen: Chosen, learned: set[str], spent: Preset) -> list[Threat]:
    if text == "none":
        return []
    own = list(chosen.task.own) or list(perturbations.HELD_OUT)
    names = [name for name in own if name not in learned] if text == _OTHERS else words(text)
    found = [threat(name, spent.images, spent.attacked_test) for name in names]
    return list(dict.fromkeys(one for one in found if one.name != "clean"))


def _check(plan: Repairing, chosen: Chosen, learned: list[Source]) -> None:
    """Refuse now what workers would refuse after hours."""
    for source in learned:
        if source.name in perturbations.MODIFICATIONS:
            perturbations.causes(source.name, 0, 1, plan.causes)
    if plan.layers not in (ALL, FIRST):
        back = chosen.task.network(0, chosen.activation, chosen.layer).back
        named_modules(back, plan.layers.split("+"))


if __name__ == "__main__":
    typer.run(repair)
