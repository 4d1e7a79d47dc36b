"""The work of a worker of `localnoise spiking`: train a seed's network, or do one of its parts."""

from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from localnoise.files import write_bytes
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.worker import network_folder, refuse_other_code, refuse_other_images, use_threads
from localnoise.sims.results.code import source_hash
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
    source : str
        Hash of the sender's sources.
    """

    plan: SpikingPreset
    seed: int
    parts: tuple[str, ...]
    sources: tuple[Source, ...]
    config: dict[str, Any]
    data_dir: str | None
    threads: int
    network: bytes = b""
    source: str = field(default_factory=source_hash)


def train(job: PartJob, stage: Stage) -> bytes:
    """Train the network of the job's seed; returns its file."""
    return _study(job, stage).bench.base_path.read_bytes()


def run(job: PartJob, stage: Stage) -> tuple[dict[str, Any], float]:
    """Do the part; returns values for the record, and seconds."""
    study, began = _study(job, stage), perf_counter()
    tasks = {key(config): task for config, task in study.tasks(list(job.parts), job.sources)}
    return tasks[key(job.config)](), perf_counter() - began


def _study(job: PartJob, stage: Stage) -> SpikingStudy:
    refuse_other_code(job.source)
    use_threads(job.threads)
    _stage[:] = [stage]
    place = job.plan, job.seed, job.data_dir
    if place not in _studies:
        _studies.clear()
        data_dir = None if job.data_dir is None else Path(job.data_dir)
        study = SpikingStudy(job.plan, job.seed, network_folder(), data_dir, _tell(job.seed))
        refuse_other_images(study.fingerprint, job.config["fingerprint"], job.data_dir)
        _studies[place] = study
        if job.network:
            write_bytes(_studies[place].network_path, job.network)
    return _studies[place]


def _tell(seed: int) -> Stage:
    return lambda what, done, of: _stage[0](f"seed {seed}, {what}", done, of)
