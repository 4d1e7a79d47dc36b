"""Methods that adapt batch normalisation: its statistics, and TENT and RDumb, which learn by the entropy of decisions.

TENT (Wang et al. 2021, arXiv 2006.10726): after each batch one step down the mean entropy of its decisions, by the
scales and offsets of batch normalisation alone, whose statistics are those of the batch; the batch's logits are those
before the step. The published code has Adam at 1e-3 for CIFAR-10-C with batches of 200.

ETA (Niu et al. 2022, arXiv 2204.02610): of a batch only those inputs count that are sure, entropy below E_0 = .4 ln C,
and not redundant, cosine of their decision to the running mean of the decisions below a margin; each weighs
exp(E_0 - entropy). RDumb (Press et al. 2023, arXiv 2306.05401): ETA that forgets everything every `reset` batches;
published with SGD of momentum .9 at 2.5e-4, batches of 64, a margin of .05 and 1,000 batches, on ImageNet.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from localnoise.sims.streaming.norms import AdaptedNorm, BatchNormed, RunningNormed, with_norms

_FLOAT = 4
_MEMORY, _CERTAIN = 0.9, 0.4  # of the running mean of the decisions; E_0 over ln C


def _affine(model: nn.Module) -> list[nn.Parameter]:
    """Scales and offsets of batch normalisation, from now on with gradients."""
    found = [p for part in model.modules() if isinstance(part, AdaptedNorm) for p in (part.weight, part.bias)]
    for parameter in found:
        parameter.requires_grad_()
    return found


def _numbers(model: nn.Module) -> int:
    """Channels of all batch normalisations."""
    return sum(len(part.weight) for part in model.modules() if isinstance(part, AdaptedNorm))


class Statistics:
    """Batch normalisation by the statistics of the stream, nothing learned.

    Parameters
    ----------
    model : Module
    share : float or None
        Of each image in a running average: batch 1.
    prior : float
        Weight of the training statistics, in images, where `share` is None.
    batch : int
        Images whose statistics are taken.
    """

    parameter_bytes, gradient_bytes = 0, 0

    def __init__(self, model: nn.Module, *, share: float | None = None, prior: float = 0.0, batch: int = 1) -> None:
        self.batch = batch if share is None else None
        self.model = with_norms(
            model, lambda norm: BatchNormed(norm, prior) if share is None else RunningNormed(norm, share)
        )
        self.state_bytes = 0 if share is None else 2 * _FLOAT * _numbers(self.model)

    def __call__(self, x: Tensor) -> Tensor:
        """Return logits."""
        with torch.no_grad():
            if self.batch is None:
                logits: Tensor = self.model(x)
                return logits
            return torch.cat([self.model(part) for part in x.split(self.batch)])


class Tent:
    """Learn by the entropy of decisions, batch by batch.

    Parameters
    ----------
    model : Module
    rate : float
        Of Adam.
    batch : int
    share : float or None
        Of each image in a running average of the statistics; None: the statistics of the batch.
    """

    parameter_bytes = 0

    def __init__(self, model: nn.Module, *, rate: float, batch: int = 64, share: float | None = None) -> None:
        self.model, self.batch = _adapting(model, share), batch
        self.optimiser = torch.optim.Adam(_affine(self.model), rate)
        running = 0 if share is None else 2
        self.state_bytes = (2 * 3 + running) * _FLOAT * _numbers(self.model)  # parameters, two moments
        self.gradient_bytes = 0

    def __call__(self, x: Tensor) -> Tensor:
        """Return logits, and learn from each batch after its decision."""
        return torch.cat([self._step(part) for part in x.split(self.batch)])

    def _step(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            logits: Tensor = self.model(x)
            self.optimiser.zero_grad()
            entropy(logits).mean().backward()
            self.optimiser.step()
        self.gradient_bytes = self.gradient_bytes or activation_bytes(self.model, x)
        return logits.detach()


class RDumb:
    """ETA with a periodic reset.

    Parameters
    ----------
    model : Module
    rate : float
        Of SGD with momentum .9.
    margin : float
        Least distinct cosine.
    reset : int
        Batches after which all is forgotten.
    batch : int
    """

    parameter_bytes = 0

    def __init__(
        self, model: nn.Module, *, rate: float, margin: float = 0.05, reset: int = 1000, batch: int = 64
    ) -> None:
        self.model, self.batch, self.margin, self.reset = _adapting(model, None), batch, margin, reset
        self.affine = _affine(self.model)
        self.first = [parameter.detach().clone() for parameter in self.affine]
        self.rate, self.steps = rate, 0
        self.mean: Tensor | None = None
        self.optimiser: Any = None
        self.gradient_bytes, self.state_bytes = 0, 3 * 2 * _FLOAT * _numbers(self.model)  # these, momenta, the first

    def __call__(self, x: Tensor) -> Tensor:
        """Return logits, and learn from each batch after its decision."""
        return torch.cat([self._step(part) for part in x.split(self.batch)])

    def _step(self, x: Tensor) -> Tensor:
        if self.steps % self.reset == 0:
            for parameter, first in zip(self.affine, self.first, strict=True):
                parameter.detach().copy_(first)
            self.mean, self.optimiser = None, torch.optim.SGD(self.affine, self.rate, momentum=0.9)
        self.steps += 1
        with torch.enable_grad():
            logits: Tensor = self.model(x)
            own, decided = entropy(logits), logits.detach().softmax(1)
            certain = _CERTAIN * math.log(logits.shape[1])
            chosen = own.detach() < certain
            if self.mean is not None:
                chosen &= torch.cosine_similarity(self.mean[None], decided, dim=1).abs() < self.margin
            if chosen.any():
                self.optimiser.zero_grad()
                (own[chosen] * torch.exp(certain - own[chosen].detach())).mean().backward()
                self.optimiser.step()
                fresh = decided[chosen].mean(0)
                self.mean = fresh if self.mean is None else _MEMORY * self.mean + (1 - _MEMORY) * fresh
        self.gradient_bytes = self.gradient_bytes or activation_bytes(self.model, x)
        return logits.detach()


def _adapting(model: nn.Module, share: float | None) -> nn.Module:
    return with_norms(model, lambda norm: BatchNormed(norm) if share is None else RunningNormed(norm, share))


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy of each decision in nats, (T,)."""
    log = logits.log_softmax(1)
    return -(log.exp() * log).sum(1)


def activation_bytes(model: nn.Module, x: Tensor) -> int:
    """Return the bytes of the outputs of all modules that have no parts, for a batch: what a backward pass needs."""
    sizes: list[int] = []
    leaves = [part for part in model.modules() if not any(True for _ in part.children())]
    saved = {name: value.clone() for name, value in model.named_buffers()}
    handles = [
        part.register_forward_hook(lambda _, __, out: sizes.append(out.numel() * out.element_size())) for part in leaves
    ]
    try:
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
        for name, value in model.named_buffers():
            value.copy_(saved[name])
    return sum(sizes)
