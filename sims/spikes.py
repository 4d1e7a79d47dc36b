"""The grid in spikes: Brian2 as an independent simulator, and as a model of cortex."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer
from rich.progress import Progress, TaskID

from localnoise.errors import MissingDependencyError, choose
from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.conduct import publish
from localnoise.sims.experiments.rehearsal import attempt
from localnoise.sims.results import experiment
from localnoise.sims.results.experiment import Report
from localnoise.sims.results.records import NAME, Record, RecordFile, key
from localnoise.sims.runtime.console import console, errors, progress
from localnoise.sims.runtime.options import DataDir, Epochs, Jobs, Mix, Out, Seeds, one_of
from localnoise.sims.spiking.reported import Spiking
from localnoise.validate import as_count, as_trace

_SAID = ("part", "order", "signal", "causal", "variability")
PARTS = ("field", "learning", "variability", "defence")


def spiking(
    parts: Annotated[str, typer.Option(help="Comma-separated: field, learning, variability, defence.")] = "all",
    sources: Annotated[
        str, typer.Option("--train", help="NAME@LEVEL,...: fields are learned from them, and tested on them.")
    ] = "motion_blur@5,obstruction@2",
    spend: Annotated[str, one_of(("quick", "standard"), "--preset", help="How much to spend.")] = "quick",
    seeds: Seeds = None,
    epochs: Epochs = None,
    trace: Annotated[
        float | None, typer.Option("--variance", help="Mean variance of the fields; default: the sources' own.")
    ] = None,
    jobs: Jobs = 2,
    target: Annotated[str, typer.Option(help="Brian2's: numpy, cython or cpp_standalone.")] = "cython",
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
    """
    try:
        from localnoise.spiking.target import TARGETS
    except MissingDependencyError as error:
        raise MissingDependencyError(
            "localnoise spiking needs brian2: pip install 'localnoise[sims,robustness,spiking]'"
        ) from error
    from localnoise.sims.spiking.plan import PLANS
    from localnoise.sims.spiking.shares import Share, run_shares
    from localnoise.sims.spiking.study import SpikingStudy

    choose("target", target, TARGETS)
    chosen = [choose("part", part.strip(), PARTS) for part in (PARTS if parts == "all" else parts.split(","))]
    learned = tuple(Source.default(*name_and_level(text)) for text in sources.split(","))
    if trace is not None:
        learned = tuple(replace(source, trace=as_trace(trace)) for source in learned)
    plan = replace(PLANS[choose("preset", spend, PLANS)], target=target)
    plan = plan if epochs is None else replace(plan, epochs=as_count("epochs", epochs, 1))
    count = plan.seeds if seeds is None else as_count("seeds", seeds, 1)
    report = Spiking(title=spend)
    began, records = perf_counter(), RecordFile(out / NAME)
    studies = [SpikingStudy(plan, seed, out / "networks", data_dir) for seed in range(count)]
    if not mix:
        records.refuse_to_mix(studies[0].fingerprint)
    configs, done = [config for study in studies for config, _ in study.tasks(chosen, learned)], records.done()
    todo = [config for config in configs if key(config) not in done]
    known: dict[str, Any] = {
        "plan": plan,
        "sources": learned,
        "done": done,
        "folder": out / "networks",
        "data_dir": data_dir,
    }
    shares = [
        Share(seed=seed, parts=parts, **known)
        for parts in ([part for part in chosen if part != "defence"], [part for part in chosen if part == "defence"])
        for seed in range(count)
        if any(config["seed"] == seed and config["part"] in parts for config in todo)
    ]
    experiment.keep(report, configs, out)
    with progress() as bars:
        run_shares(
            shares, as_count("jobs", jobs, 1), _hearing(bars, records, report, len(configs), len(configs) - len(todo))
        )
    console.print(f"{len(todo)} of {len(configs)} parts run in {perf_counter() - began:.0f} s, all in {records.path}")
    publish(report, records.of(configs), out)


def _hearing(
    bars: Progress, records: RecordFile, report: Report, of: int, done: int
) -> Callable[[str, str, Any], None]:
    """Keep what shares have found, and show how far they are; the report is tried on the first result of each part."""
    whole, shown = bars.add_task("all parts", total=of, completed=done), dict[str, TaskID]()
    found: list[Record] = []

    def hear(name: str, kind: str, content: Any) -> None:
        if kind == "result":
            records.append(*content, once=True)
            bars.advance(whole)
            config, values, seconds = content
            first = all(record.config["part"] != config["part"] for record in found)
            found.append(Record(config, values, {}, seconds))
            if first:
                attempt(report, found)
            if not errors.is_terminal:  # in a log, bars show only their end
                what = ", ".join(str(config[name]) for name in _SAID if name in config)
                errors.print(f"{bars.tasks[0].completed:.0f} of {of}: seed {config['seed']}, {what}, {seconds:.0f} s")
            return
        what, now, total = content
        if name not in shown:
            shown[name] = bars.add_task("")
        bars.update(shown[name], description=f"  {name}: {what}", completed=now, total=total or None)

    return hear


if __name__ == "__main__":
    typer.run(spiking)
