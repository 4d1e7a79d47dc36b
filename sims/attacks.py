"""Projected gradient descent through a noisy network, averaged over its own draws (EOT)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class PGD:
    """L-infinity projected gradient ascent of the cross-entropy of the mean logits (Madry et al. 2018).

    x <- clip(x + step sign(g)), g averaged over `draws` fresh draws of the defence's noise: expectation over
    transformation (Athalye et al. 2018; Zimmermann 2019). The layers before the noise run once per step.

    Parameters
    ----------
    eps : float
        Largest change of a pixel, pixels in [0, 1].
    steps : int
        Gradient steps.
    draws : int
        Noise draws per gradient.
    step : float or None
        Step size; None: eps / 4.
    random_start : bool
        Begin at a uniform point of the ball.
    """

    eps: float = 0.1
    steps: int = 20
    draws: int = 8
    step: float | None = None
    random_start: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.eps <= 1:
            raise ArgumentError(f"eps={self.eps!r}: expected a number in [0, 1], pixels run from 0 to 1")
        for name in ("steps", "draws"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name}={getattr(self, name)!r}: expected a whole number >= 1")

    def __call__(
        self,
        logits: Callable[[Tensor], Tensor],
        images: Tensor,
        labels: Tensor,
        *,
        seed: int = 0,
        batch: int = 250,
        tick: Callable[[int], None] | None = None,
    ) -> Tensor:
        """Adversarial images of the same shape. `logits` maps images to logits, with its own fresh draws each call."""
        out = []
        generator = torch.Generator().manual_seed(seed)
        for x0, y in zip(images.split(batch), labels.split(batch), strict=True):
            x = x0.clone()
            if self.random_start:
                x = (x0 + (2 * torch.rand(x0.shape, generator=generator) - 1) * self.eps).clamp(0, 1)
            for _ in range(self.steps):
                x.requires_grad_(True)
                loss = nn.functional.cross_entropy(logits(x), y, reduction="sum")
                (gradient,) = torch.autograd.grad(loss, x)
                moved = x.detach() + (self.eps / 4 if self.step is None else self.step) * gradient.sign()
                x = torch.max(torch.min(moved, x0 + self.eps), x0 - self.eps).clamp(0, 1)
            out.append(x)
            if tick is not None:
                tick(len(x))
        return torch.cat(out)
