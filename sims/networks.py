"""The paper's networks, cut where the noise enters: `front` before it (frozen), `back` after it (retrained)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class Network:
    """A classifier in two parts; activation (C, H, W) between them.

    Attributes
    ----------
    front, back : Module
        Layers up to the noise, layers after it. logits = back(front(x)).
    layout : tuple of int
        (C, H, W) of the activation between them.
    """

    front: nn.Module
    back: nn.Module
    layout: tuple[int, int, int]

    def __call__(self, x: Tensor) -> Tensor:
        """Logits (T, 10) of images (T, 1, 28, 28) in [0, 1]."""
        logits: Tensor = self.back(self.front(x))
        return logits


def v2(seed: int) -> Network:
    """Network `v2` of Preble et al. 2026, cut after the second convolution: 16 x 14 x 14 = 3,136 neurons.

    conv 6@5x5 pad 2, tanh, pool 2; conv 16@3x3 pad 1, tanh | conv 16@5x5, tanh, pool 2; dense 32, 16, 10, tanh between.
    """
    torch.manual_seed(seed)
    front = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 3, padding=1), nn.Tanh()
    )
    return Network(front, v2_back(seed), (16, 14, 14))


def v2_back(seed: int) -> nn.Module:
    """Fresh layers after the noise."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(16, 16, 5),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 32),
        nn.Tanh(),
        nn.Linear(32, 16),
        nn.Tanh(),
        nn.Linear(16, 10),
    )
