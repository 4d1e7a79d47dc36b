"""Projected gradient descent through a noisy network, averaged over its own draws (EOT)."""

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from localnoise.errors import ArgumentError, choose
from localnoise.sims.attacks.base import (
    Bounds,
    Predict,
    Tick,
    anywhere,
    ball,
    batches,
    check_inputs,
    check_options,
    drawing,
)
from localnoise.sims.attacks.best_iterate import Best, strongest
from localnoise.sims.attacks.losses import ascend, cross_entropy
from localnoise.sims.attacks.registry import ATTACKS
from localnoise.sims.results.plain import LATER


@dataclass(frozen=True, kw_only=True)
class PGD:
    """L-infinity projected gradient ascent of the cross-entropy of the mean logits (Madry et al. 2018).

    x <- clip(x + step sign(g)), g averaged over `draws` fresh draws of the defense's noise: expectation over
    transformation (Athalye et al. 2018; Zimmermann 2019). The layers before the noise run once per step.
    Cost: restarts x steps gradients, and one more pass a restart to keep the best.

    Parameters
    ----------
    eps : float
        Largest change of a value, in the units of the data.
    steps : int
        Gradient steps.
    draws : int
        Noise draws per gradient.
    step : float or None
        Step size; None: eps / 4.
    random_start : bool
        Begin at a uniform point of the ball.
    restarts : int
        Runs from different random starts; the strongest is returned, image by image.
    keep : str
        "last": a run gives its last iterate; "best": that of the lowest margin.
    """

    eps: float = 0.1
    steps: int = 20
    draws: int = 8
    step: float | None = None
    random_start: bool = True
    restarts: int = field(default=1, metadata=LATER)
    keep: str = field(default="last", metadata=LATER)

    def __post_init__(self) -> None:
        check_options(self, "steps", "draws", "restarts")
        choose("keep", self.keep, ("last", "best"))
        if self.step is not None and not 0 <= self.step < math.inf:
            raise ArgumentError(f"step={self.step!r}: expected a finite number >= 0, or None for eps / 4")

    def __call__(
        self,
        predictor: Predict,
        images: Tensor,
        labels: Tensor,
        *,
        bounds: Bounds,
        seed: int = 0,
        batch: int = 250,
        tick: Tick | None = None,
    ) -> Tensor:
        """Return adversarial images.

        Parameters
        ----------
        predictor, images, labels, bounds, seed, batch, tick
            As `Attack` takes them.

        Returns
        -------
        Tensor, (T, ...)
            In the shape of `images`.
        """
        check_inputs(images, labels, self.eps, bounds)
        out = []
        generator = torch.Generator().manual_seed(seed)
        with drawing(predictor, self.draws):
            for x0, y in batches(images, labels, batch, self.draws):
                runs = [self._run(predictor, x0, y, bounds, generator) for _ in range(self.restarts)]
                out.append(strongest(predictor, runs, y))
                if tick is not None:
                    tick(len(x0))
        return torch.cat(out)

    def _run(self, predictor: Predict, x0: Tensor, y: Tensor, bounds: Bounds, generator: torch.Generator) -> Tensor:
        low, high = ball(x0, self.eps, bounds)
        x, best = x0.clone(), None
        if self.random_start:
            x = anywhere(x0, self.eps, bounds, generator)
        for _ in range(self.steps):
            gradient, _, margins = ascend(predictor, x, y, cross_entropy)
            if self.keep == "best":
                best = best or Best(x, margins)
                best.offer(x, margins)
            moved = x + (self.eps / 4 if self.step is None else self.step) * gradient.sign()
            x = torch.clamp(moved, low, high)
        if best is not None:
            best.offer(x, ascend(predictor, x, y, cross_entropy)[2])
        return x if best is None else best.x


@ATTACKS.register("pgd")
def _pgd(settings: PGD, eps: float) -> PGD:
    return replace(settings, eps=eps)
