"""Cells on workers, one writer, live progress: finished cells are kept, and skipped when run again."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from localnoise.sims.defenses import DEFENSES
from localnoise.sims.experiments.cell import Cell, strengths
from localnoise.sims.experiments.grouping import grouped
from localnoise.sims.experiments.networks import Groups, run_after_training
from localnoise.sims.experiments.rehearsal import try_on_few
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.testbed import network_path
from localnoise.sims.experiments.worker import Answer, Job, run, train
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.results.records import RecordFile, key
from localnoise.sims.runtime.console import errors
from localnoise.sims.runtime.engine import Finished, Task
from localnoise.sims.runtime.stage import Stage

Keep = Callable[[Cell, tuple[bytes, ...]], None]
_TOLD = 10  # damaged records that are named


def run_cells(
    everything: list[Cell],
    settings: Settings,
    records: RecordFile,
    folder: Path,
    *,
    data_dir: Path | None,
    keep: Keep,
    jobs: int,
    scheduler: str = "",
) -> int:
    """Run the cells that `records` lacks; returns how many were run.

    A seed's network is trained first, and kept in `folder`, and before it its backprop twin, where attacks on that are
    tried on it; then each worker takes cells that share the expensive steps, as `grouped` says. Only this
    process writes. Cells of workers that are killed run again.

    keep : called with each trained cell and the files of the grids that it learned.
    jobs, scheduler : as `connected` takes them; each worker has one thread.
    """
    configs = {cell: cell.config(settings) for cell in everything}
    done = records.done()
    if records.damaged:
        errors.print(
            f"{records.path}: damaged, lost are records {', '.join(records.damaged[:_TOLD])}"
            f"{' and others' * (len(records.damaged) > _TOLD)}; they run again"
        )
    todo = dict.fromkeys(cell for cell in everything if key(configs[cell]) not in done)
    if not todo:
        return 0
    try_on_few(strengths(todo), settings.network)
    fresh = len(todo)
    seeds = sorted({cell.seed for cell in todo})
    where = None if data_dir is None else str(data_dir)

    twins = sorted({cell.seed for cell in todo if cell.transfers(settings)})
    of_twins = replace(settings, training=BACKPROP)

    def path(seed: int, of: Settings = settings) -> Path:
        return network_path(of, folder, seed)

    def training(seed: int, of: Settings = settings) -> Task:
        cell = next(cell for cell in todo if cell.seed == seed)
        return Task(work=_train, given=Job(cell=cell, settings=of, data_dir=where), name=seed, priority=1)

    def tasks(seed: int, network: bytes) -> Groups:
        twin = path(seed, of_twins).read_bytes() if seed in twins else b""
        return [
            _tasks(group, Job(cell=group[0], settings=settings, data_dir=where, network=network, twin=twin))
            for group in grouped(todo, seed)
        ]

    def took(finished: Finished) -> tuple[str, float]:
        cell, answer = finished.task.name, finished.value
        keep(cell, answer.grids)  # before the record, which says that the cell is done
        records.append(configs[cell], answer.values, answer.seconds, once=True)
        todo.pop(cell, None)
        return _describe(cell), answer.seconds

    how: dict[str, Any] = {"jobs": jobs, "scheduler": scheduler}
    missing = [seed for seed in twins if not path(seed, of_twins).exists()]
    if missing:
        own: dict[str, Any] = {"path": partial(path, of=of_twins), "training": partial(training, of=of_twins)}
        own |= {"groups": lambda seed, network: [], "took": took, "what": "backprop twins"}
        run_after_training(missing, of=len(missing), left=len(missing), **own, **how)
    left: dict[str, Any] = {"what": "all cells", "of": len(everything), "left": fresh}
    run_after_training(seeds, path, training, tasks, took, **left, **how)
    return fresh


def _tasks(group: list[Cell], job: Job) -> list[Task]:
    """Tasks of cells that share the expensive steps; the first of each trained network sends the grids back."""
    trained = [cell.trained for cell in group]
    return [
        Task(work=_run, given=replace(job, cell=cell, grids=at == 0 or trained[at - 1] != trained[at]), name=cell)
        for at, cell in enumerate(group)
    ]


def _train(job: Job, stage: Stage) -> bytes:
    return train(job, lambda what, done, of: stage(f"seed {job.cell.seed}, {what}", done, of))


def _run(job: Job, stage: Stage) -> Answer:
    return run(job, lambda what, done, of: stage(f"{_describe(job.cell)}: {what}", done, of))


def _describe(cell: Cell) -> str:
    names = " + ".join(source.name for source in cell.sources)
    tested = ", ".join(threat.label for threat in cell.threats)
    return ", ".join(filter(None, (f"seed {cell.seed}", names, DEFENSES[cell.arm].label, tested)))
