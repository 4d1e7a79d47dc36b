"""The interface of a method that meets a stream, and those that change nothing as they go."""

from typing import Protocol

from torch import Tensor, nn


class Method(Protocol):
    """A deployed network; it may change from image to image.

    Attributes
    ----------
    state_bytes : int
        What it must keep from one image to the next beside the network and its own parameters.
    parameter_bytes : int
        Its own parameters beside the network's, which no image changes.
    gradient_bytes : int
        Activations that it keeps for a backward pass.
    """

    state_bytes: int
    parameter_bytes: int
    gradient_bytes: int

    def __call__(self, x: Tensor) -> Tensor:
        """Return logits (T, classes) of the next T images, as if they came one by one or in its own batches."""


class Frozen:
    """A network that is the same for every image: a batch gives what its images give one by one.

    Parameters
    ----------
    model : Module
        In evaluation mode.
    parameter_bytes : int
    """

    state_bytes, gradient_bytes = 0, 0

    def __init__(self, model: nn.Module, parameter_bytes: int = 0) -> None:
        self.model, self.parameter_bytes = model, parameter_bytes

    def __call__(self, x: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.model(x)
        return logits
