"""The work of a worker of `localnoise audit --task`: train a seed's network, or measure one part of its audit."""

from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from localnoise import plugins
from localnoise.files import write_bytes
from localnoise.sims import tasks
from localnoise.sims.auditing.study import Plan, measure
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.experiments.worker import network_folder, refuse_other_code, refuse_other_images, use_threads
from localnoise.sims.results.code import source_hash
from localnoise.sims.runtime.stage import Stage, ticker

_benches: dict[Any, Testbed] = {}  # the one in hand: its activations are kept


@dataclass(frozen=True, kw_only=True)
class AuditJob:
    """One part of one seed's audit.

    Attributes
    ----------
    plan : Plan
    seed : int
    config : dict
        That of the part, one of `Plan.configs`.
    threads : int
        Of torch and Numba.
    network : bytes
        The trained network's file.
    plugins, tasks : tuple of str
        What a worker loads first.
    source : str
        Hash of the sender's sources.
    """

    plan: Plan
    seed: int
    config: dict[str, Any]
    threads: int = 1
    network: bytes = b""
    plugins: tuple[str, ...] = field(default_factory=plugins.loaded)
    tasks: tuple[str, ...] = field(default_factory=tasks.loaded)
    source: str = field(default_factory=source_hash)


def train(job: AuditJob, stage: Stage) -> bytes:
    """Train the network of the job's seed; returns its file."""
    bench = _bench(job)
    bench.train_base(ticker(stage, f"seed {job.seed}, train {bench.name}", bench.epochs * bench.data.count))
    return bench.base_path.read_bytes()


def run(job: AuditJob, stage: Stage) -> tuple[dict[str, Any], float]:
    """Measure the part; returns values for the record, and seconds."""
    bench, began = _bench(job), perf_counter()

    def told(what: str, done: int, of: int) -> None:
        stage(f"seed {job.seed}, {what}", done, of)

    return measure(job.plan, job.config, bench, told), perf_counter() - began


def _bench(job: AuditJob) -> Testbed:
    plugins.load(*job.plugins)
    tasks.load(*job.tasks)
    refuse_other_code(job.source)
    use_threads(job.threads)
    tasks.mounted(job.plan.trained.network)  # in this thread, which may be another than a kept bench was made in
    place = (repr(job.plan.settings), job.plan.data_dir, job.seed)
    if place not in _benches:
        _benches.clear()
        _benches[place] = bench_of(job.plan, job.seed, network_folder())
        if job.network:
            write_bytes(_benches[place].base_path, job.network)
    return _benches[place]


def bench_of(plan: Plan, seed: int, folder: Path) -> Testbed:
    """Return a seed's network and images.

    Raises
    ------
    ArgumentError
        The images here are not those of the plan.
    """
    own, spent, task = plan.trained, plan.spent, tasks.mounted(plan.trained.network)
    where = None if plan.data_dir is None else str(plan.data_dir)
    data = task.data(own.data, plan.data_dir)
    refuse_other_images(data.fingerprint, own.fingerprint, where)
    if not task.two_sets:
        data = task.data(own.data, plan.data_dir, seed)
    kept = (folder, own.network, own.activation, own.layer)
    return Testbed(data, seed, own.base_epochs, spent.pgd, spent.attacked_train, *kept, by=own.training)
