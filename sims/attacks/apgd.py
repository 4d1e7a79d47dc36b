"""Auto-PGD through a noisy network: a step size that adapts image by image (Croce and Hein 2020), with EOT."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from localnoise.errors import choose
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
from localnoise.sims.attacks.losses import LOSSES, ascend
from localnoise.sims.attacks.pgd import PGD
from localnoise.sims.attacks.registry import ATTACKS

_MOMENTUM, _RISING = 0.75, 0.75  # alpha and rho of the paper


def checkpoints(steps: int) -> list[int]:
    """Steps after which the step size may be halved: w_j = ceil(p_j steps) (Croce and Hein 2020, section 3.2).

    p_0 = 0, p_1 = .22, p_{j+1} = p_j + max(p_j - p_{j-1} - .03, .06), as long as p_j <= 1.
    """
    percent = [0, 22]  # whole numbers: 57.0000001 would round up
    while percent[-1] <= 100:
        percent.append(percent[-1] + max(percent[-1] - percent[-2] - 3, 6))
    return [math.ceil(share * steps / 100) for share in percent[1:-1]]


@dataclass(frozen=True, kw_only=True)
class APGD:
    """Projected ascent with momentum whose step halves where it stalls (Croce and Hein 2020, algorithm 1).

        z = P(x_k + eta sign(g)),  x_{k+1} = P(x_k + .75 (z - x_k) + .25 (x_k - x_{k-1})),  eta_0 = 2 eps

    At each checkpoint an image's eta is halved, and it goes back to its point of the highest loss, if the loss rose in
    fewer than .75 of the steps since the last one, or if eta was kept then and the highest loss has not risen since.
    Loss and gradient are those of the logits averaged over `draws` draws. The iterate of the lowest margin is returned,
    estimated by those same draws. Cost: restarts x (steps + 1) gradients.

    Parameters
    ----------
    eps : float
        Largest change of a value, in the units of the data.
    loss : str
        "ce", cross-entropy; "dlr", difference of logits ratio, of three classes or more; or "margin".
    steps : int
        Gradient steps.
    draws : int
        Noise draws per gradient (the `rand` version of AutoAttack: 20).
    restarts : int
        Runs from different uniform points of the ball; the strongest is returned, image by image.
    """

    eps: float = 0.1
    loss: str = "ce"
    steps: int = 100
    draws: int = 20
    restarts: int = 1

    def __post_init__(self) -> None:
        check_options(self, "steps", "draws", "restarts")
        choose("loss", self.loss, LOSSES)

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
        loss, turns = LOSSES[self.loss], checkpoints(self.steps)
        x = anywhere(x0, self.eps, bounds, generator)
        previous = x
        g, f, margins = ascend(predictor, x, y, loss)
        found = Best(x, margins)
        top_x, top_g, top_f = x, g, f  # where the loss is highest
        eta = x.new_full((len(x),), 2 * self.eps)
        rises, halved, top_before, last = torch.zeros_like(f), torch.zeros_like(f, dtype=torch.bool), f, 0
        for k in range(1, self.steps + 1):
            z = torch.clamp(x + _wide(eta, x) * g.sign(), low, high)
            pull = 1.0 if k == 1 else _MOMENTUM
            moved = torch.clamp(x + pull * (z - x) + (1 - pull) * (x - previous), low, high)
            previous, x = x, moved
            g, f_new, margins = ascend(predictor, x, y, loss)
            found.offer(x, margins)
            rises, f = rises + (f_new > f), f_new
            higher = f > top_f
            top_x, top_g = torch.where(_wide(higher, x), x, top_x), torch.where(_wide(higher, x), g, top_g)
            top_f = torch.where(higher, f, top_f)
            if k in turns:
                stalled = (rises < _RISING * (k - last)) | (~halved & (top_f == top_before))
                eta = torch.where(stalled, eta / 2, eta)
                x, g = torch.where(_wide(stalled, x), top_x, x), torch.where(_wide(stalled, x), top_g, g)
                f = torch.where(stalled, top_f, f)
                rises, halved, top_before, last = torch.zeros_like(f), stalled, top_f, k
        return found.x


def _wide(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 1))


@ATTACKS.register("apgd-ce")
def _apgd_ce(settings: PGD, eps: float) -> APGD:
    """Auto-PGD on the cross-entropy: its step halves where it stalls (Croce and Hein 2020, algorithm 1)."""
    return APGD(eps=eps, draws=settings.draws)


@ATTACKS.register("apgd-dlr")
def _apgd_dlr(settings: PGD, eps: float) -> APGD:
    """Auto-PGD on the difference of logits ratio, which no scale of the logits hides (Croce and Hein 2020)."""
    return APGD(eps=eps, loss="dlr", draws=settings.draws)
