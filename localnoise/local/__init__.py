"""Units that learn features: each its own weights, from its window of inputs, its answer, at most the label."""

from localnoise.local.layer import LocalLayer as LocalLayer
from localnoise.local.rules import UNIT_RULES as UNIT_RULES
from localnoise.local.rules import UnitRule as UnitRule

__all__ = [
    "UNIT_RULES",
    "LocalLayer",
    "UnitRule",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
