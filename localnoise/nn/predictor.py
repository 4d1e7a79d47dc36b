"""The deployed predictor of a noisy network: the mean of its logits over draws."""

from typing import Any, Protocol

from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.validate import as_count


class Noise(Protocol):
    """The interface of the module that adds a predictor's noise: `NoiseLayer`, or noise learned by gradients.

    Attributes
    ----------
    seed : int or None
        The stream of draws; `reseed` restarts it.
    active : bool
        Whether noise is added in the module's present mode.
    """

    @property
    def seed(self) -> int | None: ...  # noqa: D102

    @property
    def active(self) -> bool: ...  # noqa: D102

    def reseed(self, seed: int) -> None:
        """Restart the stream of draws.

        Parameters
        ----------
        seed : int
            Of the stream.
        """

    def __call__(self, h: Tensor) -> Tensor:
        """Return the activation with its noise.

        Parameters
        ----------
        h : Tensor, (T, ...)
            Activations.

        Returns
        -------
        Tensor
            In the shape of h.
        """


class NoNoise(nn.Module):
    """The identity where a predictor expects noise: nothing is drawn."""

    seed, active = 0, False

    def reseed(self, seed: int) -> None:
        """Do nothing: there is no stream.

        Parameters
        ----------
        seed : int
            Not read.
        """

    def forward(self, h: Tensor) -> Tensor:
        """Return h.

        Parameters
        ----------
        h : Tensor
            Activations.

        Returns
        -------
        Tensor
            h itself.
        """
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
        """Return the mean of the logits over the draws.

        Parameters
        ----------
        x : Tensor, (T, ...)
            Inputs of `front`.

        Returns
        -------
        Tensor, (T, classes)
            Logits.
        """
        return self.decide(self.front(x))

    def decide(self, h: Tensor) -> Tensor:
        """Return the mean of the logits over the draws, from the activation before the noise.

        Parameters
        ----------
        h : Tensor, (T, ...)
            What `front` gives.

        Returns
        -------
        Tensor, (T, classes)
            Logits.
        """
        draws = self.draws if self.noise.active else 1
        noisy = self.noise(h.repeat_interleave(draws, 0) if draws > 1 else h)
        logits: Tensor = self.back(noisy)
        averaged: Tensor = logits.unflatten(0, (len(h), draws)).mean(1)
        return averaged
