"""Shares of `localnoise spiking` side by side, each in a process of its own; what is heard comes to this one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from localnoise.sims.evaluation.source import Source
from localnoise.sims.results.records import key
from localnoise.sims.runtime.console import show_warnings_plainly
from localnoise.sims.runtime.processes import Task, end_with_parent, run_tasks, thinned
from localnoise.sims.runtime.stage import Stage
from localnoise.sims.runtime.stopping import asked_to_stop
from localnoise.sims.spiking.plan import SpikingPreset
from localnoise.sims.spiking.study import SpikingStudy

# whose; "stage" and (what, done, of), or "result" and (config, values, seconds)
Hear = Callable[[str, str, Any], None]
Keep = Callable[[dict[str, Any], dict[str, Any], float], None]
_process: dict[str, Any] = {}  # what a worker process holds


@dataclass(frozen=True, kw_only=True)
class Share:
    """Some parts of one seed. Two shares of a seed may both train its network: the same, and kept by the first.

    Attributes
    ----------
    plan : SpikingPreset
    seed : int
    parts : list of str
    sources : tuple of Source
    done : set of str
        Keys of the configurations that are kept already.
    folder : Path
        Where trained networks are kept.
    data_dir : Path or None
    """

    plan: SpikingPreset
    seed: int
    parts: list[str]
    sources: tuple[Source, ...]
    done: set[str]
    folder: Path
    data_dir: Path | None

    @property
    def name(self) -> str:
        """The name that progress shows for it."""
        return f"seed {self.seed}, {self.parts[0]}"

    def run(self, stage: Stage, keep: Keep) -> None:
        """Run what is not done."""
        study = SpikingStudy(self.plan, self.seed, self.folder, self.data_dir, stage)
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
    left, done = list(shares), set[str]()

    def first() -> list[Task]:
        return [(_work, replace(share, done=share.done | done)) for share in left]

    def ended(task: Task) -> list[Task]:
        left[:] = [share for share in left if share.name != task[1].name]
        return []

    def heard(message: Any) -> bool:
        hear(*message)
        _, kind, content = message
        if kind == "result":
            done.add(key(content[0]))
        return bool(kind == "result")

    with asked_to_stop() as asked:
        jobs = min(jobs, len(shares))
        run_tasks(first, ended, heard, jobs=jobs, prepare=_prepare, given=(), asked=asked)


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
