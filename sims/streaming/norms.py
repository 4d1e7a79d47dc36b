"""Batch normalisation whose statistics follow the inputs, in the place of those of training.

of the batch    mean = N / (N + n) mean_s + n / (N + n) mean_b, likewise the variance; n inputs a batch, N = `prior`
                weighs the training statistics (Schneider et al. 2020, arXiv 2006.16971); N = 0 in TENT
running         M1_t = (1 - share) M1_(t-1) + share m1(x_t), likewise of the squares; mean = M1_t, var = M2_t - M1_t^2;
                input t is normalised by what is known after it: batch 1. Begins at the training statistics.

A running average looks at each input alone, so that a batch of inputs in order gives what they give one by one.
"""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class AdaptedNorm(nn.Module):
    """A batch normalisation with the scale and offset of the one that it stands for, which are shared.

    Parameters
    ----------
    norm : BatchNorm
        Trained, with running statistics.
    """

    mean: Tensor
    variance: Tensor
    weight: nn.Parameter
    bias: nn.Parameter

    def __init__(self, norm: Any) -> None:
        super().__init__()
        if norm.running_mean is None or norm.weight is None:
            raise ArgumentError(
                "a batch normalisation has no running statistics or no scale: expected both, affine=True and "
                "track_running_stats=True"
            )
        self.weight, self.bias, self.eps = norm.weight, norm.bias, float(norm.eps)
        self.register_buffer("mean", norm.running_mean.clone())
        self.register_buffer("variance", norm.running_var.clone())

    def normalised(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """Return x (T, C, ...) by statistics (C,) or (T, C)."""
        shape = (-1, x.shape[1], *[1] * (x.ndim - 2))
        scale = self.weight / torch.sqrt(variance + self.eps)
        out: Tensor = x * scale.reshape(shape) + (self.bias - mean * scale).reshape(shape)
        return out


class BatchNormed(AdaptedNorm):
    """By the statistics of the batch; gradients flow through them.

    Parameters
    ----------
    norm : BatchNorm
    prior : float
        N.
    """

    def __init__(self, norm: Any, prior: float = 0.0) -> None:
        super().__init__(norm)
        self.prior = prior

    def forward(self, x: Tensor) -> Tensor:
        """Return x, normalised."""
        axes = [axis for axis in range(x.ndim) if axis != 1]
        mean, variance = x.mean(axes), x.var(axes, unbiased=False)
        if self.prior:
            known = self.prior / (self.prior + len(x))
            mean = known * self.mean + (1 - known) * mean
            variance = known * self.variance + (1 - known) * variance
        return self.normalised(x, mean, variance)


class RunningNormed(AdaptedNorm):
    """By a running average over the inputs, which counts as constant in gradients.

    Parameters
    ----------
    norm : BatchNorm
    share : float
        Of each input, in (0, 1].
    """

    moments: Tensor

    def __init__(self, norm: Any, share: float) -> None:
        super().__init__(norm)
        self.share = share
        self.register_buffer("moments", torch.cat([self.mean, self.variance + self.mean**2]).double())

    def forward(self, x: Tensor) -> Tensor:
        """Return x, normalised, and remember it."""
        flat = x.detach().flatten(2) if x.ndim > 2 else x.detach()[:, :, None]
        own = torch.cat([flat.mean(2), flat.square().mean(2)], 1).double().numpy()
        last, out = self.moments.numpy(), np.empty_like(own)
        for t in range(len(own)):
            last = last + self.share * (own[t] - last)
            out[t] = last
        self.moments.copy_(torch.from_numpy(last))
        first, second = torch.from_numpy(out).chunk(2, 1)
        variance = (second - first**2).clamp_min(0)
        return self.normalised(x, first.to(x.dtype), variance.to(x.dtype))


def has_norm(model: nn.Module) -> bool:
    """Return whether a network has batch normalisation."""
    return any(isinstance(part, NORMS) for part in model.modules())


def with_norms(model: nn.Module, make: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """Return a copy of a network in evaluation mode, each batch normalisation replaced by what `make` returns for it.

    Raises
    ------
    ArgumentError
        It has none.
    """
    copied = copy.deepcopy(model).eval().requires_grad_(False)
    names = [name for name, part in copied.named_modules() if isinstance(part, NORMS)]
    if not names:
        raise ArgumentError("the network has no batch normalisation: expected one that has, for methods that adapt it")
    for name in names:
        copied.set_submodule(name, make(copied.get_submodule(name)))
    return copied
