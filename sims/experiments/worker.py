"""The work of an experiment's or a sweep's worker: train a seed's network, or learn, retrain and test one cell."""

import atexit
from collections import OrderedDict
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any

from localnoise import Bank, Repair, UnitGrid, plugins
from localnoise.errors import ArgumentError
from localnoise.files import temporary_folder, write_bytes
from localnoise.hardware import ChipGrid
from localnoise.sims import tasks
from localnoise.sims.data.samples import Data
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.chosen import DEFAULT
from localnoise.sims.experiments.runner import Result, Runner
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.results.code import source_hash
from localnoise.sims.results.records import key
from localnoise.sims.runtime.stage import Stage, ticker

_runners: OrderedDict[Any, Runner] = OrderedDict()
_stage: ContextVar[Stage] = ContextVar("stage")  # of the job that runs in this thread: a runner outlives its jobs


@dataclass(frozen=True, kw_only=True)
class Job:
    """One cell, and what it needs.

    Attributes
    ----------
    cell : Cell
    settings : Settings
    holdout : int
        Training images held out, which stand in the place of test images.
    data_dir : str or None
        Folder of the full data set, on the worker's machine.
    network : bytes
        The trained network's file.
    twin : bytes
        The file of its twin that learned by backpropagation, where attacks on that are handed over.
    threads : int
        Of torch and Numba.
    grids : bool
        Whether the learned grids come back.
    held : int
        Seeds and layers whose activations a worker keeps: 0.7 GB each on the full data set.
    plugins : tuple of str
        Modules that a worker imports first: a defense, rule or perturbation of the job may be theirs.
    tasks : tuple of str
        Files of tasks that a worker loads first, on its machine.
    source : str
        Hash of the sender's sources.
    """

    cell: Cell
    settings: Settings
    holdout: int = 0
    data_dir: str | None = None
    network: bytes = b""
    twin: bytes = b""
    threads: int = 1
    grids: bool = False
    held: int = 1
    plugins: tuple[str, ...] = field(default_factory=plugins.loaded)
    tasks: tuple[str, ...] = field(default_factory=tasks.loaded)
    source: str = field(default_factory=source_hash)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The outcome of a job.

    Attributes
    ----------
    values : dict
        For the record.
    seconds : float
    grids : tuple of bytes
        HDF5 files of the learned grids: one, or as many as a bank has members; empty for one that is no grid.
    """

    values: dict[str, Any]
    seconds: float
    grids: tuple[bytes, ...] = ()


def train(job: Job, stage: Stage) -> bytes:
    """Train the network of the job's seed; returns its file."""
    return runner(job, stage).bench(job.cell.seed).base_path.read_bytes()


def curve(job: Job, stage: Stage) -> tuple[list[float], float]:
    """Return a network's accuracy on the held-out images after each epoch, and the seconds that it took."""
    began, bench = perf_counter(), runner(job, stage).unused_bench(job.cell.seed)
    tick = ticker(stage, "train the network", job.settings.base_epochs * bench.data.count)
    return bench.learning_curve(tick), perf_counter() - began


def run(job: Job, stage: Stage) -> Answer:
    """Learn the noise, retrain, test."""
    return answer(job, runner(job, stage).run(job.cell))


def answer(job: Job, result: Result) -> Answer:
    """Return what goes back to the sender."""
    files = tuple(_file(member, index, job) for index, member in enumerate(members(result.noise)))
    return Answer(values=result.values, seconds=result.seconds, grids=files if job.grids else ())


def members(noise: Any) -> list[Any]:
    """Return the noises that a bank takes turns with, the repairs of several layers, or the one that there is."""
    if isinstance(noise, list):
        return noise
    return noise.members if isinstance(noise, Bank) else [noise]


def runner(job: Job, stage: Stage) -> Runner:
    """Return the runner of the job's seed and settings; the last few are kept.

    Raises
    ------
    ArgumentError
        This machine's code or images are not the sender's.
    """
    plugins.load(*job.plugins)
    tasks.load(*job.tasks)
    refuse_other_code(job.source)
    use_threads(job.threads)
    _stage.set(stage)
    tasks.mounted(job.settings.network)  # its perturbations are called by name
    place = (job.settings, job.holdout, job.data_dir, job.cell.seed)
    if place not in _runners:
        while len(_runners) >= job.held:
            _runners.popitem(last=False)
        own = (job.settings, job.holdout, job.data_dir)
        refuse_other_images(held_out(*own).fingerprint, job.settings.fingerprint, job.data_dir)
        data = held_out(*own, seed=job.cell.seed)
        _runners[place] = Runner(job.settings, data, network_folder(), _tell)
        if job.network:
            write_bytes(_runners[place].unused_bench(job.cell.seed).base_path, job.network)
    if job.twin:
        path = _runners[place].unused_bench(job.cell.seed).twin.base_path
        if not path.exists():
            write_bytes(path, job.twin)
    _runners.move_to_end(place)
    return _runners[place]


def refuse_other_code(source: str) -> None:
    """Raise an ArgumentError if the sender's sources, by their hash, are not this machine's."""
    if source != source_hash():
        raise ArgumentError(
            f"a worker runs other code (sources {source_hash()}) than this command (sources {source}): expected the "
            "same version of localnoise on every machine of the scheduler; install it there, and start its workers"
        )


def refuse_other_images(there: str, here: str, data_dir: str | None) -> None:
    """Raise an ArgumentError if a worker's images, by their fingerprint, are not the sender's."""
    if there != here:
        raise ArgumentError(
            f"data_dir={data_dir!r}: on a worker's machine its images, or a task's data and file, are not those of "
            f"this command ({there[:12]} there, {here[:12]} here): expected the same files there"
        )


def held_out(settings: Settings, holdout: int, data_dir: str | Path | None, seed: int = 0) -> Data:
    """Training data less `holdout` of them, which stand in the place of the test data; all of both for 0."""
    where = None if data_dir is None else str(data_dir)
    own = settings.data == tasks.OWN_DATA
    task: Any = tasks.find(settings.network if own else DEFAULT)  # Fashion-MNIST is the same for all networks
    return _held_out(task, settings.data, holdout, where, seed if own else 0)


@lru_cache(maxsize=2)
def _held_out(task: Any, data: str, holdout: int, data_dir: str | None, seed: int) -> Data:
    whole: Data = task.data(data, data_dir, seed)
    return whole.held_out(holdout) if holdout else whole


def _tell(what: str, done: int, of: int) -> None:
    _stage.get()(what, done, of)


def _file(noise: Any, index: int, job: Job) -> bytes:
    if not job.grids or not isinstance(noise, (UnitGrid, ChipGrid, Repair)):
        return b""
    noise.provenance |= job.cell.provenance() | {"member": index, "record": key(job.cell.config(job.settings))}
    with temporary_folder() as folder:
        noise.save(folder / "grid.h5", state=False)
        return (folder / "grid.h5").read_bytes()


@cache
def network_folder() -> Path:
    """Return this worker's own folder of trained networks, which goes with it."""
    kept = ExitStack()
    atexit.register(kept.close)
    return kept.enter_context(temporary_folder())


def use_threads(threads: int) -> None:
    """Let torch and Numba use so many threads in this one."""
    import numba
    import torch

    torch.set_num_threads(threads)
    numba.set_num_threads(min(threads, int(vars(numba.config)["NUMBA_NUM_THREADS"])))
