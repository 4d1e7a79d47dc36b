"""The interface of a network that is cut where the noise enters."""

from collections.abc import Iterable
from typing import Any, Protocol

from torch import Tensor, nn

from localnoise.nn import Arrangement


class CutNetwork(Protocol):
    """A classifier in two parts: logits = back(front(x)); the paper's networks and a user's alike."""

    front: nn.Module
    back: nn.Module
    layer: Any  # after which it is cut: a number, or a module's name

    @property
    def layout(self) -> tuple[int, int, int]:
        """(C, H, W) of the grid that the activation between the parts lies on."""

    @property
    def falling(self) -> bool:
        """True if the rate falls from epoch to epoch while all layers are trained."""

    @property
    def arrangement(self) -> Arrangement | None:
        """Its arrangement on the grid; None: the front gives (T, C, H, W)."""

    def __call__(self, x: Tensor) -> Tensor:
        """Return logits (T, classes)."""

    def fresh_back(self, seed: int) -> nn.Module:
        """Return the layers after the noise with new weights of a seed."""

    def fresh_front(self, seed: int) -> nn.Module:
        """Return the layers up to the noise with new weights of a seed."""

    def widened(self, width: float, seed: int) -> tuple[nn.Module, nn.Module]:
        """Return layers up to the noise and after it of a network `width` times as wide, with weights of a seed.

        Raises
        ------
        ArgumentError
            The network has no width.
        """

    def state(self) -> dict[str, Any]:
        """Return all weights, {"front": ..., "back": ...}, as `torch.save` takes them."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take the weights of `state`.

        Raises
        ------
        ArgumentError
            They are another network's.
        """


def mismatch(there: Iterable[tuple[str, Any]], here: Iterable[tuple[str, Any]]) -> str:
    """Return in words the first of a network's weights `here` that are not so `there`; "": all are."""
    given, own = ({name: _shape(weight) for name, weight in side} for side in (there, here))
    for name, shape in own.items():
        if name not in given:
            return f"{name} of shape {shape} here is missing there"
        if given[name] != shape:
            return f"{name} has shape {given[name]} there, {shape} here"
    return next(
        (f"{name} of shape {shape} there is missing here" for name, shape in given.items() if name not in own), ""
    )


def _shape(weight: Any) -> tuple[int, ...] | None:
    """Return the shape of a tensor; a module's extra state has none."""
    return tuple(weight.shape) if isinstance(weight, Tensor) else None


def folded(network: CutNetwork, h: Tensor) -> Tensor:
    """Return activations between the parts as (T, C, H, W)."""
    return h if network.arrangement is None else network.arrangement.folded(h)
