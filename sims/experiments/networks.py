"""Work on workers: a seed's network is trained before what needs it, once, and kept in the experiment's folder."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from localnoise.files import write_bytes
from localnoise.sims.experiments.testbed import weights_in
from localnoise.sims.runtime.bars import Bars
from localnoise.sims.runtime.cluster import connected
from localnoise.sims.runtime.console import progress
from localnoise.sims.runtime.engine import Engine, Finished, Task
from localnoise.sims.runtime.stopping import asked_to_stop

Groups = list[Sequence[Task]]
S = TypeVar("S")  # a seed, or a seed and which network


def run_after_training(
    seeds: Iterable[S],
    path: Callable[[S], Path],
    training: Callable[[S], Task],
    groups: Callable[[S, bytes], Groups],
    took: Callable[[Finished], tuple[str, float]],
    *,
    what: str,
    of: int,
    left: int,
    jobs: int,
    scheduler: str = "",
    threads: int = 1,
) -> None:
    """Run the groups of all seeds, each after its network is trained, with a bar for each worker and for the whole.

    path : where a seed's network is kept; one that is there is used.
    training : the task that trains it, which returns its file.
    groups : called with a seed and its network's file.
    took : called with each task of the groups that has ended without an error; returns what it is called, and seconds.
    what, of, left : name of the whole, how many tasks it has, and how many of them are still to run.
    jobs, scheduler, threads : as `connected` takes them.

    Raises
    ------
    FileFormatError
        A network that was kept is damaged.
    """
    trained: dict[object, S] = {}
    first: Groups = []
    for seed in seeds:
        if path(seed).exists():
            weights_in(path(seed))
            first += groups(seed, path(seed).read_bytes())
        else:
            task = training(seed)
            trained[task.name] = seed
            first.append([task])

    def ended(finished: Finished) -> tuple[Groups, tuple[str, float] | None]:
        if finished.task.name not in trained:
            return [], took(finished)
        seed = trained[finished.task.name]
        write_bytes(path(seed), finished.value)
        return groups(seed, finished.value), None

    run_groups(first, ended, what=what, of=of, left=left, jobs=jobs, scheduler=scheduler, threads=threads)


def run_groups(
    first: Groups,
    took: Callable[[Finished], tuple[Groups, tuple[str, float] | None]],
    *,
    what: str,
    of: int,
    left: int,
    jobs: int,
    scheduler: str = "",
    threads: int = 1,
) -> None:
    """Run groups of tasks, with a bar for each worker and for the whole; an error of a task ends it.

    took : called with each task that has ended; returns the groups that it allows, and what it is called and its
        seconds where it is one of the whole.
    what, of, left, jobs, scheduler, threads : as `run_after_training` takes them.
    """
    done = of - left

    def ended(finished: Finished) -> Groups:
        nonlocal done
        if finished.error is not None:
            raise finished.error
        more, said = took(finished)
        if said is not None:
            done += 1
            bars.finished(done, *said)
        return more

    with asked_to_stop() as asked, connected(scheduler, jobs, threads) as client, progress() as shown:
        bars = Bars(shown, what, of, done)
        Engine(client, asked, bars).groups(first, ended)
