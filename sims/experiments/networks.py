"""A seed's network is trained before what needs it is sent, once, and kept in the experiment's folder."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from localnoise.files import write_bytes
from localnoise.sims.experiments.testbed import weights_in
from localnoise.sims.runtime.engine import Engine, Finished, Task

Groups = list[Sequence[Task]]
S = TypeVar("S")  # a seed, or a seed and which network


def run_after_training(
    engine: Engine,
    seeds: Iterable[S],
    path: Callable[[S], Path],
    training: Callable[[S], Task],
    groups: Callable[[S, bytes], Groups],
    took: Callable[[Finished], None],
) -> None:
    """Run the groups of all seeds, each after its network is trained.

    path : where a seed's network is kept; one that is there is used.
    training : the task that trains it, which returns its file.
    groups : called with a seed and its network's file.
    took : called with each task of the groups that has ended without an error.

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

    def ended(finished: Finished) -> Groups:
        if finished.error is not None:
            raise finished.error
        if finished.task.name not in trained:
            took(finished)
            return []
        seed = trained[finished.task.name]
        write_bytes(path(seed), finished.value)
        return groups(seed, finished.value)

    engine.groups(first, ended)
