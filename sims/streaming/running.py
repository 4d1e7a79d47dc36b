"""Methods on streams, on workers: what the records lack is run, each seed's network trained first."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from localnoise.sims.experiments.networks import Groups, run_after_training
from localnoise.sims.experiments.rehearsal import attempt, try_on_few
from localnoise.sims.experiments.testbed import network_path
from localnoise.sims.results.experiment import Report
from localnoise.sims.results.records import Record, RecordFile, key
from localnoise.sims.runtime.engine import Finished, Task
from localnoise.sims.streaming.arms import StreamArm
from localnoise.sims.streaming.jobs import StreamJob, run, train
from localnoise.sims.streaming.study import StreamSettings

Wanted = Sequence[tuple[StreamSettings, StreamArm, int]]  # (settings, arm, seed)


def run_streams(
    wanted: Wanted,
    records: RecordFile,
    folder: Path,
    report: Report,
    *,
    data_dir: Path | None,
    jobs: int,
    scheduler: str = "",
) -> int:
    """Run what `records` lacks; returns how many were run. The report is tried on the first result."""
    configs = {key(own.config(seed, arm)): (own, arm, seed) for own, arm, seed in wanted}
    done = records.done()
    todo = {name: one for name, one in configs.items() if name not in done}
    if not todo:
        return 0
    own = next(own for own, _, _ in todo.values())
    learned = [(source.name, source.level) for source in own.sources]
    try_on_few([*learned, *own.plan.modifications], own.settings.network)
    fresh, found = len(todo), list[Record]()
    where = None if data_dir is None else str(data_dir)
    places = sorted({(seed, own.settings.network) for own, _, seed in todo.values()})
    settings = {own.settings.network: own for own, _, _ in todo.values()}

    def path(place: tuple[int, str]) -> Path:
        seed, network = place
        return network_path(settings[network].settings, folder, seed)

    def training(place: tuple[int, str]) -> Task:
        seed, network = place
        job = StreamJob(own=settings[network], seed=seed, arm="", data_dir=where)
        return Task(work=train, given=job, name=place, priority=1)

    def tasks(place: tuple[int, str], network: bytes) -> Groups:
        own = [
            Task(work=run, given=StreamJob(own=one, seed=seed, arm=arm.name, data_dir=where), name=name)
            for name, (one, arm, seed) in todo.items()
            if (seed, one.settings.network) == place
        ]
        return [[replace(task, given=replace(task.given, network=network)) for task in own]]

    def took(finished: Finished) -> tuple[str, float]:
        own, arm, seed = todo.pop(str(finished.task.name))
        values, seconds = finished.value
        config = own.config(seed, arm)
        records.append(config, values, seconds, once=True)
        if not found:
            found.append(Record(config, values, {}, seconds))
            attempt(report, found)
        return f"seed {seed}, {own.settings.network}, {arm.name}", seconds

    run_after_training(
        places,
        path,
        training,
        tasks,
        took,
        what="all methods",
        of=len(configs),
        left=fresh,
        jobs=jobs,
        scheduler=scheduler,
    )
    return fresh
