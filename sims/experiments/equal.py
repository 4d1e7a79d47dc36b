"""Learning curves on held-out training images: what says when one training is as accurate as another."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.sims.defenses.repair_arms import UNDEFENDED
from localnoise.sims.evaluation.equal import CURVE
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.networks import Groups, run_groups
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.worker import Job, curve, held_out
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.results.plain import plain
from localnoise.sims.results.records import RecordFile, key
from localnoise.sims.runtime.engine import Finished, Task
from localnoise.sims.runtime.stage import Stage

HELD, SHARE = 5_000, 10  # training images at most that judge, and one in so many


def curve_config(settings: Settings, seed: int, held: int) -> dict[str, Any]:
    """Return what a learning curve depends on: its key in the records."""
    return {"seed": seed, "arm": UNDEFENDED, "sources": [], "held_out": held, **plain(settings)}


def held_of(settings: Settings, data_dir: Path | None) -> int:
    """Return how many training images are held out."""
    held = min(HELD, held_out(settings, 0, data_dir).count // SHARE)
    if not held:
        raise ArgumentError(f"equal: expected at least {SHARE} training inputs, of which a tenth is held out")
    return held


def run_curves(
    several: Iterable[Settings], seeds: int, held: int, records: RecordFile, *, data_dir: Path | None, jobs: int,
    scheduler: str = "",
) -> list[dict[str, Any]]:  # fmt: skip
    """Run the learning curves that `records` lacks, one network each; return the configurations of all."""
    wanted = {key(config): (one, config) for one in several for s in range(seeds)
              for config in (curve_config(one, s, held),)}  # fmt: skip
    done = records.done()
    todo = {name: own for name, own in wanted.items() if name not in done}
    if todo:
        tasks: Groups = [[Task(work=_curve, given=_job(*own, held, data_dir), name=name)] for name, own in todo.items()]

        def took(finished: Finished) -> tuple[Groups, tuple[str, float]]:
            config = todo[finished.task.name][1]
            accuracies, seconds = finished.value
            records.append(config, {CURVE: np.array(accuracies)}, seconds, once=True)
            return [], (f"seed {config['seed']}, learning curve of {config.get('training', BACKPROP)}", seconds)

        how: dict[str, Any] = {"jobs": jobs, "scheduler": scheduler}
        run_groups(tasks, took, what="learning curves", of=len(wanted), left=len(todo), **how)
    return [config for _, config in wanted.values()]


def _job(settings: Settings, config: dict[str, Any], held: int, data_dir: Path | None) -> Job:
    mark = held_out(settings, held, data_dir).fingerprint
    where = None if data_dir is None else str(data_dir)
    cell = Cell(seed=config["seed"], sources=(), arm=UNDEFENDED)
    return Job(cell=cell, settings=replace(settings, fingerprint=mark), holdout=held, data_dir=where)


def _curve(job: Job, stage: Stage) -> tuple[list[float], float]:
    name = f"seed {job.cell.seed}, {job.settings.training}"
    return curve(job, lambda what, done, of: stage(f"{name}, {what}", done, of))
