"""Build a network, draw its weights, cut it in two."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError, choose
from localnoise.sims.models.base import mismatch
from localnoise.sims.models.orthogonal import OrthogonalPatches
from localnoise.sims.models.registry import ACTIVATIONS, ARCHITECTURES, CLASSES, SIDE, Architecture
from localnoise.validate import as_seed, whole


@dataclass
class Network:
    """A classifier in two parts; activation (C, H, W) between them.

    Attributes
    ----------
    front, back : Module
        Layers up to the noise, layers after it. logits = back(front(x)).
    layout : tuple of int
        (C, H, W) of the activation between them; (1, 1, N) for a dense layer of N neurons.
    name, activation, layer
        What `build` was asked for.
    """

    front: nn.Module
    back: nn.Module
    layout: tuple[int, int, int]
    name: str
    activation: str
    layer: int

    def __call__(self, x: Tensor) -> Tensor:
        """Logits (T, 10) of images (T, 1, 28, 28) in [0, 1]."""
        logits: Tensor = self.back(self.front(x))
        return logits

    def fresh_back(self, seed: int) -> nn.Module:
        """Layers after the noise with new weights: those that `build` draws from this seed."""
        return build(self.name, self.activation, self.layer, seed).back

    def fresh_front(self, seed: int) -> nn.Module:
        """Layers up to the noise with new weights: those that `build` draws from this seed."""
        return build(self.name, self.activation, self.layer, seed).front

    def widened(self, width: float, seed: int) -> tuple[nn.Module, nn.Module]:
        """Layers up to the noise and after it of the same network, `width` times as wide."""
        wide = build(self.name, self.activation, self.layer, seed, width)
        return wide.front, wide.back

    @property
    def arrangement(self) -> None:
        """None: the front gives (T, C, H, W)."""
        return None

    @property
    def falling(self) -> bool:
        """True if the rate falls while all layers are trained."""
        return ARCHITECTURES[self.name].falling

    def state(self) -> dict[str, Any]:
        """All weights, front and back."""
        return {"front": self.front.state_dict(), "back": self.back.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the weights that `state` gave, of this network cut anywhere."""
        given = [*state["front"].values(), *state["back"].values()]
        differs = mismatch(_numbered(given), _numbered(self.weights()))
        if differs:
            raise ArgumentError(f"weights: of another network than {self.name!r} ({differs}): expected its own")
        self.load(given)

    def weights(self) -> list[Tensor]:
        """Weights, biases and statistics of all layers in order; wherever the network is cut, the list is the same."""
        return [value for part in (self.front, self.back) for value in part.state_dict().values()]

    def load(self, weights: Iterable[Tensor]) -> None:
        """Copy the `weights` of a network of the same name, cut anywhere, into this one.

        Raises
        ------
        ArgumentError
            The weights are another network's.
        """
        own, given = self.weights(), list(weights)
        if [tuple(w.shape) for w in own] != [tuple(w.shape) for w in given]:
            raise ArgumentError(
                f"weights: {len(given)} tensors that do not fit {self.name!r}, expected its {len(own)} in order and "
                f"shape; use weights() of a network that build({self.name!r}) made"
            )
        for mine, new in zip(own, given, strict=True):
            mine.copy_(new)


def _numbered(weights: list[Tensor]) -> list[tuple[str, Tensor]]:
    return [(f"tensor {number}", weight) for number, weight in enumerate(weights, 1)]


def build(name: str = "v2", activation: str = "tanh", layer: int = 2, seed: int = 0, width: float = 1.0) -> Network:
    """Build a network of the paper with fresh weights, cut after the nonlinearity of hidden layer `layer`.

    Pooling, where the layer has it, comes after the cut. The weights depend on name, activation and seed, not on the
    cut, and torch's global generator is left as it was. A dense layer's activation leaves the front as (T, 1, 1, N): a
    row of N units with one channel.

    Parameters
    ----------
    name : str
        "v1", "v2" or "v3"; with batch normalisation "v1-bn", "v2-bn" or "v3-bn"; "orthogonal" and "conv3", which are no
        paper's.
    activation : str
        "tanh" or "relu".
    layer : int
        1 .. `NETWORKS[name]`. The layer of logits cannot be cut.
    seed : int
        Of the initial weights (torch's defaults: uniform, He et al. 2015, with a = sqrt 5).
    width : float
        Times the channels of convolutions and the neurons of hidden dense layers, rounded, at least one each.

    Raises
    ------
    ArgumentError
        An unknown name or activation, a layer that is none of the hidden ones, or no seed.
    """
    plan = _widened(ARCHITECTURES[choose("name", name, ARCHITECTURES)], width)
    nonlinearity = ACTIVATIONS[plan.activation or choose("activation", activation, ACTIVATIONS)]
    cut = whole(layer)
    if cut is None or not 1 <= cut <= plan.hidden:
        valid = ", ".join(map(str, range(1, plan.hidden + 1)))
        raise ArgumentError(f"layer={layer!r}: expected one of {valid}, the hidden layers of {name!r}")
    with torch.random.fork_rng(devices=[]):
        groups, layouts = _layers(plan, nonlinearity, int(as_seed(seed)))
    front = [module for group in groups[:cut] for module in group]
    back = [module for group in groups[cut:] for module in group]
    layout = layouts[cut - 1]
    if cut > len(plan.convolutions):
        front, back = [*front, nn.Unflatten(1, layout)], [nn.Flatten(), *back]
    return Network(_sequence(front), _sequence(back), layout, name, activation, cut)


def _widened(plan: Architecture, width: float) -> Architecture:
    def wide(count: int) -> int:
        return max(1, round(count * width))

    convolutions = tuple(replace(conv, channels=wide(conv.channels)) for conv in plan.convolutions)
    return replace(plan, convolutions=convolutions, dense=tuple(map(wide, plan.dense)))


def _sequence(modules: list[nn.Module]) -> nn.Module:
    """Modules in sequence; channels last in memory: gradients in two thirds of the time on a CPU."""
    last: torch.memory_format = torch.channels_last
    return nn.Sequential(*modules).to(memory_format=last)  # type: ignore[call-overload, no-any-return]


def _layers(
    plan: Architecture, nonlinearity: type[nn.Module], seed: int
) -> tuple[list[list[nn.Module]], list[tuple[int, int, int]]]:
    """Modules of each layer in turn, logits last, and the layout of each hidden layer's activation.

    A layer's modules begin with what joins it to the one before (pooling, flattening) and end with its nonlinearity.
    """
    groups: list[list[nn.Module]] = []
    layouts: list[tuple[int, int, int]] = []
    channels, side, joint = 1, SIDE, list[nn.Module]()

    def restart() -> None:
        if len(groups) in (0, plan.restart):
            torch.manual_seed(seed)

    for conv in plan.convolutions:
        restart()
        kernel: nn.Module = (
            OrthogonalPatches(channels, conv.channels, conv.kernel)
            if conv.patches
            else nn.Conv2d(channels, conv.channels, conv.kernel, padding=conv.padding)
        )
        norm = [nn.BatchNorm2d(conv.channels)] if plan.norm else []
        groups.append([*joint, kernel, *norm, nonlinearity()])
        channels, side = conv.channels, conv.side(side)
        layouts.append((channels, side, side))
        joint = [nn.MaxPool2d(2)] if conv.pool else []
        side //= 2 if conv.pool else 1
    width, joint = channels * side * side, [*joint, nn.Flatten()]
    for neurons in plan.dense:
        restart()
        groups.append([*joint, nn.Linear(width, neurons), nonlinearity()])
        layouts.append((1, 1, neurons))
        width, joint = neurons, []
    restart()
    groups.append([*joint, nn.Linear(width, CLASSES)])
    return groups, layouts
