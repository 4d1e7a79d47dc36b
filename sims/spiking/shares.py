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

from localnoise.sims.console import show_warnings_plainly
from localnoise.sims.experiments.pool import end_with_parent, one_thread_each, thinned
from localnoise.sims.experiments.source import Source
from localnoise.sims.experiments.stage import Stage
from localnoise.sims.experiments.stopping import asked_to_stop
from localnoise.sims.reports.records import key
from localnoise.sims.spiking.plan import Plan
from localnoise.sims.spiking.study import Study

# whose; "stage" and (what, done, of), or "result" and (config, values, seconds)
Hear = Callable[[str, str, Any], None]
Keep = Callable[[dict[str, Any], dict[str, Any], float], None]
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

    @property
    def name(self) -> str:
        """What progress calls it."""
        return f"seed {self.seed}, {self.parts[0]}"

    def run(self, stage: Stage, keep: Keep) -> None:
        """Run what is not done."""
        study = Study(self.plan, self.seed, self.folder, self.data_dir, stage)
        for config, task in study.tasks(self.parts, self.sources):
            if key(config) not in self.done:
                began = perf_counter()
                keep(config, task(), perf_counter() - began)


def run_shares(shares: list[Share], jobs: int, hear: Hear) -> None:
    """Run all shares, `jobs` at a time with one thread each; one after the other in this process, with all threads."""
    if min(jobs, len(shares)) < 2:
        for share in shares:
            share.run(
                lambda *content, name=share.name: hear(name, "stage", content),
                lambda *content, name=share.name: hear(name, "result", content),
            )
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
    show_warnings_plainly()
    end_with_parent()
    _process.update(messages=messages, stop=stop)


def _work(share: Share) -> None:
    put = _process["messages"].put
    stage = thinned(lambda *content: put((share.name, "stage", content)), _process["stop"])
    share.run(stage, lambda *content: put((share.name, "result", content)))
