"""At which epoch backpropagation is as accurate as a local rule, by learning curves on held-out training images."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from localnoise.sims.models.training import BACKPROP
from localnoise.sims.results.records import Record

CURVE = "held.accuracy"  # of a record: accuracy on held-out training images after each epoch


@dataclass(frozen=True)
class Equal:
    """The epoch of one training at which it is nearest to the end of another.

    Attributes
    ----------
    epoch, epochs : int
        Of so many.
    accuracy, wanted : float
        On the held-out training images, there and at the other's end; means over seeds.
    held, seeds : int
        How many images, and how many networks of each.
    """

    epoch: int
    epochs: int
    accuracy: float
    wanted: float
    held: int
    seeds: int


def equals(records: Iterable[Record]) -> dict[str, Equal]:
    """Return by local rule the epoch at which backpropagation is nearest to its end, both means of their seeds."""
    curves: dict[str, dict[int, Any]] = {}
    held = 0
    for record in records:
        if CURVE in record.results:
            by = str(record.config.get("training", BACKPROP))
            curves.setdefault(by, {})[record.config["seed"]] = record.results[CURVE]
            held = int(record.config["held_out"])
    of_backprop, found = curves.pop(BACKPROP, {}), {}
    for by, own in curves.items():
        shared = sorted(own.keys() & of_backprop.keys())
        if not shared:
            continue
        mean = np.mean([of_backprop[seed] for seed in shared], axis=0)
        wanted = float(np.mean([own[seed][-1] for seed in shared]))
        at = int(np.abs(mean - wanted).argmin())
        found[by] = Equal(at + 1, len(mean), float(mean[at]), wanted, held, len(shared))
    return found
