"""Shares of `localnoise spiking` side by side, each in a process of its own; what is heard comes to this one."""

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

# whose; "stage" and (what, done, of), or "result" and (config, values, seconds)
Hear = Callable[[str, str, Any], None]
_process: dict[str, Any] = {}  # what a worker process holds


@dataclass(frozen=True, kw_only=True)
class Share:
    """Some parts of one seed. Two shares of a seed may both train its network: the same, and kept by the first.

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

        name = f"seed {self.seed}, {self.parts[0]}"
        study = Study(self.plan, self.seed, self.folder, self.data_dir, lambda *stage: hear(name, "stage", stage))
        for config, task in study.tasks(self.parts, self.sources):
            if key(config) not in self.done:
                began = perf_counter()
                hear(name, "result", (config, task(), perf_counter() - began))


def run_shares(shares: list[Share], jobs: int, hear: Hear) -> None:
    """Run all shares, `jobs` at a time with one thread each; one after the other in this process, with all threads."""
    if min(jobs, len(shares)) < 2:
        for share in shares:
            share.run(hear)
        return
    context = multiprocessing.get_context("spawn")
    manager = SyncManager(ctx=context)
    manager.start(end_with_parent)
    with manager, one_thread_each(), asked_to_stop() as asked:
        messages, stop = manager.Queue(), manager.Event()
        with ProcessPoolExecutor(min(jobs, len(shares)), context, _prepare, (messages, stop)) as pool:
            pending: set[Future[None]] = {pool.submit(_work, share) for share in shares}
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

    def say(name: str, kind: str, content: Any) -> None:
        if kind == "stage":
            what, done, of = content
            percent = 100 * done // of if of else 0
            if last.get("at") == (what, percent):  # at most a hundred messages a step
                return
            if stop.is_set():
                raise InterruptedError("stopped by the main process")
            last["at"] = what, percent
        messages.put((name, kind, content))

    _process["say"] = say


def _work(share: Share) -> None:
    share.run(_process["say"])
