"""Train a task's network without backpropagation, and with it, and hold their accuracies beside one another."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

from localnoise.errors import ArgumentError, choose
from localnoise.files import as_folder
from localnoise.sims.defenses import check_crossing
from localnoise.sims.defenses.repair_arms import UNDEFENDED
from localnoise.sims.evaluation.names import CLEAN, check_eps
from localnoise.sims.evaluation.threat import threat
from localnoise.sims.experiments.cell import strengths
from localnoise.sims.experiments.chosen import DEFAULT, Chosen
from localnoise.sims.experiments.conduct import keep_grids, publish
from localnoise.sims.experiments.presets import preset
from localnoise.sims.experiments.rehearsal import attempt, invented
from localnoise.sims.experiments.run_cells import run_cells
from localnoise.sims.experiments.training_rows import (
    ALL,
    cells_of,
    learnable,
    length_of,
    memory,
    noise_of,
    planned,
    refuse_stopped,
    rows_of,
    rule_of,
    with_equal,
)
from localnoise.sims.models import ACTIVATIONS
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.reports.commands.trained import Train
from localnoise.sims.reports.trained_rows import row_of
from localnoise.sims.results import experiment
from localnoise.sims.results.records import NAME, RecordFile, key
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import console
from localnoise.sims.runtime.options import (
    Attacked,
    DataDir,
    Jobs,
    Layer,
    Mix,
    Out,
    PresetName,
    Scheduler,
    Seeds,
    Steps,
    TaskName,
    one_of,
    words,
)
from localnoise.validate import as_count

_USUAL = "input_noise"


@commands.register(
    "train",
    "Learn",
    "Train a task's networks by local rules, nothing crossing a layer backward; compare.",
)
def train(
    training: Annotated[
        str,
        typer.Option(
            help="Names, separated by commas, of `localnoise list trainings`; all: those that the network can learn "
            "by. NAME@EPOCHS: for another number of epochs, as backprop@3; NAME@EPOCH/EPOCHS: stopped at an epoch, its "
            "rate falling as if it went on."
        ),
    ] = "backprop,local-heads",
    threats: Annotated[
        str,
        typer.Option(
            "--test", help="Beside clean images: NAME@LEVEL,... as of `compare`: modifications, adaptive, attacks."
        ),
    ] = "",
    noise: Annotated[
        str,
        typer.Option(
            help="Noises that the networks learn too, and train their later layers under: rules of `localnoise list "
            "rules` (three-factor: from rewards), each on a grid of eight parents, or other defenses."
        ),
    ] = "",
    source: Annotated[
        str, typer.Option("--train", help="What a noise learns from; without --test it is tested against that.")
    ] = _USUAL,
    against: Annotated[
        str, typer.Option(help="Training that differences are taken from, each row's from the row of the same noise.")
    ] = BACKPROP,
    equal: Annotated[
        bool,
        typer.Option(
            "--equal",
            help="Add backpropagation stopped at the epoch at which it is as accurate as each local rule, on held-out "
            "training images.",
        ),
    ] = False,
    task: TaskName = DEFAULT,
    layer: Layer = None,
    activation: Annotated[str, one_of(ACTIVATIONS, help="Of v1, v2, v3: the nonlinearity.")] = "tanh",
    spend: PresetName = "quick",
    seeds: Seeds = None,
    epochs: Annotated[int | None, typer.Option(help="Of training; default: the preset's.")] = None,
    attacked: Attacked = None,
    steps: Steps = None,
    out: Out = Path("results/train"),
    data_dir: DataDir = None,
    jobs: Jobs = 2,
    scheduler: Scheduler = "",
    mix: Mix = False,
) -> None:
    """Train networks by local rules and by backpropagation, from the same weights, and compare their accuracy.

    The networks are kept in --out, one a seed and training, and other commands with the same --training, data and
    epochs find them there. Finished ones are kept, and the same command goes on after an interruption.

    Examples
    --------
        localnoise train

        localnoise train --training all --seeds 2

        localnoise train --task conv3 --preset full --training all --out results/local

        localnoise train --training backprop,backprop@1,local-heads --test adaptive@0.02,rotate@2 --against backprop@1

        localnoise train --training backprop,local-heads --equal --test adaptive@0.02

        localnoise train --training local-heads --noise three-factor --train rotate@2

        localnoise train --task my_task.py --training backprop,local-heads
    """
    began, spent = perf_counter(), preset(spend, seeds=seeds, attacked=attacked, steps=steps)
    names = rows_of(training)
    if source != _USUAL and not words(noise):
        raise ArgumentError(
            f"train={source!r} was given without --noise, which learns from it: expected both, or neither"
        )
    if against != BACKPROP:
        choose("against", against, names)
    as_folder("out", out)
    chosen = Chosen.of(task, activation, layer)
    names = learnable(names, training == ALL, chosen)
    settings = spent.settings(data_dir, chosen)
    if epochs is not None:
        settings = replace(settings, base_epochs=as_count("epochs", epochs, 1))
    for name in names:
        if length_of(name) == (settings.base_epochs, None):
            raise ArgumentError(f"training={name!r}: as many epochs as all rows have: expected {rule_of(name)}")
    how: dict[str, Any] = {"jobs": as_count("jobs", jobs, 1), "scheduler": scheduler, "data_dir": data_dir}
    records = RecordFile(out / NAME)
    if not mix:
        records.refuse_to_mix(settings.fingerprint)
    noises = [noise_of(name) for name in words(noise)]
    for name in names:
        check_crossing(rule_of(name), noises)
    tested = words(threats) or ([source] if noises else [])
    wanted = [threat(text, spent.images, spent.attacked_test) for text in (CLEAN, *tested)]
    cells = cells_of(spent, noises, source, wanted)
    chosen.check_inputs(name for name, _ in strengths(cells))
    check_eps(strengths(cells), chosen.task.bounds)
    curves: list[dict[str, Any]] = []
    if equal:
        names, curves = with_equal(names, settings, chosen, spent.seeds, records, **how)
    plans = {name: planned(settings, name) for name in names}
    refuse_stopped(plans, noises)
    report = Train(
        title=f"{chosen.title}{spend} preset",
        trainings=[row_of(name, arm) for name in names for arm in (UNDEFENDED, *noises)],
        threats=[one.label for one in wanted[1:]],
        against=against,
        epochs=settings.base_epochs,
        kept=memory(chosen, plans),
    )
    configs = [cell.config(plan) for plan in plans.values() for cell in cells]
    if not records.done().issuperset(map(key, configs)):
        attempt(report, [record for plan in plans.values() for record in invented(cells, plan)])
    configs += curves
    experiment.keep(report, configs, out)
    fresh = sum(
        run_cells(cells, plan, records, out, keep=partial(keep_grids, out / "grids", plan), **how)
        for plan in plans.values()
    )
    console.print(
        f"{fresh} of {len(configs) - len(curves)} cells in {perf_counter() - began:.0f} s, all in {records.path}"
    )
    publish(report, records.of(configs), out)


if __name__ == "__main__":
    typer.run(train)
