"""A term for the loss of later layers: decisions shall not lie along the directions in which the noise is large."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.instancenorm import _InstanceNorm

from localnoise.errors import ArgumentError
from localnoise.validate import as_count


class CovariancePenalty:
    """Estimate tr(J Sigma J') of later layers under a noise, so that training makes its covariance beneficial.

    J is the Jacobian, at an activation h, of the later layers' logits less their mean over classes; Sigma is the
    covariance of the noise at h. To second order in the noise,

        E L(h + eta) = L(h + mu) + 1/2 tr(H Sigma),   H = J' (diag p - p p') J + sum_k (p_k - y_k) H_k,

    and since diag p - p p' <= 1/2 I, the first part of what noise costs is at most 1/4 of this trace. Noise in the loss
    lowers it too, but only as much as the loss asks for; here it is part of the objective. The gradient crosses the
    later layers backward: it is central.

    Each estimate takes two draws eta, eta' an input and one forward-mode derivative: mean of |J (eta - eta')|^2 / 2,
    which is unbiased for every noise, also for one with a mean or a bank. Cost: two draws and about two passes. Norms
    in training mode take the batch's statistics, of which J is then a part; their running ones stay as they are.

    Parameters
    ----------
    noise : Module
        A `NoiseLayer` that is on, or any module that adds fresh noise to its input.
    draws : int
        Estimates that are averaged.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from localnoise.nn import CovariancePenalty
    >>> later, h = nn.Linear(6, 3), torch.randn(8, 6)
    >>> term = CovariancePenalty(nn.Dropout(0.5))(later, h)
    >>> (nn.functional.cross_entropy(later(h), torch.zeros(8, dtype=torch.int64)) + 0.1 * term).backward()
    """

    def __init__(self, noise: nn.Module, draws: int = 1) -> None:
        if not callable(noise):
            raise ArgumentError(f"noise={noise!r}: expected a module that adds noise, as NoiseLayer(grid)")
        self.noise, self.draws = noise, as_count("draws", draws, 1)

    def __call__(self, later: Callable[[Tensor], Tensor], h: Tensor) -> Tensor:
        """Return the mean over inputs, with gradients in the weights of the later layers.

        Parameters
        ----------
        later : callable
            The layers after the noise, without it: activations to logits (T, classes). A module, if it has norms that
            keep statistics.
        h : Tensor, (T, ...)
            Activations before the noise.

        Returns
        -------
        Tensor
            A scalar, in squared logits.

        Raises
        ------
        ArgumentError
            Whole numbers as h; the noise is off, so that there is nothing to penalize; or the later layers give no
            logits (T, K).
        """
        if not h.is_floating_point():
            raise ArgumentError(f"h is {h.dtype}: expected activations, of a floating-point dtype")

        def centred(z: Tensor) -> Tensor:
            logits = later(z)
            if logits.ndim != 2 or len(logits) != len(z):
                raise ArgumentError(f"later gives shape {tuple(logits.shape)}: expected logits ({len(z)}, classes)")
            return logits - logits.mean(1, keepdim=True)

        total = h.new_zeros(())
        for _ in range(self.draws):
            with torch.no_grad():
                moved = (self.noise(h) - self.noise(h)) / math.sqrt(2)
            if not moved.any():
                raise ArgumentError(
                    "noise is off in its present mode: expected draws; use noise.train() or when='both'"
                )
            with _unrecorded(later):
                along: Tensor = torch.func.jvp(centred, (h,), (moved,))[1]
            total = total + along.square().sum(1).mean()
        return total / self.draws


@contextmanager
def _unrecorded(later: Any) -> Iterator[None]:
    """Let norms in training mode leave their running statistics alone: the ordinary pass updates them, once."""
    modules = later.modules() if isinstance(later, nn.Module) else ()
    norms: list[Any] = [one for one in modules if one.training and getattr(one, "track_running_stats", False)]
    kept = [(norm, norm.running_mean, norm.running_var) for norm in norms if isinstance(norm, _InstanceNorm)]
    for norm in norms:
        norm.track_running_stats = False
    for norm, _, _ in kept:  # these update what they have, whatever they are told to track
        norm.running_mean = norm.running_var = None
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
        for norm, mean, variance in kept:
            norm.running_mean, norm.running_var = mean, variance
