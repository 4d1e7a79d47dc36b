"""Choose a defense's hyperparameter on held-out training images; the test images stay unseen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from localnoise.errors import ArgumentError
from localnoise.nn import Predictor
from localnoise.sims.attacks import PGD
from localnoise.sims.defenses.lesson import Lesson
from localnoise.sims.models import training
from localnoise.validate import as_count


@dataclass(frozen=True)
class Candidate:
    """One value and what it gives on the held-out images.

    Parameters
    ----------
    value : float
        Of the hyperparameter.
    clean, robust : float
        Accuracy on clean and on attacked images.
    """

    value: float
    clean: float
    robust: float


def select(
    train: Callable[[Lesson, float], Predictor],
    values: Sequence[float],
    lesson: Lesson,
    *,
    attack: Callable[..., Tensor] = PGD(),  # noqa: B008  frozen
    held: int = 1000,
    loss: float = 0.03,
) -> tuple[float, list[Candidate]]:
    """Train with each value on all but `held` images; return the value most robust on those, and all trials.

    Values whose clean accuracy is more than `loss` below the best are passed over: else a network that says little
    could win. The held-out images are a random draw, fixed by the lesson's seed. Cost: one training and one attack of
    `held` images a value.

    Parameters
    ----------
    train : callable
        (lesson, value) -> predictor, such as ``lambda lesson, value: wca(lesson, strength=value)``.
    values : sequence of float
        At least one; the first of equals wins.
    lesson : Lesson
        Whose images are parted.
    attack : callable
        (predictor, images, labels, bounds=(0, 1), seed=...) -> attacked images.
    held : int
        1 .. T - 1.
    loss : float
        Accuracy that robustness may cost.

    Returns
    -------
    value : float
        The most robust one.
    trials : list of Candidate
        All that were tried, in the order of `values`.

    Raises
    ------
    ArgumentError
        No values; `held` leaves nothing to train on.
    """
    if not len(values):
        raise ArgumentError("values is empty: expected at least one value to try")
    if as_count("held", held, 1) >= len(lesson.labels):
        raise ArgumentError(f"held={held!r}: expected fewer than the {len(lesson.labels)} training images")
    order = np.random.default_rng((lesson.seed, 3)).permutation(len(lesson.labels))
    kept, away = lesson.only(np.sort(order[held:])), torch.from_numpy(np.sort(order[:held]))
    images, labels = lesson.images[away], lesson.labels[away]
    trials = []
    for value in values:
        predictor = train(kept, value)
        attacked = attack(predictor, images, labels, bounds=lesson.bounds, seed=lesson.seed)
        clean, robust = (training.accuracy_per_image(predictor, x, labels) for x in (images, attacked))
        trials.append(Candidate(value, float(clean.double().mean()), float(robust.double().mean())))
    floor = max(trial.clean for trial in trials) - loss
    best = max((trial for trial in trials if trial.clean >= floor), key=lambda trial: trial.robust)
    return best.value, trials
