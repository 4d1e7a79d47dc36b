"""Parts of `localnoise spiking` on workers: two groups a seed, each with a field and tables of its own."""

from collections.abc import Sequence
from dataclasses import replace
from os import cpu_count
from typing import Any

from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.networks import Groups, run_after_training
from localnoise.sims.experiments.rehearsal import attempt
from localnoise.sims.results.experiment import Report
from localnoise.sims.results.records import Record, RecordFile, key
from localnoise.sims.runtime.engine import Finished, Task
from localnoise.sims.spiking.jobs import PartJob, run, train
from localnoise.sims.spiking.study import SpikingStudy

_SAID = ("part", "order", "signal", "causal", "variability")
_ALONE = "defence"  # a group of its own: it takes as long as all the others


def run_parts(
    studies: Sequence[SpikingStudy],
    parts: Sequence[str],
    sources: tuple[Source, ...],
    records: RecordFile,
    report: Report,
    *,
    jobs: int,
    scheduler: str,
) -> int:
    """Run the parts that `records` lacks; returns how many were run. The report is tried on the first of each part."""
    of = {study.seed: study for study in studies}
    configs = [config for study in studies for config, _ in study.tasks(list(parts), sources)]
    done = records.done()
    todo = {key(config): config for config in configs if key(config) not in done}
    if not todo:
        return 0
    fresh = len(todo)
    groups = {
        (seed, alone): [c for c in todo.values() if c["seed"] == seed and (c["part"] == _ALONE) is alone]
        for alone in (False, True)
        for seed in of
    }
    jobs = min(jobs, sum(map(bool, groups.values())))
    found: list[Record] = []

    def job(config: dict[str, Any]) -> PartJob:
        study = of[config["seed"]]
        return PartJob(
            plan=study.plan,
            seed=study.seed,
            parts=tuple(parts),
            sources=sources,
            config=config,
            data_dir=None if study.data_dir is None else str(study.data_dir),
            threads=1 if jobs > 1 or scheduler else cpu_count() or 1,
        )

    def training(seed: int) -> Task:
        config = next(config for config in todo.values() if config["seed"] == seed)
        return Task(work=train, given=job(config), name=seed, priority=1)

    def tasks(seed: int, network: bytes) -> Groups:
        return [
            [Task(work=run, given=replace(job(config), network=network), name=key(config)) for config in group]
            for (own, _), group in groups.items()
            if own == seed and group
        ]

    def took(finished: Finished) -> tuple[str, float]:
        config, (values, seconds) = finished.task.given.config, finished.value
        records.append(config, values, seconds, once=True)
        todo.pop(key(config))
        first = all(record.config["part"] != config["part"] for record in found)
        found.append(Record(config, values, {}, seconds))
        if first:
            attempt(report, found)
        said = ", ".join(str(config[name]) for name in _SAID if name in config)
        return f"seed {config['seed']}, {said}", seconds

    seeds = sorted({config["seed"] for config in todo.values()})
    run_after_training(
        seeds, lambda seed: of[seed].network_path, training, tasks, took, what="all parts", of=len(configs), left=fresh,
        jobs=jobs, scheduler=scheduler, threads=1 if jobs > 1 else cpu_count() or 1,
    )  # fmt: skip
    return fresh
