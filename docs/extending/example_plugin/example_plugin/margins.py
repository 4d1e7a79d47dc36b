"""A way in which networks learn without backpropagation, of one's own: local heads whose margins count."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from localnoise.nn.local import LOCAL_RULES, Stage
from localnoise.validate import check_positive


@LOCAL_RULES.register("margins")
@dataclass(frozen=True, kw_only=True)
class Margins:
    """Each layer lifts the right class above the others by a margin, in a linear readout of its own.

    L_l = mean over other classes j of max(0, margin - (M_l h_l)_y + (M_l h_l)_j), in the layer's weights and M_l.

    Parameters
    ----------
    margin : float
        > 0.
    """

    name: ClassVar[str] = "margins"
    labels: ClassVar[bool] = True
    margin: float = 1.0

    def __post_init__(self) -> None:
        check_positive("margin", self.margin)

    def head(self, stage: Stage, classes: int) -> nn.Module:
        """Return the layer's readout, of the mean over places."""
        return nn.Linear(stage.channels, classes)

    def teach(self, stage: Stage, head: nn.Module, x: Tensor, out: Tensor, labels: Tensor) -> None:
        """Backpropagate the layer's loss to its own input."""
        logits = head(stage.by_channel(out).mean(2))
        nn.functional.multi_margin_loss(logits, labels, margin=self.margin).backward()
