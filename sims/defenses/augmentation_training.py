"""Same-modification augmentation of all layers, to convergence: judged on held-out training images, not by a count.

Of the training images the last tenth, at most 2,000, is held out: those on which a repair calibrates its gate. After
each epoch the network answers them, clean and modified as in training, by draws that training never sees. Where their
accuracy has not risen above its best for `patience` epochs, the best weights come back, and the rate falls to a tenth;
where it has not for as long again, training ends with the best weights.
"""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.nn import Predictor
from localnoise.sims.defenses.augmentation_plan import Augmenting
from localnoise.sims.defenses.lesson import Lesson, noiseless, teach
from localnoise.sims.defenses.modified import mixture_of
from localnoise.sims.defenses.sizes import forward_products, weights
from localnoise.sims.models import training

CLEAN = 0.2  # share of the presentations that is left clean, as in other augmentations
HELD, SHARE = 2_000, 10
MOST = 200  # epochs; a record says where they did not suffice
_DRAWS = 3  # of each held-out image
_DROPS = (1.0, 0.1)  # of the rate, one after the other


class Pace:
    """Decides after each epoch how training goes on; keeps the best weights.

    Parameters
    ----------
    model : Module
    inputs, labels : Tensor
        Held out.
    patience : int
        Epochs without a rise until the rate falls, or training ends.
    """

    def __init__(self, model: nn.Module, inputs: Tensor, labels: Tensor, patience: int) -> None:
        self._model, self._inputs, self._labels, self._patience = model, inputs, labels, patience
        self.best, self.epochs, self.ended = -1.0, 0, False
        self._weights: Any = None
        self._since, self._drop = 0, 0

    def __call__(self, done: int) -> float:
        """Return the rate of the next epoch, 0 at the end."""
        self.epochs, found = done, self._accuracy()
        self._since += 1
        if found > self.best:
            self.best, self._since, self._weights = found, 0, deepcopy(self._model.state_dict())
        if self._since >= self._patience:
            self._model.load_state_dict(self._weights)
            self._since, self._drop = 0, self._drop + 1
            self.ended = self._drop == len(_DROPS)
        return 0.0 if self.ended else training.RATE * _DROPS[self._drop]

    def restore(self) -> None:
        """Take the best weights."""
        self._model.load_state_dict(self._weights)

    def _accuracy(self) -> float:
        self._model.eval()
        with torch.no_grad():
            parts = zip(self._inputs.split(500), self._labels.split(500), strict=True)
            return float(torch.cat([training.answered(self._model(x), y) for x, y in parts]).double().mean())


def converged(lesson: Lesson, plan: Augmenting) -> Predictor:
    """Train all layers of a network on modified images until held-out ones are answered no better.

    Cost of an epoch: as `modified`; with a width w about w^2 times the multiplications.

    Raises
    ------
    ArgumentError
        As `modified`; a width where the network has none; too few images to hold some out.
    """
    front, back = _networks(lesson, plan.width)
    until_no_better(lesson, front, back, whole=True, patience=plan.patience)
    return noiseless(front, back)


def until_no_better(lesson: Lesson, front: nn.Module, back: nn.Module, *, whole: bool, patience: int) -> None:
    """Train `back`, and `front` too if `whole`, until held-out images, modified and clean, are answered no better.

    A share of .2 of the presentations is clean. `lesson.facts` says how many epochs that took, the held-out accuracy,
    and the network's size.
    """
    held = min(HELD, len(lesson.labels) // SHARE)
    if not held:
        raise ArgumentError(f"images: {len(lesson.labels)}, expected at least {SHARE}, of which a tenth is held out")
    source = lesson.modified
    if source is None:
        raise ArgumentError("lesson.modified is None: expected a function of the draw that gives modified images")
    learned = lesson.only(np.arange(len(lesson.labels) - held))
    away = [lesson.images[-held:], *(source(MOST + draw)[-held:] for draw in range(1, 1 + _DRAWS))]
    share = round(_DRAWS * CLEAN / (1 - CLEAN) * held)  # clean ones as often as in training
    judged = torch.cat([away[0][:share], *away[1:]])
    labels = torch.cat([lesson.labels[-held:][:share], *[lesson.labels[-held:]] * _DRAWS])
    model = nn.Sequential(front, back)
    pace = Pace(model, judged, labels, patience) if whole else None
    if pace is None:  # what is frozen gives the same after every epoch
        pace = Pace(back, training.activations(front, judged), labels, patience)
    teach(replace(learned, epochs=MOST), front, back, whole, mixture_of(learned, CLEAN), after=pace)
    pace.restore()
    lesson.facts.update(
        {
            "trained.epochs": pace.epochs,
            "trained.ended": float(pace.ended),
            "trained.held": pace.best,
            "trained.numbers": weights(front, back),
            "trained.work": forward_products(model, lesson.images),
        }
    )


def _networks(lesson: Lesson, width: float) -> tuple[nn.Module, nn.Module]:
    if width == 1:
        return lesson.networks(whole=True)
    if lesson.widened is None:
        raise ArgumentError(f"width={width:g}: expected lesson.widened, a function of width and seed")
    return lesson.widened(width, lesson.seed)
