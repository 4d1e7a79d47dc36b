"""Adversarial training: the network learns from attacks on its present self."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from localnoise.errors import ArgumentError
from localnoise.nn import Predictor
from localnoise.sims.attacks import PGD
from localnoise.sims.defenses.lesson import Lesson, noiseless, teach

ATTACK = PGD(eps=0.1, steps=7, draws=1)  # step eps / 4, random start; the network has no noise: one draw


def adversarial(
    lesson: Lesson, *, ratio: float = 0.5, attack: Callable[..., Tensor] = ATTACK, whole: bool = False
) -> Predictor:
    """Adversarial training, without noise. Cost: steps + 1 passes for an attacked image, one for another.

    Where layers learn by a local rule, the attacks still differentiate the whole network: no weight learns from these
    gradients, but the arm is central.

    min_theta E[max_{|delta|_inf <= eps} L(theta, x + delta, y)] (Madry et al. 2018, arXiv 1706.06083, eq. 2.1), for
    the share `ratio` of each batch, rounded up, that is replaced by attacks on the present weights; the other images
    stay clean. The batches are shuffled, so any image may be attacked in any epoch.

    Parameters
    ----------
    lesson : Lesson
        What it trains on, and for how long.
    ratio : float
        In (0, 1].
    attack : callable
        (logits, images, labels, bounds=(0, 1), seed=...) -> attacked images, such as `PGD`. Its gradients go through
        the frozen layers too.
    whole : bool
        Train all layers from scratch, as the paper does; a frozen front that was trained on clean images stays as easy
        to attack as it is.

    Returns
    -------
    Predictor
        In evaluation mode, its noise off. Adds no parameter.

    Raises
    ------
    ArgumentError
        ratio outside (0, 1]; `whole` without fresh layers.
    """
    if not 0 < ratio <= 1:
        raise ArgumentError(f"ratio={ratio!r}: expected a share of each batch in (0, 1], such as 0.5")
    front, back = lesson.networks(whole)
    rng = np.random.default_rng((lesson.seed, 1))

    def logits(x: Tensor) -> Any:
        return back(front(x))

    def altered(x: Tensor, y: Tensor) -> Tensor:
        count = math.ceil(ratio * len(x))
        x = x.clone()
        x[:count] = attack(logits, x[:count], y[:count], bounds=lesson.bounds, seed=int(rng.integers(2**63)))
        return x

    teach(lesson, front, back, whole, altered=altered)
    return noiseless(front, back)
