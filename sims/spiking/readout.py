"""A rate read-out of a spiking layer as a torch layer, fast enough to train on: counts drawn from measured ones.

Given its current, a neuron's count depends on nothing else: no neuron reaches another but through the field. So the
counts of a real simulation at a ladder of activations, kept as they came, stand for the simulation itself; between two
rungs one of both is drawn, the nearer the likelier, so that the mean is interpolated. What the networks are *tested* on
are spikes of Brian2, not this table; both accuracies are recorded.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from localnoise import UnitGrid
from localnoise.nn import NoiseLayer
from localnoise.sims.spiking.arms import Variability, layer_of

LOW, HIGH, RUNGS, TRIALS = -3.0, 5.0, 161, 400
_NEAR = 5  # rungs: .25 of activation
_BELOW = 1e-3
_SIDE_BY_SIDE = 50  # trials: each step's overhead is paid once for all of them


@dataclass(frozen=True)
class Table:
    """Counts (rungs, trials) of neurons at activations LOW .. HIGH, and what turns a count into an activation.

    value = (count - offset) / slope, where offset and slope are those of the mean count over activations from -1 to 1.
    """

    counts: Tensor
    offset: float
    slope: float

    @classmethod
    def measure(cls, kind: Variability, seed: int, **options: Any) -> "Table":
        """Simulate neurons of this kind, without a field."""
        ladder = np.linspace(LOW, HIGH, RUNGS)
        trials = TRIALS if kind.own or kind.neurons == "poisson" else 1
        layer = layer_of(kind, (RUNGS, 1, 1), None, copies=min(trials, _SIDE_BY_SIDE), **options)
        counts = layer.counts(ladder.reshape(1, -1, 1, 1), trials=trials, seed=seed)[0].reshape(trials, RUNGS).T
        inside = np.abs(ladder) <= 1
        slope, offset = np.polyfit(ladder[inside], counts[inside].mean(1), 1)
        return cls(torch.from_numpy(counts.astype(np.float32)), float(offset), float(slope))

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Values of one trial at activation and field x, of any shape."""
        trials = self.counts.shape[1]
        place = _rung(x).add_(torch.rand(x.shape, generator=generator)).trunc_().mul_(trials)
        place.add_(torch.rand(x.shape, generator=generator).mul_(trials - _BELOW).trunc_())  # exact: below 2^24
        return self.values(torch.take(self.counts, place.long()))

    @cached_property
    def slopes(self) -> Tensor:
        """d mean value / d activation at each rung (rungs,): of the line through the `_NEAR` rungs on each side.

        Counts are whole: without membrane noise their mean has steps, between which a finer slope would be zero.
        """
        mean = self.values(self.counts.mean(1)).double()
        ladder = torch.linspace(LOW, HIGH, RUNGS, dtype=torch.float64)
        around = [slice(max(r - _NEAR, 0), r + _NEAR + 1) for r in range(RUNGS)]
        return torch.stack([torch.cov(torch.stack([ladder[at], mean[at]]))[0, 1] / ladder[at].var() for at in around])

    def slope_at(self, x: Tensor) -> Tensor:
        """Return the slope of the rung nearest to x, of any shape."""
        return torch.take(self.slopes, _rung(x).round_().long()).to(x)

    def values(self, counts: Tensor) -> Tensor:
        """Counts as activations."""
        return counts.sub(self.offset).div_(self.slope)


def _rung(x: Tensor) -> Tensor:
    """Place on the ladder, below RUNGS - 1 by so little that a uniform draw added to it stays below RUNGS."""
    return x.sub(LOW).mul_((RUNGS - 1) / (HIGH - LOW)).clamp_(0, RUNGS - 1 - _BELOW)


class Readout(nn.Module):
    """h -> value of the spikes of one trial: a fresh draw of field and neurons for each presentation.

    Spikes have no gradient. Backwards, the mean count's slope at the drawn current stands in for it, so that an
    attacker who knows the layer can differentiate through it (BPDA; Athalye, Carlini and Wagner 2018, ICML). Follows
    `localnoise.nn.Noise`: the predictor, its reseeding and its averages work as with any noise.
    """

    def __init__(self, table: Table, grid: UnitGrid | None, seed: int = 0) -> None:
        super().__init__()
        self.table, self.field, self.noise = table, None if grid is None else NoiseLayer(grid, seed=seed), grid
        self.reseed(seed)

    active = True

    def reseed(self, seed: int) -> None:
        """Restart the streams of field and neurons."""
        self.seed = seed
        self.generator = torch.Generator().manual_seed(seed)
        if self.field is not None:
            self.field.reseed(seed)

    def forward(self, h: Tensor) -> Tensor:
        """Values of the same shape as h."""
        x = h if self.field is None else self.field(h)
        drawn = self.table.draw(x.detach(), self.generator)
        return drawn + self.table.slope_at(x.detach()) * (x - x.detach()) if x.requires_grad else drawn
