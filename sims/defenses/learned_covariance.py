"""Gaussian noise whose full covariance is learned by gradients."""

import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError, choose
from localnoise.validate import as_count, as_seed


class LearnedNoise(nn.Module):
    """h -> h + L xi, xi ~ N(0, I) drawn anew for each presentation; L lower triangular and learned.

    The draw's dependence on L is in the graph (reparameterised), so a loss after the noise trains it, and an attacker's
    gradients see the very draw that the network made. Cost O(T D^2) for T presentations.

    Parameters
    ----------
    units : int
        D, activations (T, D).
    seed : int
        The stream of draws, and the first L.
    when : str
        "both" (training and evaluation), "train", "eval" or "never".
    """

    def __init__(self, units: int, seed: int = 0, when: str = "both") -> None:
        super().__init__()
        units = as_count("units", units, 1)
        self.when = choose("when", when, ("both", "train", "eval", "never"))
        self.reseed(seed)
        self.weight = nn.Parameter(torch.rand(units, units, generator=self._generator).tril())

    def reseed(self, seed: int) -> None:
        """Restart the stream of draws.

        Parameters
        ----------
        seed : int
            Of the stream.
        """
        self.seed = int(as_seed(seed))
        self._generator = torch.Generator().manual_seed(self.seed)

    @property
    def active(self) -> bool:
        """Return whether the layer adds noise in its present mode."""
        return self.when == "both" or self.when == ("train" if self.training else "eval")

    @property
    def factor(self) -> Tensor:
        """L (D, D), lower triangular."""
        return self.weight.tril()

    @property
    def added(self) -> int:
        """D (D + 1) / 2, the numbers that the layer stores."""
        return len(self.weight) * (len(self.weight) + 1) // 2

    def forward(self, h: Tensor) -> Tensor:
        """Return noisy activations.

        Parameters
        ----------
        h : Tensor, (T, D)
            Activations.

        Returns
        -------
        Tensor, (T, D)
            h itself where the noise is off.

        Raises
        ------
        ArgumentError
            Another shape.
        """
        if not self.active:
            return h
        if h.ndim != 2 or h.shape[1] != len(self.weight):
            raise ArgumentError(f"h has shape {tuple(h.shape)}: expected (T, {len(self.weight)})")
        xi = torch.randn(h.shape, generator=self._generator).to(h)
        return h + xi @ self.factor.T

    def extra_repr(self) -> str:
        """Return what `print(model)` shows.

        Returns
        -------
        str
            Units, when it is on, and the seed.
        """
        return f"units={len(self.weight)}, when={self.when!r}, seed={self.seed}"
