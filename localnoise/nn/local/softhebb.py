"""SoftHebb: channels compete softly for each input and move toward what they win; no labels, no loss."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from localnoise.nn.local.base import LOCAL_RULES
from localnoise.nn.local.stages import Stage
from localnoise.validate import check_positive


@LOCAL_RULES.register("softhebb")
@dataclass(frozen=True, kw_only=True)
class SoftHebb:
    """Each layer's channels compete and move toward what they win; no labels.

    dW_k = r_k sum y_k (x - u_k W_k), u = W x, y = softmax(sharpness u), the y of all but the winner negative.

    x is a window of the layer's input, less the batch's mean of each channel and in units of the batch's standard
    deviation; the sum is over places and inputs of the batch, divided by its largest entry. The rate of a neuron,
    r_k = rate |1 - |W_k||^(1/2), falls to 0 as its weights come to have norm 1. Biases and norms stay as they began.
    Sources: Moraitis et al. 2022 (arXiv 2107.05747); Journe et al. 2023 (arXiv 2209.11883: convolutions, the negative
    y, the rate). Only the last layer of the network reads labels.

    Parameters
    ----------
    rate : float
        > 0.
    sharpness : float
        Inverse temperature of the competition, > 0.
    """

    name: ClassVar[str] = "softhebb"
    labels: ClassVar[bool] = False
    rate: float = 0.02
    sharpness: float = 1.0

    def __post_init__(self) -> None:
        check_positive("rate", self.rate)
        check_positive("sharpness", self.sharpness)

    def head(self, stage: Stage, classes: int) -> nn.Module:
        """Return none: nothing is read out.

        Parameters
        ----------
        stage, classes
            As `LocalRule.head` takes them.

        Returns
        -------
        Module
            Identity.
        """
        return nn.Identity()

    def teach(self, stage: Stage, head: nn.Module, x: Tensor, out: Tensor, labels: Tensor) -> None:
        """Change the layer's matrix; a frozen one stays as it is.

        Parameters
        ----------
        stage, head, x, out, labels
            As `LocalRule.teach` takes them; `out` and `labels` are not read.
        """
        weight: Any = stage.weighted.weight
        if not weight.requires_grad:
            return
        last = isinstance(stage.weighted, nn.Linear)
        with torch.no_grad():
            over = [d for d in range(x.ndim) if d != (x.ndim - 1 if last else 1)]
            x = x - x.mean(over, keepdim=True)
            x = x / (x.std() + 1e-8)
        u = _forward(stage.weighted, x)
        with torch.no_grad():
            channel = u.ndim - 1 if last else 1
            y = (self.sharpness * u).softmax(channel)
            won = torch.zeros_like(y).scatter_(channel, u.argmax(channel, keepdim=True), 1.0)
            y = y * (2 * won - 1)
            decay = (y * u).sum([d for d in range(u.ndim) if d != channel])
        (hebb,) = torch.autograd.grad((u * y).sum(), weight)
        with torch.no_grad():
            step = hebb - decay.reshape(-1, *[1] * (weight.ndim - 1)) * weight
            norm = weight.flatten(1).norm(dim=1)
            rates = self.rate * (norm - 1).abs().sqrt()
            weight += rates.reshape(decay.shape[0], *[1] * (weight.ndim - 1)) * step / (step.abs().max() + 1e-30)


def _forward(module: Any, x: Tensor) -> Tensor:
    """Return what a Linear or a convolution gives without its bias; nobody who listens to it is told."""
    bias, module.bias = module.bias, None
    try:
        u: Tensor = type(module).forward(module, x)
    finally:
        module.bias = bias
    return u
