"""The grid in spikes: Brian2 as an independent simulator, and as a model of cortex."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

from localnoise.errors import MissingDependencyError, choose
from localnoise.sims.console import console, progress, show
from localnoise.sims.experiments.matched import named
from localnoise.sims.experiments.source import Source
from localnoise.sims.options import DataDir, Epochs, Mix, Seeds
from localnoise.sims.reports.records import RecordFile, key
from localnoise.validate import as_count

PARTS = ("field", "learning", "variability", "defence")


def spiking(
    parts: Annotated[str, typer.Option(help="Comma-separated: field, learning, variability, defence.")] = "all",
    sources: Annotated[
        str, typer.Option(help="NAME@LEVEL,...: fields are learned from them; they are the threats.")
    ] = "motion_blur@5,obstruction@2",
    spend: Annotated[str, typer.Option("--budget", help="quick or standard.")] = "quick",
    seeds: Seeds = None,
    epochs: Epochs = None,
    target: Annotated[str, typer.Option(help="Brian2's: numpy, cython or cpp_standalone.")] = "cython",
    out: Annotated[Path, typer.Option(help="Folder for the record, tables and figures.")] = Path("results/spiking"),
    data_dir: DataDir = None,
    mix: Mix = False,
) -> None:
    """Check the field in Brian2, learn by spikes, measure variability as in cortex, and ask whether it defends.

    Each finished part is kept; the same command goes on after an interruption.

    Examples
    --------
        localnoise spiking

        localnoise spiking --parts variability --sources rotate@2 --out results/rotation

        localnoise spiking --budget standard
    """
    try:
        from localnoise.spiking.target import TARGETS
    except MissingDependencyError as error:
        raise MissingDependencyError(
            "localnoise spiking needs brian2: pip install 'localnoise[sims,robustness,spiking]'"
        ) from error
    from localnoise.sims.reports import spiking as report
    from localnoise.sims.spiking.plan import PLANS
    from localnoise.sims.spiking.study import Study

    choose("target", target, TARGETS)
    chosen = [choose("part", part.strip(), PARTS) for part in (PARTS if parts == "all" else parts.split(","))]
    learned = tuple(Source.default(*named(text)) for text in sources.split(","))
    plan = replace(PLANS[choose("budget", spend, PLANS)], target=target)
    plan = plan if epochs is None else replace(plan, epochs=as_count("epochs", epochs, 1))
    count = plan.seeds if seeds is None else as_count("seeds", seeds, 1)
    began, records = perf_counter(), RecordFile(out / "record.h5")
    with progress() as bars:
        whole, now = bars.add_task("[bold]all parts", total=None), bars.add_task("", total=None)

        def stage(what: str, done: int, of: int) -> None:
            bars.update(now, description=what, completed=done, total=of or None)

        studies = [Study(plan, seed, out / "networks", data_dir, stage) for seed in range(count)]
        if not mix:
            records.refuse_to_mix(studies[0].fingerprint)
        tasks = [task for study in studies for task in study.tasks(chosen, learned)]
        done = records.done()
        todo = [(config, run) for config, run in tasks if key(config) not in done]
        bars.update(whole, total=len(tasks), completed=len(tasks) - len(todo))
        for config, run in todo:
            _keep(records, config, run)
            bars.advance(whole)
    console.print(f"{len(todo)} of {len(tasks)} parts run in {perf_counter() - began:.0f} s, all in {records.path}")
    found = records.of(config for config, _ in tasks)
    for table in report.tables(found):
        show(table)
    names = report.write(found, out, spend)
    console.print(f"{out}: {', '.join(names)}")


def _keep(records: RecordFile, config: dict[str, Any], run: Callable[[], dict[str, Any]]) -> None:
    began = perf_counter()
    records.append(config, run(), perf_counter() - began)


if __name__ == "__main__":
    typer.run(spiking)
