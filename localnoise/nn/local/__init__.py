"""Networks that learn without backpropagation: each layer from its own input, its own output and at most the label."""

from localnoise.nn.local.base import LOCAL_RULES as LOCAL_RULES
from localnoise.nn.local.base import LocalRule as LocalRule
from localnoise.nn.local.channels import Channels as Channels
from localnoise.nn.local.heads import LocalHeads as LocalHeads
from localnoise.nn.local.learner import LocalLearner as LocalLearner
from localnoise.nn.local.memory import activations_kept as activations_kept
from localnoise.nn.local.similarity import Similarity as Similarity
from localnoise.nn.local.softhebb import SoftHebb as SoftHebb
from localnoise.nn.local.stages import Stage as Stage
from localnoise.nn.local.stages import stages_of as stages_of
from localnoise.nn.local.units import LocalUnits as LocalUnits

__all__ = [
    "LOCAL_RULES",
    "Channels",
    "LocalHeads",
    "LocalLearner",
    "LocalRule",
    "LocalUnits",
    "Similarity",
    "SoftHebb",
    "Stage",
    "activations_kept",
    "stages_of",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
