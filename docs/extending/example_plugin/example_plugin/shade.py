"""An attack: of all images that are lighter or darker by one amount, the one with the highest loss."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from localnoise.sims.attacks import ATTACKS


@dataclass(frozen=True, kw_only=True)
class Shade:
    """clip(x + s), s one of five steps from -eps to eps (black box: five forwards an image)."""

    eps: float = 0.1

    def __call__(
        self,
        predictor: Any,
        images: Tensor,
        labels: Tensor,
        *,
        bounds: Any,
        seed: int = 0,
        batch: int = 250,
        tick: Any = None,
    ) -> Tensor:
        """Return the images (T, ...) of the highest loss; nothing is drawn but the defense's own noise."""
        low, high = bounds or (None, None)
        found = []
        for x, y in zip(images.split(batch), labels.split(batch), strict=True):
            tried = torch.stack([(x + s * self.eps).clamp(low, high) for s in (-1, -0.5, 0, 0.5, 1)])
            losses = torch.stack([cross_entropy(predictor(each), y, reduction="none") for each in tried])
            found.append(tried[losses.argmax(0), torch.arange(len(x))])
            if tick:
                tick(len(x))
        return torch.cat(found)


@ATTACKS.register("shade")
def shade(settings: Any, eps: float) -> Shade:
    """Lighter or darker as a whole: five images an image, the worst."""
    return Shade(eps=eps)
