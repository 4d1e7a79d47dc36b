"""Networks smoothed in latent space: later layers trained under a frozen noise, voting, certified, searched."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from localnoise import central
from localnoise.certificate import Certificates, Vote, with_floor
from localnoise.nn import NoiseLayer
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.models import training

Array = npt.NDArray[np.float32]
_BATCH = 500
_SEARCH, _DRAWS = 10, 16  # steps of a search, and draws of a gradient
_INSIDE = 0.999  # of a radius, up to which is searched


@dataclass(frozen=True)
class Smoothed:
    """A noise, and later layers that were trained under it.

    Attributes
    ----------
    noise : UnitGrid or CentralNoise
    back : Module
    plain : Tensor, (1, ...)
        Zeros of the shape in which the layer gives its activation.
    lies : Arrangement or None
        How it lies on the grid.
    """

    noise: Any
    back: nn.Module
    plain: Tensor
    lies: Any = None

    @classmethod
    def trained(
        cls, bench: Testbed, noise: Any, h: Tensor, labels: Tensor, epochs: int, tick: Any = None
    ) -> "Smoothed":
        """Train the later layers from the network's own weights under fresh noise; the front stays as it is."""
        back = bench.network.fresh_back(bench.seed)
        back.load_state_dict(bench.network.back.state_dict())
        back.requires_grad_(True)
        lies = bench.network.arrangement
        layer = NoiseLayer(noise, when="both", seed=bench.seed, arrangement=lies)
        training.fit(back, h, labels, epochs=epochs, seed=bench.seed, ahead=layer, tick=tick, by=bench.by)
        return cls(noise, back.requires_grad_(False).eval(), torch.zeros_like(h[:1]), lies)

    def classes(self, noisy: Array) -> npt.NDArray[np.int64]:
        """Return one class an activation (B, C, H, W), as it lies on the grid: a vote."""
        with torch.no_grad():
            logits = self.logits(torch.from_numpy(np.ascontiguousarray(noisy)))
            return np.asarray(logits.argmax(1).numpy(), np.int64)

    def logits(self, h: Tensor) -> Tensor:
        """Return logits of activations as they lie on the grid."""
        if self.lies is not None:
            h = self.lies.added(self.plain.expand(len(h), *self.plain.shape[1:]), h)
        out: Tensor = self.back(h)
        return out

    def vote(self, draws: int, alpha: float, seed: int) -> Vote:
        """Return the vote over `draws` draws."""
        return Vote(self.noise, self.classes, draws=draws, alpha=alpha, seed=seed, batch=min(_BATCH, draws))


def grid_noise(d: Array, scale: float, floor: float) -> Any:
    """Return a local field of scale^2 (Sigma_d + floor P I), P the displacements' mean square."""
    return with_floor(d, scale=scale, floor=floor * float(np.square(d, dtype=np.float64).mean()))


def isotropic(like: Array, variance: float) -> central.CentralNoise:
    """Return isotropic noise of a variance per neuron, of the layout of activations."""
    return central.identity(like[:2], variance=variance)


def norms(noise: Any, d: Array) -> npt.NDArray[np.float64]:
    """Return Sigma^-1 norms of displacements (T, C, H, W)."""
    return np.asarray(np.sqrt(noise.mahalanobis(d)), np.float64)


def searched(net: Smoothed, vote: Vote, found: Certificates, h: Array, seed: int) -> npt.NDArray[np.bool_]:
    """Look for displacements inside the ellipsoids that change a vote: where one was found, (T,).

    Projected gradient ascent of the mean cross-entropy over draws, along Sigma times the gradient, which is the
    steepest direction in this norm; then a vote with fresh draws. The covariance is needed densely: small layers alone.
    """
    n = h[0].size
    sigma = torch.from_numpy(net.noise.covariance().astype(np.float32))
    x, radius = torch.from_numpy(h), torch.from_numpy(found.radius.astype(np.float32)) * _INSIDE
    target = torch.from_numpy(np.maximum(found.winner, 0))
    delta, dual = torch.zeros(len(h), n), torch.zeros(len(h), n)  # delta = Sigma dual, |delta| = sqrt(dual' delta)
    for step in range(_SEARCH):
        eta = torch.from_numpy(net.noise.sample(_DRAWS, seed, step * _DRAWS))
        moved = (x.flatten(1) + delta).view_as(x).requires_grad_(True)
        noisy = (moved[:, None] + eta).flatten(0, 1)
        loss = nn.functional.cross_entropy(net.logits(noisy), target.repeat_interleave(_DRAWS), reduction="sum")
        (gradient,) = torch.autograd.grad(loss, moved)
        toward = gradient.flatten(1)
        toward = toward / _norm(toward, toward @ sigma)[:, None] * radius[:, None]
        dual = dual + toward / 2
        delta = dual @ sigma
        size = (radius / _norm(dual, delta)).clamp(max=1)[:, None]
        dual, delta = dual * size, delta * size
    return vote.contradicted(found, h, delta.view_as(x).numpy(), seed=seed + 1)


def _norm(dual: Tensor, moved: Tensor) -> Tensor:
    return (dual * moved).sum(1).clamp(min=1e-20).sqrt()


Chosen = tuple[float, Smoothed]


def of_equal_accuracy(
    make: Callable[[float], Smoothed], accuracy: Callable[[Smoothed], float], wanted: float, first: float, tries: int
) -> Chosen:
    """Return the variance, of a few that are tried, whose network is nearest to a clean accuracy.

    Starts from `first`, and goes by factors of 2 towards it, then halves the step.
    """
    value, factor, best = first, 2.0, list[tuple[float, float, Smoothed]]()
    ups = list[bool]()
    for _ in range(tries):
        net = make(value)
        got = accuracy(net)
        best.append((abs(got - wanted), value, net))
        ups.append(got > wanted)
        if ups[-1] != ups[0]:
            factor = factor**0.5
        value = value * factor if ups[-1] else value / factor
    _, value, net = min(best, key=lambda one: one[0])
    return value, net
