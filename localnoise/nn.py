"""Torch layer: a fresh draw of structured noise per presentation, with exact gradients. Needs the extra `sims` (torch).

    y = h + eta,  eta ~ N(mu(h), Sigma),  dy/dh = I + diag(gain) (I - B)^-1 G

The draw itself is a constant of the graph (straight through); the mean of a signal-dependent field is differentiated
by the adjoint sweep. NumPy and torch share memory on the CPU: no copy of the draw.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from localnoise.bank import Bank, layout
from localnoise.errors import ArgumentError, MissingDependencyError, choose
from localnoise.validate import as_count, as_seed

try:
    import torch
    from torch import Tensor, nn
    from torch.autograd.function import once_differentiable
except ImportError as error:
    raise MissingDependencyError("localnoise.nn needs torch: pip install 'localnoise[sims]'") from error


class _Perturb(torch.autograd.Function):
    """h -> h + eta(h); backward adds G' (I - B)^-T diag(gain) to the identity."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, noise: Any, seed: int, start: int) -> Tensor:
        ctx.noise, ctx.seed, ctx.start = noise, seed, start
        eta = noise.perturb(_numpy(h), seed, start)
        return h + torch.from_numpy(eta).to(h)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        where = (ctx.seed, ctx.start) if isinstance(ctx.noise, Bank) else ()
        pulled = ctx.noise.pull_back(_numpy(gradient), *where)
        return gradient + torch.from_numpy(pulled).to(gradient), None, None, None


class NoiseLayer(nn.Module):
    """Add one fresh draw to each activation (T, C, H, W); dense activations (T, n) are reshaped to the grid and back.

    Parameters
    ----------
    noise : UnitGrid, CentralNoise or Bank
        A sequence of them becomes a `Bank`: one is drawn per presentation.
    when : str
        "both" (training and evaluation), "train", "eval" or "never".
    seed : int
        The stream of draws. Presentations are numbered from 0 on; `reseed` starts again.

    Examples
    --------
    >>> import localnoise as ln, torch
    >>> from localnoise.nn import NoiseLayer
    >>> layer = NoiseLayer(ln.UnitGrid(shape=(4, 4), channels=2), when="train", seed=1)
    >>> layer(torch.zeros(5, 2, 4, 4)).shape
    torch.Size([5, 2, 4, 4])
    """

    def __init__(self, noise: Any, when: str = "both", seed: int = 0) -> None:
        super().__init__()
        self.noise = Bank(noise) if isinstance(noise, Sequence) else noise
        layout(self.noise)
        self.when = choose("when", when, ("both", "train", "eval", "never"))
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Restart the stream: the next presentation is number 0 of `seed`."""
        self.seed, self.position = int(as_seed(seed)), 0

    @property
    def active(self) -> bool:
        """Return whether the layer adds noise in its present mode."""
        return self.when == "both" or self.when == ("train" if self.training else "eval")

    def forward(self, h: Tensor) -> Tensor:
        """Return h + eta, drawn at the layer's position in its stream; float32 or float64, any device."""
        if not self.active:
            return h
        shape = layout(self.noise)
        if tuple(h.shape[1:]) not in (shape, (math.prod(shape),)) or h.ndim < 2:
            raise ArgumentError(
                f"h has shape {tuple(h.shape)}: expected (T, {', '.join(map(str, shape))}) or (T, {math.prod(shape)}), "
                "as the noise was learned"
            )
        if not h.is_floating_point():
            raise ArgumentError(f"h has dtype {h.dtype}: expected a floating dtype; use h.float()")
        start, self.position = self.position, self.position + len(h)
        shaped = h.reshape(len(h), *shape)
        perturbed: Callable[..., Tensor] = _Perturb.apply
        return perturbed(shaped, self.noise, self.seed, start).reshape(h.shape)

    def extra_repr(self) -> str:
        """Return what `print(model)` shows."""
        return f"{self.noise!r}, when={self.when!r}, seed={self.seed}"


class Noise(Protocol):
    """The interface of the module that adds a predictor's noise: `NoiseLayer`, or noise learned by gradients.

    Attributes
    ----------
    seed : int
        The stream of draws; `reseed` restarts it.
    active : bool
        Whether noise is added in the module's present mode.
    """

    seed: int

    @property
    def active(self) -> bool: ...  # noqa: D102

    def reseed(self, seed: int) -> None: ...  # noqa: D102

    def __call__(self, h: Tensor) -> Tensor: ...  # noqa: D102


class NoNoise(nn.Module):
    """The identity where a predictor expects noise: nothing is drawn."""

    seed, active = 0, False

    def reseed(self, seed: int) -> None:
        """There is no stream."""

    def forward(self, h: Tensor) -> Tensor:
        """Return h."""
        return h


class Predictor(nn.Module):
    """Mean of `draws` noisy logits: the deployed predictor of a noisy network.

    The layers before the noise run once; all draws go through the later layers in one batch.

    Parameters
    ----------
    front, noise, back : Module
        Layers before the noise, the noise layer (`Noise`, or `nn.Identity()` for none), layers after it: logits =
        mean_k back(noise(front(x))).
    draws : int
        K >= 1. One is enough where the noise is off.
    """

    def __init__(self, front: nn.Module, noise: Noise | nn.Identity, back: nn.Module, draws: int = 10) -> None:
        super().__init__()
        layer: Any = NoNoise() if isinstance(noise, nn.Identity) else noise
        missing = [part for part in ("seed", "active", "reseed") if not hasattr(layer, part)]
        if missing or not callable(layer):
            raise ArgumentError(
                f"noise is {type(noise).__name__}, without {' or '.join(missing) or 'forward'}: expected a module that "
                "draws, such as NoiseLayer(grid), or nn.Identity() for no noise"
            )
        self.front, self.noise, self.back, self.draws = front, layer, back, as_count("draws", draws, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (T, classes), averaged over the draws."""
        return self.decide(self.front(x))

    def decide(self, h: Tensor) -> Tensor:
        """Logits from the activation h before the noise."""
        draws = self.draws if self.noise.active else 1
        noisy = self.noise(h.repeat_interleave(draws, 0) if draws > 1 else h)
        logits: Tensor = self.back(noisy)
        averaged: Tensor = logits.unflatten(0, (len(h), draws)).mean(1)
        return averaged


def _numpy(tensor: Tensor) -> Any:
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()  # NumPy has no bfloat16
