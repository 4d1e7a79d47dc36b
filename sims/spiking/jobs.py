"""The work of a worker of `localnoise spiking`: train a seed's network, or do one of its parts."""

import atexit
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

from localnoise.files import temporary_folder, write_bytes
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.worker import use_threads
from localnoise.sims.results.records import key
from localnoise.sims.runtime.stage import Stage
from localnoise.sims.spiking.plan import SpikingPreset
from localnoise.sims.spiking.study import SpikingStudy

_studies: dict[Any, SpikingStudy] = {}  # the one of the seed in hand: its field, displacements and tables are kept
_stage: list[Stage] = []


@dataclass(frozen=True, kw_only=True)
class PartJob:
    """One part of one seed.

    Attributes
    ----------
    plan : SpikingPreset
    seed : int
    parts : tuple of str
    sources : tuple of Source
    config : dict
        That of the part: one of those that `SpikingStudy.tasks` lists.
    data_dir : str or None
    threads : int
        Of torch and Numba.
    network : bytes
        The trained network's file.
    """

    plan: SpikingPreset
    seed: int
    parts: tuple[str, ...]
    sources: tuple[Source, ...]
    config: dict[str, Any]
    data_dir: str | None
    threads: int
    network: bytes = b""


def train(job: PartJob, stage: Stage) -> bytes:
    """Train the network of the job's seed; returns its file."""
    return _study(job, stage).bench.base_path.read_bytes()


def run(job: PartJob, stage: Stage) -> tuple[dict[str, Any], float]:
    """Do the part; returns values for the record, and seconds."""
    study, began = _study(job, stage), perf_counter()
    tasks = {key(config): task for config, task in study.tasks(list(job.parts), job.sources)}
    return tasks[key(job.config)](), perf_counter() - began


def _study(job: PartJob, stage: Stage) -> SpikingStudy:
    use_threads(job.threads)
    _stage[:] = [stage]
    place = job.plan, job.seed, job.data_dir
    if place not in _studies:
        _studies.clear()
        data_dir = None if job.data_dir is None else Path(job.data_dir)
        _studies[place] = SpikingStudy(job.plan, job.seed, _folder(), data_dir, _tell(job.seed))
        if job.network:
            write_bytes(_studies[place].network_path, job.network)
    return _studies[place]


def _tell(seed: int) -> Stage:
    return lambda what, done, of: _stage[0](f"seed {seed}, {what}", done, of)


@cache
def _folder() -> Path:
    kept = ExitStack()
    atexit.register(kept.close)
    return kept.enter_context(temporary_folder())
