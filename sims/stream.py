"""Meet a stream on which corruptions come and go, one image after the other: repair beside adaptation at test time."""

from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

from localnoise.files import as_folder
from localnoise.sims.defenses import Repairing
from localnoise.sims.defenses.repair_plan import ALL, bends_of
from localnoise.sims.experiments.chosen import DEFAULT, Chosen
from localnoise.sims.experiments.conduct import publish
from localnoise.sims.experiments.presets import preset
from localnoise.sims.experiments.repair_design import LEARNED
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.results import experiment
from localnoise.sims.results.records import NAME, RecordFile
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import console
from localnoise.sims.runtime.options import (
    DataDir,
    Jobs,
    Layer,
    Mix,
    Out,
    PresetName,
    Scheduler,
    Seeds,
    TaskName,
    Training,
    one_of,
)
from localnoise.sims.streaming.arms import ARMS
from localnoise.sims.streaming.planned import EVERY, SAME, AskedStream, methods_of, planned, wanted
from localnoise.sims.streaming.reported import Stream
from localnoise.sims.streaming.running import run_streams
from localnoise.sims.streaming.workshop import MIXED
from localnoise.sims.streaming.workshop import STRONGEST as TOP
from localnoise.validate import as_count


@commands.register(
    "stream",
    "Evaluate",
    "Corruptions that come and go on a stream: repair beside adaptation at test time.",
)
def stream(
    defenses: Annotated[
        str, typer.Option("--defenses", help=f"Methods, separated by commas; all: {', '.join(ARMS)}.")
    ] = EVERY,
    sources: Annotated[
        str,
        typer.Option(
            "--train", help="NAME@LEVEL,...: what repairs learn; modifications: the paper's ten, or the task's."
        ),
    ] = LEARNED,
    tested: Annotated[
        str, typer.Option("--test", help="NAME@LEVEL,...: what happens on the stream; learned: what repairs learn.")
    ] = SAME,
    strengths: Annotated[
        str,
        one_of((MIXED, TOP), help="At which levels repairs learn: all that a stream drifts through, or the named one."),
    ] = MIXED,
    length: Annotated[int | None, typer.Option(help="Images; default: 6,000, 30,000 or 100,000 by preset.")] = None,
    stay: Annotated[
        int | None, typer.Option(help="Mean images of a corruption; default: 300, 1,000 or 2,000 by preset.")
    ] = None,
    displaced: Annotated[
        int | None, typer.Option(help="Training images that repairs learn from; default: the preset's, at most 10,000.")
    ] = None,
    radius: Annotated[
        int, typer.Option("--signal-radius", help="Chebyshev radius of the activations that a repair's unit reads.")
    ] = 2,
    bends: Annotated[
        int | None, typer.Option(help="Radius within which ways back bend, as `localnoise repair` takes it; none.")
    ] = None,
    causes: Annotated[
        int, typer.Option(help="Parts that a source is cut into where it has an angle, a direction or a place: 4, 16.")
    ] = 1,
    layers: Annotated[str, typer.Option(help="Layers to repair, as `localnoise repair` takes them.")] = ALL,
    task: TaskName = DEFAULT,
    layer: Layer = None,
    training: Training = BACKPROP,
    spend: PresetName = "quick",
    seeds: Seeds = None,
    out: Out = Path("results/stream"),
    data_dir: DataDir = None,
    jobs: Jobs = 2,
    scheduler: Scheduler = "",
    mix: Mix = False,
) -> None:
    """Give a stream to several methods: corruptions one after the other, drifting in strength, clean in between.

    Each image is decided as it comes, by a network that repairs itself, adapts its batch normalisation, or does not
    change. Finished methods are kept, and the same command goes on after an interruption.

    Examples
    --------
        localnoise stream

        localnoise stream --defenses none,repair,repair-filtered --train rotate@2,contrast@5 --length 4000

        localnoise stream --preset full --causes 16 --out results/stream

        localnoise stream --task my_task.py --layer layer2 --defenses none,repair,repair-filtered,temporal
    """
    began, spent, chosen = perf_counter(), preset(spend, seeds=seeds), Chosen.of(task, layer=layer, training=training)
    as_folder("out", out)
    arms = methods_of(defenses)
    asked = AskedStream(
        learned=sources, tested=tested, strengths=strengths, length=length, stay=stay, displaced=displaced,
        repairing=Repairing(radius=radius, bends=bends_of(bends), causes=causes, layers=layers),
    )  # fmt: skip
    shared = planned(asked, chosen, spent, spend, spent.settings(data_dir, chosen))
    run = wanted(shared, arms, chosen, spent.seeds)
    report = Stream(title=f"{chosen.title}{spend} preset", methods=[arm.name for arm in arms])
    records = RecordFile(out / NAME)
    if not mix:
        records.refuse_to_mix(shared.settings.fingerprint)
    configs = [own.config(seed, arm) for own, arm, seed in run]
    experiment.keep(report, configs, out)
    how: dict[str, Any] = {"jobs": as_count("jobs", jobs, 1), "scheduler": scheduler}
    fresh = run_streams(run, records, out, report, data_dir=data_dir, **how)
    console.print(f"{fresh} of {len(configs)} methods run in {perf_counter() - began:.0f} s, all in {records.path}")
    publish(report, records.of(configs), out)


if __name__ == "__main__":
    typer.run(stream)
