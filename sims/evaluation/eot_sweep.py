"""How many draws an attacker needs: more per gradient until robust accuracy no longer falls."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from torch import Tensor

from localnoise.sims.attacks.base import Attack, Bounds, Predict
from localnoise.sims.evaluation.paired import difference
from localnoise.sims.evaluation.worst_case import WorstCase
from localnoise.sims.results.statistics import Estimate
from localnoise.sims.runtime.stage import Stage

LADDER = (1, 5, 20, 100)


@dataclass(frozen=True)
class Rung:
    """One number of draws.

    Attributes
    ----------
    draws : int
        Noise draws per gradient.
    survives : Tensor
        Images (T,) that stay right by most of the votes, bool.
    change : Estimate or None
        Robust accuracy less that of the rung before, on the same images, with its 95 % interval.
    seconds : float
        What it took.
    """

    draws: int
    survives: Tensor
    change: Estimate | None
    seconds: float

    @property
    def robust_accuracy(self) -> float:
        """Share of images that stay right."""
        return self.survives.double().mean().item()


def escalate(
    attack: Callable[[int], Attack],
    predictor: Predict,
    images: Tensor,
    labels: Tensor,
    *,
    ladder: tuple[int, ...] = LADDER,
    bounds: Bounds,
    votes: int = 5,
    seed: int = 0,
    batch: int = 250,
    stage: Stage | None = None,
) -> list[Rung]:
    """Run attack(draws) for each rung, until one leaves as many images right as the one before, or more.

    A fall within the interval of the paired difference goes on, too: few images would hide that more draws help, and
    an attacker with too few makes a defense look better. The last rung that was run is part of the answer: it shows
    the plateau.

    Parameters
    ----------
    attack : callable
        Number of draws to an attack.
    predictor : callable
        The deployed predictor, images to logits.
    images, labels : Tensor
        (T, ...) within `bounds` and (T,).
    ladder : tuple of int
        Draws per gradient, rising.
    bounds : pair of float or None
        Lowest and highest value of the data; None: there is none.
    votes : int
        Evaluations of each example, an odd number.
    seed : int
        Of all attacks and votes.
    batch : int
        Images at a time, at most.
    stage : callable or None
        Called with what is being done, how many images are done, and of how many.

    Returns
    -------
    list of Rung
        Those that were run.
    """
    rungs: list[Rung] = []
    for draws in ladder:
        began = perf_counter()
        name = f"{draws} draws"
        verdict = WorstCase(attacks={name: attack(draws)}, votes=votes)(
            predictor, images, labels, bounds=bounds, seed=seed, batch=batch, stage=stage
        )
        survives = verdict.survives(name)
        change = difference(rungs[-1].survives, survives) if rungs else None
        rungs.append(Rung(draws, survives, change, perf_counter() - began))
        if change is not None and change.mean >= 0:
            break
    return rungs


def plateau(rungs: list[Rung]) -> int:
    """Draws of the rung with the lowest robust accuracy; of equal ones the cheapest."""
    return min(rungs, key=lambda rung: (rung.robust_accuracy, rung.draws)).draws
