"""The losses that attacks raise, image by image, and their gradient through a noisy predictor."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.sims.attacks.base import Predict

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log softmax(z)_y, (T,)."""
    return nn.functional.cross_entropy(logits, labels, reduction="none")


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """z_y - max_{i != y} z_i, (T,): below zero where the prediction is wrong."""
    right = logits.gather(1, labels[:, None])[:, 0]
    return right - logits.scatter(1, labels[:, None], -torch.inf).max(1).values


def dlr(logits: Tensor, labels: Tensor) -> Tensor:
    """Difference of logits ratio, -(z_y - max_{i != y} z_i) / (z_(1) - z_(3)), (T,): Croce and Hein 2020, eq. 6.

    Scaling the logits does not change it: a saturated softmax hides nothing.
    """
    if logits.shape[1] < 3:
        raise ArgumentError(f"the DLR loss of {logits.shape[1]} classes: expected at least 3; use loss='margin'")
    top = logits.topk(3, dim=1).values
    return -margin(logits, labels) / (top[:, 0] - top[:, 2] + 1e-12)


def loss_of_margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Return max_{i != y} z_i - z_y, (T,): Carlini and Wagner 2017, of any number of classes."""
    return -margin(logits, labels)


LOSSES: dict[str, Loss] = {"ce": cross_entropy, "dlr": dlr, "margin": loss_of_margin}


def ascend(predictor: Predict, x: Tensor, labels: Tensor, loss: Loss) -> tuple[Tensor, Tensor, Tensor]:
    """Gradient (T, C, H, W), loss (T,) and margin (T,) at x, all of the same averaged logits: one pass.

    The loss is that of the mean logits, which the deployed predictor uses. A predictor that cuts the graph, or gives
    NaN, has gradient zero there: an attack goes on, and the checks report it.
    """
    x = x.detach().requires_grad_(True)
    logits = predictor(x)
    value = loss(logits, labels)
    gradient = None
    if value.requires_grad:
        (gradient,) = torch.autograd.grad(value.sum(), x, allow_unused=True)
    gradient = torch.zeros_like(x) if gradient is None else gradient.nan_to_num(0, 0, 0)
    return gradient, value.detach(), margin(logits.detach(), labels)
