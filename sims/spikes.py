"""The grid in spikes: Brian2 as an independent simulator, and as a model of cortex."""

from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

from localnoise.errors import MissingDependencyError, choose
from localnoise.files import as_folder
from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.conduct import publish
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.results import experiment
from localnoise.sims.results.records import NAME, RecordFile
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import console
from localnoise.sims.runtime.options import DataDir, Epochs, Jobs, Mix, Out, Scheduler, Seeds, Training, one_of
from localnoise.sims.spiking.reported import Spiking
from localnoise.validate import as_count, as_variance

TARGETS = ("numpy", "cython", "cpp_standalone")  # Brian2's, which a help should not import
PARTS = ("field", "learning", "variability", "defence")


@commands.register(
    "spiking",
    "Spikes",
    "The grid in Brian2: checked, learned by spikes, beside cortex, as a defense.",
)
def spiking(
    parts: Annotated[str, one_of((*PARTS, "all"), several=True, help="Names separated by commas.")] = "all",
    sources: Annotated[
        str, typer.Option("--train", help="NAME@LEVEL,...: fields are learned from them, and tested on them.")
    ] = "motion_blur@5,obstruction@2",
    spend: Annotated[str, one_of(("quick", "standard"), "--preset", help="How much to spend.")] = "quick",
    training: Training = BACKPROP,
    seeds: Seeds = None,
    epochs: Epochs = None,
    variance: Annotated[
        float | None, typer.Option("--variance", help="Mean variance of the fields; default: the sources' own.")
    ] = None,
    jobs: Jobs = 2,
    scheduler: Scheduler = "",
    target: Annotated[str, one_of(TARGETS, help="Where Brian2 runs.")] = "cython",
    out: Out = Path("results/spiking"),
    data_dir: DataDir = None,
    mix: Mix = False,
) -> None:
    """Check the field in Brian2, learn by spikes, measure variability as in cortex, and ask whether it defends.

    Each finished part is kept; the same command goes on after an interruption.

    Examples
    --------
        localnoise spiking

        localnoise spiking --parts variability --train rotate@2 --out results/rotation

        localnoise spiking --parts variability,defence --variance 0.1 --out results/quiet

        localnoise spiking --preset standard

        localnoise spiking --training local-heads --out results/spiking-local
    """
    try:
        import localnoise.spiking  # noqa: F401
    except MissingDependencyError as error:
        raise MissingDependencyError(
            "localnoise spiking needs brian2: pip install 'localnoise[sims,robustness,spiking]'"
        ) from error
    from localnoise.sims.spiking.plan import PLANS
    from localnoise.sims.spiking.running import run_parts
    from localnoise.sims.spiking.study import SpikingStudy

    as_folder("out", out)
    choose("target", target, TARGETS)
    chosen = [choose("part", part.strip(), PARTS) for part in (PARTS if parts == "all" else parts.split(","))]
    learned = tuple(Source.default(*name_and_level(text)) for text in sources.split(","))
    if variance is not None:
        learned = tuple(replace(source, variance=as_variance(variance)) for source in learned)
    plan = replace(PLANS[choose("preset", spend, PLANS)], target=target, training=training)
    Chosen.of(plan.network, training=training)  # refused before anything runs
    plan = plan if epochs is None else replace(plan, epochs=as_count("epochs", epochs, 1))
    count = plan.seeds if seeds is None else as_count("seeds", seeds, 1)
    report = Spiking(title=spend if training == BACKPROP else f"trained by {training}, {spend}")
    began, records = perf_counter(), RecordFile(out / NAME)
    studies = [SpikingStudy(plan, seed, out / "networks", data_dir) for seed in range(count)]
    if not mix:
        records.refuse_to_mix(studies[0].fingerprint)
    configs = [config for study in studies for config, _ in study.tasks(chosen, learned)]
    experiment.keep(report, configs, out)
    how: dict[str, Any] = {"jobs": as_count("jobs", jobs, 1), "scheduler": scheduler}
    fresh = run_parts(studies, chosen, learned, records, report, **how)
    console.print(f"{fresh} of {len(configs)} parts run in {perf_counter() - began:.0f} s, all in {records.path}")
    publish(report, records.of(configs), out)


if __name__ == "__main__":
    typer.run(spiking)
