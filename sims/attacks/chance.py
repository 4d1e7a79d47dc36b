"""Random noise as an attack: the floor under every other attack."""

from dataclasses import dataclass

import torch
from torch import Tensor

from localnoise.sims.attacks.base import Bounds, Predict, Tick, ball, batches, check_inputs, check_options, drawing
from localnoise.sims.attacks.best_iterate import Best
from localnoise.sims.attacks.losses import margin
from localnoise.sims.attacks.pgd import PGD
from localnoise.sims.attacks.registry import ATTACKS


@dataclass(frozen=True, kw_only=True)
class RandomNoise:
    """The best of many random points of the ball, corners and uniform points by turns (Carlini et al. 2019).

    Parameters
    ----------
    eps : float
        Largest change of a value, in the units of the data.
    tries : int
        Points per image; that of the lowest margin is returned.
    draws : int or None
        Noise draws per try; None: those of the deployed predictor.
    """

    eps: float = 0.1
    tries: int = 100
    draws: int | None = None

    def __post_init__(self) -> None:
        check_options(self, "tries", *(() if self.draws is None else ("draws",)))

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
        with drawing(predictor, self.draws), torch.no_grad():
            for x0, y in batches(images, labels, batch, getattr(predictor, "draws", 1)):
                best: Best | None = None
                low, high = ball(x0, self.eps, bounds)
                for turn in range(self.tries):
                    shift = 2 * torch.rand(x0.shape, generator=generator).to(x0) - 1
                    x = torch.clamp(x0 + self.eps * (shift if turn % 2 else shift.sign()), low, high)
                    margins = margin(predictor(x), y)
                    best = best or Best(x, margins)
                    best.offer(x, margins)
                out.append(x0 if best is None else best.x)
                if tick is not None:
                    tick(len(x0))
        return torch.cat(out)


@ATTACKS.register("random")
def _random(settings: PGD, eps: float) -> RandomNoise:
    return RandomNoise(eps=eps)
