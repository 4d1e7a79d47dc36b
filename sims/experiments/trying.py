"""Perturbations tried on a few inputs before the long part: a library that is missing is missed at once."""

from collections.abc import Iterable

from localnoise.sims import tasks
from localnoise.sims.experiments.chosen import few_of
from localnoise.sims.perturbations import MODIFICATIONS
from localnoise.sims.perturbations.applied import apply


def try_on_few(strengths: Iterable[tuple[str, float]], network: str) -> None:
    """Apply each modification to a few inputs of a task; what is no modification is passed over.

    Raises
    ------
    MissingDependencyError
        The library that makes one of them is not installed.
    ArgumentError
        A task's own modification does not give what it should.
    """
    few = few_of(tasks.find(network))
    for name, level in dict.fromkeys(strengths):
        if name in MODIFICATIONS:
            apply(name, few, level, seed=0)
