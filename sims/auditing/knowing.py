"""An attacker who knows the detector: gradient descent on an image that fools the network and keeps the score low."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from localnoise import Surprise
from localnoise.surprise.statistics import LEAST, REGIONS


class Differentiable:
    """A surprise of whole activations in torch: the squared distance of its statistics, with gradients.

    The innovations are one matrix: n^2 numbers, so for small layers alone.
    """

    def __init__(self, surprise: Surprise) -> None:
        c, self.surprise = surprise.config, surprise
        rows = surprise.law.innovations(np.eye(c.neurons, dtype=np.float32).reshape(-1, c.channels, *c.shape))
        self._whiten = torch.from_numpy(rows.reshape(c.neurons, c.neurons))
        self._centre = torch.from_numpy(surprise.centre.reshape(-1))
        image = surprise.image
        self._mean, self._law = torch.from_numpy(image.mean).float(), torch.from_numpy(image.whitening).float()

    def distances(self, h: Tensor) -> Tensor:
        """Return squared distances (T,) of activations (T, C, H, W)."""
        c, s = self.surprise.config, self.surprise
        e = ((h.flatten(1) - self._centre) @ self._whiten).view(-1, c.channels, *c.shape)
        square, reach = e.square(), s.neighbors
        near = torch.nn.functional.avg_pool2d(
            square.mean(1, keepdim=True), 2 * reach + 1, 1, reach, count_include_pad=False
        )
        logs = (near[:, 0] + LEAST).log()
        found = [e.mean((2, 3)), (square.mean((2, 3)) + LEAST).log(), (e.abs().mean((2, 3)) + LEAST).log()]
        if c.shape[0] > 1:
            found.append((e[:, :, :-1] * e[:, :, 1:]).mean((2, 3)))
        if c.shape[1] > 1:
            found.append((e[:, :, :, :-1] * e[:, :, :, 1:]).mean((2, 3)))
        found.append(_regions(logs, s.regions))
        if c.units > 1:
            found.append(logs.flatten(1).std(1, unbiased=False)[:, None])
        return ((torch.cat(found, 1) - self._mean) @ self._law.T).square().sum(1)


def _regions(logs: Tensor, regions: int) -> Tensor:
    assert regions in REGIONS
    parts = [np.arange(min(side, regions) + 1) * side // min(side, regions) for side in logs.shape[1:]]
    rows = torch.stack([logs[:, a:b].mean(1) for a, b in zip(parts[0], parts[0][1:], strict=False)], 1)
    columns = [rows[:, :, a:b].mean(2) for a, b in zip(parts[1], parts[1][1:], strict=False)]
    return torch.stack(columns, 2).flatten(1)


def attacked(
    network: Any,
    detector: Differentiable,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    steps: int,
    weight: float,
    bounds: tuple[float, float],
) -> Tensor:
    """Return images within `eps` (every pixel) that maximise cross-entropy less `weight` times the squared distance.

    Projected gradient descent by signs, steps of eps / 4. With weight 0 the attacker knows no detector. The distance
    counts relative to the number of statistics, which is its mean on clean activations.
    """
    x, size = images.clone(), len(detector.surprise.image.mean)
    for _ in range(steps):
        x.requires_grad_(True)
        h = network.front(x)
        gain = torch.nn.functional.cross_entropy(network.back(h), labels, reduction="sum")
        if weight:
            gain = gain - weight * detector.distances(h).sum() / size
        (gradient,) = torch.autograd.grad(gain, x)
        x = (x.detach() + eps / 4 * gradient.sign()).clamp(images - eps, images + eps).clamp(*bounds)
    return x.detach()
