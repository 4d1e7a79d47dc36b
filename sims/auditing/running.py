"""Parts of an audit on workers: what the records lack is measured, each seed's network trained first."""

from dataclasses import replace
from os import cpu_count
from pathlib import Path
from typing import Any

from localnoise.sims.auditing.jobs import AuditJob, run, train
from localnoise.sims.auditing.study import PARTS, Plan
from localnoise.sims.experiments.networks import Groups, run_after_training
from localnoise.sims.experiments.rehearsal import attempt, try_on_few
from localnoise.sims.experiments.testbed import network_path
from localnoise.sims.results.experiment import Report
from localnoise.sims.results.records import RecordFile, key
from localnoise.sims.runtime.engine import Finished, Task


def run_audit(plan: Plan, records: RecordFile, folder: Path, report: Report, *, jobs: int, scheduler: str = "") -> int:
    """Measure what `records` lacks; returns how many parts were. Networks are kept in `folder`.

    The report is tried on the first result of each part.

    jobs, scheduler : as `connected` takes them; with one job its process has all cores.
    """
    done = records.done()
    everything = list(plan.configs())
    todo = {key(config): (seed, config) for seed, config in everything if key(config) not in done}
    if not todo:
        return 0
    try_on_few(plan.strengths(), plan.trained.network)
    fresh, tried = len(todo), set[str]()
    threads = 1 if jobs > 1 or scheduler else cpu_count() or 1

    def job(seed: int, config: dict[str, Any]) -> AuditJob:
        return AuditJob(plan=plan, seed=seed, config=config, threads=threads)

    def training(seed: int) -> Task:
        config = next(config for own, config in todo.values() if own == seed)
        return Task(work=train, given=job(seed, config), name=seed, priority=1)

    def tasks(seed: int, network: bytes) -> Groups:
        own = [(name, config) for name, (other, config) in todo.items() if other == seed]
        return [
            [
                Task(work=run, given=replace(job(seed, config), network=network), name=name)
                for name, config in own
                if config["part"] == part
            ]
            for part in PARTS
            if any(config["part"] == part for _, config in own)
        ]

    def took(finished: Finished) -> tuple[str, float]:
        seed, config = todo.pop(str(finished.task.name))
        values, seconds = finished.value
        records.append(config, values, seconds, once=True)
        if config["part"] not in tried:
            tried.add(config["part"])
            attempt(report, records.of([config]))
        said = config.get("defense") or config.get("displacements") or ""
        return f"seed {seed}, {config['part']}{', ' * bool(said)}{said}", seconds

    seeds = sorted({seed for seed, _ in todo.values()})
    run_after_training(
        seeds, lambda seed: network_path(plan.trained, folder, seed), training, tasks, took, what="all parts",
        of=len(everything), left=fresh, jobs=jobs, scheduler=scheduler, threads=threads,
    )  # fmt: skip
    return fresh
