"""Channels that compete for classes: a local loss without any readout."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.nn.local.base import LOCAL_RULES
from localnoise.nn.local.stages import Stage
from localnoise.validate import check_positive


@LOCAL_RULES.register("channels")
@dataclass(frozen=True, kw_only=True)
class Channels:
    """Each layer's channels stand for the classes and compete; no readout.

    L_l = -log softmax(sharpness * g_l)_y, g_lj = mean of h^2 over places and the channels that stand for class j.

    The channels are dealt out to the classes in order. No weights beside the layer's own, and the label tells each
    channel only whether its class is shown. Source: Papachristodoulou et al. 2024 (arXiv 2312.12668, channel-wise
    competitive learning for Forward-Forward), whose loss this is; the layers here are ordinary ones.

    Parameters
    ----------
    sharpness : float
        Of the softmax, > 0.
    """

    name: ClassVar[str] = "channels"
    labels: ClassVar[bool] = True
    sharpness: float = 4.0

    def __post_init__(self) -> None:
        check_positive("sharpness", self.sharpness)

    def head(self, stage: Stage, classes: int) -> nn.Module:
        """Return what gives each class the mean square of its channels; it has no weights.

        Parameters
        ----------
        stage, classes
            As `LocalRule.head` takes them.

        Returns
        -------
        Module
            From a stage's output to (T, classes).

        Raises
        ------
        ArgumentError
            The stage has fewer channels than there are classes.
        """
        if stage.channels < classes:
            raise ArgumentError(
                f"rule='channels': layer {stage.name!r} has {stage.channels} channels for {classes} classes: expected "
                "at least one for each; use a wider layer, or rule='local-heads'"
            )
        return _Competition(stage, classes, self.sharpness)

    def teach(self, stage: Stage, head: nn.Module, x: Tensor, out: Tensor, labels: Tensor) -> None:
        """Backpropagate the competition to the layer's own input.

        Parameters
        ----------
        stage, head, x, out, labels
            As `LocalRule.teach` takes them.
        """
        nn.functional.cross_entropy(head(out), labels).backward()


class _Competition(nn.Module):
    """Give each class the mean square of its channels; no weights."""

    dealt: Tensor

    def __init__(self, stage: Stage, classes: int, sharpness: float) -> None:
        super().__init__()
        self._stage, self._sharpness = stage, sharpness
        dealt = nn.functional.one_hot(torch.arange(stage.channels) * classes // stage.channels, classes).float()
        self.register_buffer("dealt", dealt / dealt.sum(0))

    def forward(self, out: Tensor) -> Tensor:
        """Return (T, classes) of a stage's output."""
        return self._sharpness * self._stage.by_channel(out).square().mean(2) @ self.dealt
