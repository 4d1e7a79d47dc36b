"""Local cross-entropy heads: each layer is trained to tell the classes apart by a readout of its own."""

import itertools
import math
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from localnoise.nn.local.base import LOCAL_RULES
from localnoise.nn.local.stages import Stage
from localnoise.validate import as_count


@LOCAL_RULES.register("local-heads")
@dataclass(frozen=True, kw_only=True)
class LocalHeads:
    """Each layer tells the classes apart by a linear readout of its own.

    It minimizes L_l = -log softmax(M_l pool(h_l))_y, h_l = f(W_l x_l), in W_l and M_l alone; x_l, the output of the
    layer before, is a constant; M_l is dropped afterwards. Sources: Mono-Forward (arXiv 2501.09238), whose projection
    this is; Nokland and Eidnes 2019 (arXiv 1901.06656, "pred"), who pool first. Cost: classes x inputs of the head more
    products a layer.

    Parameters
    ----------
    inputs : int
        Most inputs of a head. A larger output is averaged over blocks of places first, so that heads stay small.
    """

    name: ClassVar[str] = "local-heads"
    labels: ClassVar[bool] = True
    inputs: int = (
        8192  # of 1,000 held-out training images, conv3 had .802 right, .754 at 1,024 (4,000 images, 2 epochs)
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", as_count("inputs", self.inputs, 1))

    def head(self, stage: Stage, classes: int) -> nn.Module:
        """Return the layer's readout.

        Parameters
        ----------
        stage, classes
            As `LocalRule.head` takes them.

        Returns
        -------
        Module
            From a stage's output to (T, classes).
        """
        return pooled_readout(stage, classes, self.inputs)

    def teach(self, stage: Stage, head: nn.Module, x: Tensor, out: Tensor, labels: Tensor) -> None:
        """Backpropagate the head's loss to the layer's own input.

        Parameters
        ----------
        stage, head, x, out, labels
            As `LocalRule.teach` takes them.
        """
        nn.functional.cross_entropy(head(out), labels).backward()


def pooled_readout(stage: Stage, classes: int, inputs: int) -> nn.Module:
    """Return a linear readout of a stage's output, averaged over blocks of places to at most `inputs` numbers."""
    m, places = stage.channels, stage.shape[:-1] if stage.channels_last else stage.shape[1:]
    block = next(b for b in itertools.count(1) if m * _blocks(places, b) <= inputs or _blocks(places, b) == 1)
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(m * _blocks(places, block), classes)]
    if block > 1:
        pools: Any = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
        pool = pools[len(places)](tuple(min(block, side) for side in places), ceil_mode=True)
        layers = [*([_ChannelsFirst()] if stage.channels_last else []), pool, *layers]
    return nn.Sequential(*layers)


def _blocks(places: tuple[int, ...], block: int) -> int:
    """Return how many blocks cover places, those at the edges perhaps in part."""
    return math.prod(math.ceil(side / block) for side in places)


class _ChannelsFirst(nn.Module):
    """Move channels from the last dimension to the second."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x, (T, ..., m), as (T, m, ...)."""
        return x.movedim(-1, 1)
