"""Repair a trained network: its units learn to undo what happens to their activation; no label, no weight changed."""

from typing import Annotated

import typer

from localnoise.sims.defenses import Repairing
from localnoise.sims.defenses.repair_plan import ALL, bends_of
from localnoise.sims.experiments import repair_points
from localnoise.sims.experiments.command import Run, experiment
from localnoise.sims.experiments.repair_design import LEARNED, OTHERS, design, sources_of
from localnoise.sims.experiments.repair_points import Varied
from localnoise.sims.reports import harm
from localnoise.sims.reports.commands import Ablation, Front, Point, Repair
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.options import one_of


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
    ] = LEARNED,
    threats: Annotated[
        str,
        typer.Option(
            "--test",
            help="NAME@LEVEL,...: what is tested besides, clean and all that is learned apart; others: the "
            "corruptions that are never learned, or those of a task's own, also in a list: others,adaptive@0.02; none.",
        ),
    ] = OTHERS,
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
    bends: Annotated[
        int | None,
        typer.Option(
            help="Radius within which a way back also reads how far activations are from their mean, so that it bends: "
            "1; 0: the unit's own; not given: none. A dense counterpart has none."
        ),
    ] = None,
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
            help="Vary one thing instead, all else as it is: radius=0,1,2,3; bends=none,1; parents=, asks=, causes=, "
            "layers=, share=, bits= or displacements=1000,10000; gate (worth, margins, second look, likeliest, told); "
            "dense."
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

        localnoise repair --causes 16 --bends 1 --beside augmentation-converged,equal-work

        localnoise repair --ablate radius=0,1,2,3

        localnoise repair --task watch --train axis_lost,sensor_noise --test gain_drift

        localnoise repair --task my_task.py --layer layer2 --layers layer3+fc --signal-radius 1
    """
    chosen, spent = run.chosen(), run.plan()
    plan = Repairing(
        layers=layers, radius=radius, parents=parents, asks=asks, causes=causes, typical=typical, worth=worth,
        share=share, bits=bits, bends=bends_of(bends),
    )  # fmt: skip
    learned = sources_of(sources, chosen, spent.displaced)
    if ablate or front:
        varied = repair_points.varied(plan, chosen, spent, learned, ablate=ablate, front=front)
        run.conduct(varied.cells, chosen, _points(run.title(chosen), plan, varied), grids="repairs")
        return
    found = design(
        plan, chosen, spent, learned, threats=threats, severities=severities, mixed=mixtures, dense=dense,
        retrained=retrained, beside=beside,
    )  # fmt: skip
    report = Repair(
        title=run.title(chosen) + plan.differing,
        arm=found.arm,
        beside=found.beside,
        learned=found.learned,
        others=found.others,
        milder=harm.milder(found.others, found.learned),
        named=found.named,
        heads=found.heads,
    )
    run.conduct(found.cells, chosen, report, grids="repairs")


def _points(title: str, plan: Repairing, varied: Varied) -> Ablation | Front:
    points = [Point(value=one.value, arm=one.arm, images=one.displaced, twin=one.twin) for one in varied.variants]
    if not varied.varies:
        return Front(title=title, learned=varied.learned, points=points)
    title += plan.differing
    return Ablation(title=title, varies=varied.varies, default=varied.default, learned=varied.learned, points=points)


if __name__ == "__main__":
    typer.run(repair)
