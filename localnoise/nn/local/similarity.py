"""The similarity loss beside a local head: a batch's activations shall be as alike as its labels are."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.nn.local.base import LOCAL_RULES
from localnoise.nn.local.heads import pooled_readout
from localnoise.nn.local.stages import Stage
from localnoise.validate import as_count


@LOCAL_RULES.register("similarity")
@dataclass(frozen=True, kw_only=True)
class Similarity:
    """A local head, and activations of a batch as alike as its labels.

    L_l = share * cross-entropy of the head + (1 - share) * mean_ij (S(h_l)_ij - S(y)_ij)^2, in the layer's weights.

    S_ij is the correlation of two inputs of the batch: of one-hot labels, and of the standard deviations of the layer's
    channels over places (of a dense layer, its activations). Source: Nokland and Eidnes 2019 (arXiv 1901.06656,
    "predsim"; their convolution before S is left out). It reads several inputs at once: a chip that learns from
    one after the other cannot take it.

    Parameters
    ----------
    share : float
        Of the cross-entropy, in [0, 1]; theirs is 0.99.
    inputs : int
        Most inputs of a head, as `LocalHeads` has it.
    """

    name: ClassVar[str] = "similarity"
    labels: ClassVar[bool] = True
    share: float = 0.99
    inputs: int = 8192

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ArgumentError(f"share={self.share!r}: expected a number in [0, 1], of the cross-entropy in the loss")
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
        """Backpropagate the loss to the layer's own input.

        Parameters
        ----------
        stage, head, x, out, labels
            As `LocalRule.teach` takes them.
        """
        logits = head(out)
        wanted = correlations(nn.functional.one_hot(labels, logits.shape[1]).to(out.dtype))
        h = stage.by_channel(out)
        features = h[:, :, 0] if h.shape[2] == 1 else (h.var(2, unbiased=False) + 1e-8).sqrt()
        alike = nn.functional.mse_loss(correlations(features), wanted)
        loss = self.share * nn.functional.cross_entropy(logits, labels) + (1 - self.share) * alike
        loss.backward()


def correlations(features: Tensor) -> Tensor:
    """Return the correlation over features of each two rows, (T, T)."""
    centred = features - features.mean(1, keepdim=True)
    unit: Tensor = centred / (torch.linalg.vector_norm(centred, dim=1, keepdim=True) + 1e-8)
    return unit @ unit.T
