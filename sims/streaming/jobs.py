"""The work of a worker of `localnoise stream`: train a seed's network, or give its stream to one method."""

from collections import OrderedDict
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from localnoise import plugins
from localnoise.files import write_bytes
from localnoise.sims import tasks
from localnoise.sims.experiments.worker import (
    held_out,
    network_folder,
    refuse_other_code,
    refuse_other_images,
    use_threads,
)
from localnoise.sims.results.code import source_hash
from localnoise.sims.runtime.stage import Stage
from localnoise.sims.streaming.arms import ARMS
from localnoise.sims.streaming.study import StreamSettings, StreamStudy

_studies: "OrderedDict[Any, StreamStudy]" = OrderedDict()  # the one in hand: its repairs and choices are kept
_stage: list[Stage] = []


@dataclass(frozen=True, kw_only=True)
class StreamJob:
    """One method on one seed's stream.

    Attributes
    ----------
    own : StreamSettings
    seed : int
    arm : str
    data_dir : str or None
    network : bytes
        The trained network's file.
    plugins, tasks : tuple of str
        What a worker loads first.
    source : str
        Hash of the sender's sources.
    """

    own: StreamSettings
    seed: int
    arm: str
    data_dir: str | None
    network: bytes = b""
    plugins: tuple[str, ...] = field(default_factory=plugins.loaded)
    tasks: tuple[str, ...] = field(default_factory=tasks.loaded)
    source: str = field(default_factory=source_hash)


def train(job: StreamJob, stage: Stage) -> bytes:
    """Train the network of the job's seed; returns its file."""
    return study(job, stage).train().read_bytes()


def run(job: StreamJob, stage: Stage) -> tuple[dict[str, Any], float]:
    """Give the stream to the method; returns values for the record, and seconds."""
    own, began = study(job, stage), perf_counter()
    return own.run(ARMS[job.arm]), perf_counter() - began


def study(job: StreamJob, stage: Stage) -> StreamStudy:
    """Return the study of the job's seed and network; the last one is kept."""
    plugins.load(*job.plugins)
    tasks.load(*job.tasks)
    refuse_other_code(job.source)
    use_threads(1)
    _stage[:] = [stage]
    settings = job.own.settings
    tasks.mounted(settings.network)
    place = (job.own, job.data_dir, job.seed)
    if place not in _studies:
        _studies.clear()
        plain = (settings, 0, job.data_dir)
        refuse_other_images(held_out(*plain).fingerprint, settings.fingerprint, job.data_dir)
        made = StreamStudy(job.own, job.seed, held_out(*plain, seed=job.seed), network_folder(), _tell)
        if job.network:
            write_bytes(made.bench.base_path, job.network)
        _studies[place] = made
    return _studies[place]


def _tell(what: str, done: int, of: int) -> None:
    _stage[0](what, done, of)
