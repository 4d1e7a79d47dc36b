"""Keep an image's strongest adversarial example: the one of the lowest margin."""

from collections.abc import Sequence

import torch
from torch import Tensor

from localnoise.sims.attacks.base import Predict
from localnoise.sims.attacks.losses import margin


class Best:
    """The example of the lowest margin so far, image by image.

    Attributes
    ----------
    x : Tensor
        Examples (T, C, H, W).
    margin : Tensor
        Their margins (T,), as estimated when they were offered.
    """

    def __init__(self, x: Tensor, margins: Tensor) -> None:
        self.x, self.margin = x.detach().clone(), _lowest_if_nan(margins).clone()

    def offer(self, x: Tensor, margins: Tensor) -> None:
        """Take the examples whose margin is lower; a network that answers NaN is broken."""
        margins = _lowest_if_nan(margins)
        better = margins < self.margin
        self.x[better], self.margin[better] = x.detach()[better], margins[better]


def strongest(predictor: Predict, runs: Sequence[Tensor], labels: Tensor) -> Tensor:
    """Return the strongest of several runs' examples, image by image, judged by fresh draws.

    The draws that chose a run's own best made it look better than it is: they have no say between runs.
    """
    if len(runs) == 1:
        return runs[0]
    with torch.no_grad():
        margins = torch.stack([_lowest_if_nan(margin(predictor(x), labels)) for x in runs])
    return torch.stack(list(runs))[margins.argmin(0), torch.arange(len(labels), device=margins.device)]


def _lowest_if_nan(margins: Tensor) -> Tensor:
    return torch.where(margins.isnan(), -torch.inf, margins)
