"""Repair a trained network: its units learn to undo what happens to their activation; no label, no weight changed."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from localnoise.errors import ArgumentError
from localnoise.sims import perturbations
from localnoise.sims.defenses import Repairing, repairing_name
from localnoise.sims.defenses.repair_plan import ALL
from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.evaluation.source import DRIFT, Source, milder
from localnoise.sims.evaluation.threat import Threat, threat
from localnoise.sims.experiments import repair_design
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.command import Run, experiment
from localnoise.sims.experiments.design import STRONGEST, trained_on
from localnoise.sims.experiments.presets import Preset
from localnoise.sims.experiments.repair_design import Variant
from localnoise.sims.reports import harm
from localnoise.sims.reports.commands import Ablation, Front, Point, Repair
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.options import one_of, words

_LEARNED, _OTHERS = "modifications", "others"


@commands.register("repair", "Evaluate", "Repair a trained network, its weights untouched: learn, test, one table.")
@experiment
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
            "corruptions that are never learned, or those of a task's own, also in a list: others,adaptive@0.02; none.",
        ),
    ] = _OTHERS,
    layers: Annotated[
        str,
        typer.Option(
            help="Layers to repair: all (the task's, and the last of each later stage), first (the task's alone), or "
            "the task's and modules after it, joined by +."
        ),
    ] = ALL,
    radius: Annotated[
        int, typer.Option("--signal-radius", help="Chebyshev radius of the activations that a unit reads.")
    ] = 2,
    parents: Annotated[int, typer.Option(help="Parents of a unit in the laws by which causes are told apart.")] = 4,
    asks: Annotated[
        int,
        typer.Option(help="1: all units vote on what has happened; 2, 3: those on every second or third row, column."),
    ] = 1,
    worth: Annotated[
        bool,
        typer.Option(help="Repair only where that is expected to pay, as milder levels show; else margins decide."),
    ] = True,
    causes: Annotated[
        int, typer.Option(help="Parts that a source is cut into where it has an angle, a direction or a place: 4, 16.")
    ] = 1,
    typical: Annotated[
        bool,
        typer.Option("--typical", help="With --causes: also cut perspective, by typical movements of an image."),
    ] = False,
    dense: Annotated[
        bool, typer.Option(help="Also learn the central counterpart, one affine map of whole layers.")
    ] = True,
    share: Annotated[
        str,
        one_of(("none", "places", "all"), help="places: units share ways back as a convolution does; all: laws, too."),
    ] = "none",
    bits: Annotated[
        int, typer.Option(help="Decide and repair in integers, as a chip does, with such weights; 0: not.")
    ] = 0,
    retrained: Annotated[
        bool, typer.Option("--retrained", help="Also retrain the later layers, with labels, on repaired activations.")
    ] = False,
    severities: Annotated[
        str, typer.Option(help="Also test what was learned at milder severities: 1,2,3,4; a scale at fifths of it.")
    ] = "",
    mixtures: Annotated[
        bool, typer.Option("--mixtures", help="Also test two of the learned in turn, such as blur and dark.")
    ] = False,
    beside: Annotated[
        str,
        typer.Option(
            help="Further defenses, trained on the same sources with labels: augmentation-converged; equal-memory, "
            "equal-work: the same, of a network as wide as network and repair together are large, or take work."
        ),
    ] = "",
    ablate: Annotated[
        str,
        typer.Option(
            help="Vary one thing instead, all else as it is: radius=0,1,2,3; parents=, asks=, causes=, layers=, "
            "share=, bits= or displacements=1000,10000; gate (worth, margins, second look, likeliest, told); dense."
        ),
    ] = "",
    front: Annotated[
        bool, typer.Option("--front", help="Set accuracy against bytes at 8 bits instead, over stated designs.")
    ] = False,
) -> None:
    """Repair a trained network and test it: clean, on what was learned, and on what never was.

    Beside it stand the network as it is, the same repair told what has happened, and a dense one. Finished cells are
    kept, and the same command goes on after an interruption. --ablate and --front test clean and what was learned.

    Examples
    --------
        localnoise repair --train rotate@2,contrast@5 --test fog --preset quick

        localnoise repair --preset full --causes 16 --severities 1,2,3,4 --mixtures --out results/repair16

        localnoise repair --causes 16 --beside augmentation-converged,equal-work

        localnoise repair --ablate radius=0,1,2,3

        localnoise repair --task watch --train axis_lost,sensor_noise --test gain_drift

        localnoise repair --task my_task.py --layer layer2 --layers layer3+fc --signal-radius 1
    """
    chosen, spent = run.chosen(), run.plan()
    shape: dict[str, Any] = {"layers": layers, "radius": radius, "parents": parents, "share": share, "bits": bits}
    plan = Repairing(asks=asks, causes=causes, typical=typical, worth=worth, **shape)
    learned = _sources(chosen.usual(sources, _LEARNED), spent)
    if ablate or front:
        if ablate and front:
            raise ArgumentError("ablate and front were both given: expected one of them")
        what, variants = ("", repair_design.front()) if front else repair_design.ablation(ablate, plan)
        _points(run, chosen, plan, what, variants, learned, _differing(plan) * (not front))
        return
    repair_design.check_plan(plan, chosen, learned)
    named = repair_design.beside(beside, plan, chosen, learned)
    names = [f"{one.name}@{one.level:g}" for one in learned if one.name != DRIFT]
    others = _others(threats, chosen, learned, spent)
    asked = [one.label for one in others if one.label not in names]
    others += [threat(text, spent.images, 1) for text in _milder(severities, learned)]
    others += [threat(text, spent.images, 1) for text in (repair_design.mixtures(learned) if mixtures else [])]
    others = list(dict.fromkeys(one for one in others if one.label not in names))
    arms = list(dict.fromkeys([*_arms(plan, dense, retrained), *named]))
    tested = [
        Threat(name="clean", level=0.0, images=spent.images),
        *(threat(name, spent.images, spent.attacked_test) for name in names),
        *others,
    ]
    cells = [
        cell for seed in range(spent.seeds) for cell in trained_on(seed, tuple(learned), ["undefended", *arms], tested)
    ]
    report = Repair(
        title=run.title(chosen) + _differing(plan),
        arm=arms[0],
        beside=arms[1:],
        learned=names,
        others=[one.label for one in others],
        milder=[one.label for one in others if harm.kind(one.label, names) == harm.MILDER],
        named=asked,
        heads={arm: said for arm, said in named.items() if said},
    )
    run.conduct(cells, chosen, report, grids="repairs")


def _points(
    run: Run,
    chosen: Chosen,
    plan: Repairing,
    what: str,
    variants: list[Variant],
    learned: list[Source],
    differing: str,
) -> None:
    """Test repairs that differ in one thing, or in size, clean and on what was learned."""
    spent, names = run.plan(), [f"{one.name}@{one.level:g}" for one in learned if one.name != DRIFT]
    tested = [threat(name, spent.images, spent.attacked_test) for name in ("clean", *names)]
    cells, points = list[Cell](), list[Point]()
    for variant in variants:
        repair_design.check_plan(variant.plan, chosen, learned)
        twin = replace(variant.plan, bits=0)
        twins = [repairing_name(twin)] if not what and variant.plan.bits else []
        arm = repairing_name(variant.plan)
        own = tuple(one.of(variant.displaced) if variant.displaced else one for one in learned)
        points.append(Point(value=variant.value, arm=arm, images=variant.displaced, twin="".join(twins)))
        for seed in range(spent.seeds):
            cells += trained_on(seed, own, ["undefended", arm, *twins], tested)
    settings: dict[str, Any] = {"title": run.title(chosen) + differing, "learned": names, "points": points}
    usual = [one for one in variants if one.plan == plan and one.displaced in (None, spent.displaced)]
    report = Ablation(varies=what, default=[*usual, variants[0]][0].value, **settings) if what else Front(**settings)
    run.conduct(cells, chosen, report, grids="repairs")


def _arms(plan: Repairing, dense: bool, retrained: bool) -> list[str]:
    """Return the repair, and what is derived from it; what its bits or sharing rule out stays out."""
    found = [plan, replace(plan, told=True)]
    if dense:
        found.append(replace(plan, dense=True, causes=1, share="none", bits=0))
    if retrained:
        found.append(replace(plan, retrained=True, bits=0))
    return [repairing_name(one) for one in found]


def _differing(plan: Repairing) -> str:
    """Return how a plan differs from the default, for titles."""
    return f", {plan.label.partition(', ')[2]}" * (plan != Repairing())


def _milder(severities: str, learned: list[Source]) -> list[str]:
    wanted = repair_design.severities_of(severities)
    found = [text for source in learned for text in milder(source, wanted)]
    if wanted and not found:
        raise ArgumentError(
            f"severities={severities!r}: no milder levels are known of {', '.join(one.name for one in learned)}: "
            "expected them in --test, as in gain_drift@0.5"
        )
    return found


def _sources(text: str, spent: Preset) -> list[Source]:
    spelled = words(STRONGEST if text == _LEARNED else text)
    found = [Source.default(*name_and_level(one)).of(spent.displaced) for one in spelled]
    if not found:
        raise ArgumentError("train is empty: expected at least one perturbation, such as rotate@2")
    return list(dict.fromkeys(found))


def _others(text: str, chosen: Chosen, learned: list[Source], spent: Preset) -> list[Threat]:
    if text == "none":
        return []
    own, known = list(chosen.task.own) or list(perturbations.HELD_OUT), {one.name for one in learned}
    several = ([name for name in own if name not in known] if word == _OTHERS else [word] for word in words(text))
    found = [threat(name, spent.images, spent.attacked_test) for names in several for name in names]
    return list(dict.fromkeys(one for one in found if one.name != "clean"))


if __name__ == "__main__":
    typer.run(repair)
