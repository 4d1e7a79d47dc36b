"""Seeds of `localnoise spiking` side by side, each in a process of its own; what is heard of them comes to this one."""

import multiprocessing
import queue
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing.managers import SyncManager
from pathlib import Path
from time import perf_counter
from typing import Any

from localnoise.sims.experiments.pool import end_with_parent, one_thread_each
from localnoise.sims.experiments.source import Source
from localnoise.sims.experiments.stopping import asked_to_stop
from localnoise.sims.reports.records import key
from localnoise.sims.spiking.plan import Plan

# seed; "stage" and (what, done, of), or "result" and (config, values, seconds)
Hear = Callable[[int, str, Any], None]
_process: dict[str, Any] = {}  # what a worker process holds


@dataclass(frozen=True, kw_only=True)
class Seed:
    """What one seed has to run.

    Attributes
    ----------
    plan : Plan
    seed : int
    parts : list of str
    sources : tuple of Source
    done : set of str
        Keys of the configurations that are kept already.
    folder : Path
        Where trained networks are kept.
    data_dir : Path or None
    """

    plan: Plan
    seed: int
    parts: list[str]
    sources: tuple[Source, ...]
    done: set[str]
    folder: Path
    data_dir: Path | None

    def run(self, hear: Hear) -> None:
        """Run what is not done, and tell of it."""
        from localnoise.sims.spiking.study import Study

        study = Study(self.plan, self.seed, self.folder, self.data_dir, lambda *stage: hear(self.seed, "stage", stage))
        for config, task in study.tasks(self.parts, self.sources):
            if key(config) not in self.done:
                began = perf_counter()
                hear(self.seed, "result", (config, task(), perf_counter() - began))


def run_seeds(seeds: list[Seed], jobs: int, hear: Hear) -> None:
    """Run all seeds, `jobs` at a time with one thread each; a single one in this process, with all threads."""
    if min(jobs, len(seeds)) < 2:
        for seed in seeds:
            seed.run(hear)
        return
    context = multiprocessing.get_context("spawn")
    manager = SyncManager(ctx=context)
    manager.start(end_with_parent)
    with manager, one_thread_each(), asked_to_stop() as asked:
        messages, stop = manager.Queue(), manager.Event()
        with ProcessPoolExecutor(min(jobs, len(seeds)), context, _prepare, (messages, stop)) as pool:
            pending: set[Future[None]] = {pool.submit(_work, seed) for seed in seeds}
            try:
                while pending:
                    if asked:
                        raise KeyboardInterrupt
                    finished, pending = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
                    _drain(messages, hear)
                    for future in finished:
                        future.result()
            except BaseException:
                stop.set()
                pool.shutdown(cancel_futures=True)
                _drain(messages, hear)
                raise


def _drain(messages: Any, hear: Hear) -> None:
    while True:
        try:
            hear(*messages.get_nowait())
        except queue.Empty:
            return


def _prepare(messages: Any, stop: Any) -> None:
    import torch

    torch.set_num_threads(1)
    end_with_parent()
    last: dict[str, Any] = {}

    def say(seed: int, kind: str, content: Any) -> None:
        if kind == "stage":
            what, done, of = content
            percent = 100 * done // of if of else 0
            if last.get("at") == (what, percent):  # at most a hundred messages a step
                return
            if stop.is_set():
                raise InterruptedError("stopped by the main process")
            last["at"] = what, percent
        messages.put((seed, kind, content))

    _process["say"] = say


def _work(seed: Seed) -> None:
    seed.run(_process["say"])
