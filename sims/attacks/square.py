"""Square attack: random search with queries only, on a predictor that may be noisy."""

from bisect import bisect_left
from dataclasses import dataclass

import torch
from torch import Tensor

from localnoise.errors import ArgumentError
from localnoise.sims.attacks.base import (
    Bounds,
    Predict,
    Tick,
    ball,
    batches,
    check_inputs,
    check_options,
    drawing,
    is_noisy,
)
from localnoise.sims.attacks.losses import margin
from localnoise.sims.attacks.pgd import PGD
from localnoise.sims.attacks.registry import ATTACKS

_HALVINGS = (10, 50, 200, 500, 1_000, 2_000, 4_000, 6_000, 8_000)  # of 10,000 queries
_AGAIN, _SURE = 10, 5  # a noisy current point is asked again every 10th query; 5 answers make it sure


@dataclass(frozen=True, kw_only=True)
class Square:
    """Random squares of +-eps, kept where the margin falls (Andriushchenko et al. 2020, algorithms 1 and 2).

    Starts from vertical stripes. A square's area is a share p of the image, halved at 10, 50, 200, 500, 1,000, 2,000,
    4,000, 6,000 and 8,000 of 10,000 queries, scaled to the budget. Each image has squares of its own, and leaves when
    it is broken.

    On a noisy predictor the lowest answer so far is a lucky one, which would block the search. So the current point is
    asked again every 10th query, and whenever it seems broken; its margin is the mean of its answers, and it counts as
    broken when the mean of 5 is below zero. These queries count.

    Parameters
    ----------
    eps : float
        Largest change of a value, in the units of the data.
    queries : int
        Calls of the predictor per image.
    share : float
        Share of the image that the first squares cover.
    draws : int or None
        Noise draws per query; None: those of the deployed predictor.
    """

    eps: float = 0.1
    queries: int = 5_000
    share: float = 0.8
    draws: int | None = None

    def __post_init__(self) -> None:
        check_options(self, "queries", *(() if self.draws is None else ("draws",)))
        if not 0 < self.share <= 1:
            raise ArgumentError(f"share={self.share!r}: expected a share of the image in (0, 1]")

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
        """Adversarial images of the same shape: each image's current point when its queries end, or it is broken.

        Inputs that are not (T, C, H, W) are taken as one row of values each; a square is a stretch of it.

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
                out.append(self._search(predictor, x0, y, bounds, generator))
                if tick is not None:
                    tick(len(x0))
        return torch.cat(out)

    def _search(
        self, predictor: Predict, images: Tensor, y: Tensor, bounds: Bounds, generator: torch.Generator
    ) -> Tensor:
        form = images.shape[1:]

        def asked_of(x: Tensor, labels: Tensor) -> Tensor:
            return margin(predictor(x.reshape(-1, *form)), labels)

        sure = _SURE if is_noisy(predictor, images) else 1
        x0 = images if images.ndim == 4 else images.flatten(1)[:, None, None]
        low, high = ball(x0, self.eps, bounds)
        stripes = self._signs((len(x0), x0.shape[1], 1, x0.shape[3]), generator).to(x0)
        result = torch.clamp(x0 + stripes, low, high)
        rows = torch.arange(len(x0), device=x0.device)  # of the images that are not broken yet
        x, mean, asked = result.clone(), asked_of(result, y), torch.ones(len(x0), device=x0.device)
        for query in range(1, self.queries):
            going = ~((mean < 0) & (asked >= sure))
            if not going.all():
                result[rows] = x
                rows, x, mean, asked, low, high, y = (part[going] for part in (rows, x, mean, asked, low, high, y))
                if not len(rows):
                    break
            tried = torch.clamp(x + 2 * self._squares(x, query, generator), low, high)
            again = (mean < 0) | (query % _AGAIN == 0) if sure > 1 else torch.zeros_like(mean, dtype=torch.bool)
            tried = torch.where(again[:, None, None, None], x, tried)
            answer = asked_of(tried, y)
            mean = torch.where(again, (mean * asked + answer) / (asked + 1), mean)
            asked = asked + again
            better = ~again & (answer < mean)
            x = torch.where(better[:, None, None, None], tried, x)
            mean, asked = torch.where(better, answer, mean), torch.where(better, torch.ones_like(asked), asked)
        result[rows] = x
        return result.reshape(images.shape)

    def _squares(self, x: Tensor, query: int, generator: torch.Generator) -> Tensor:
        """+-eps in one square an image and channel, 0 elsewhere."""
        count, channels, height, width = x.shape
        p = self.share / 2 ** bisect_left(_HALVINGS, query * 10_000 / self.queries)
        side = max(round((p * height * width) ** 0.5), 1)
        tall, wide = min(side, height), min(side, width)
        if height == 1:
            wide = min(max(round(p * width), 1), width)
        top = torch.randint(height - tall + 1, (count, 1), generator=generator)
        left = torch.randint(width - wide + 1, (count, 1), generator=generator)
        down, across = torch.arange(height) - top, torch.arange(width) - left
        inside = ((down >= 0) & (down < tall))[:, :, None] & ((across >= 0) & (across < wide))[:, None, :]
        signs: Tensor = self._signs((count, channels, 1, 1), generator)
        squares: Tensor = signs * inside[:, None]
        return squares.to(x)

    def _signs(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        signs: Tensor = 2 * torch.randint(2, shape, generator=generator) - 1
        return signs * self.eps


@ATTACKS.register("square")
def _square(settings: PGD, eps: float) -> Square:
    return Square(eps=eps)
