"""Surprise: which units, and which whole activations, the law of clean activations does not expect."""

from localnoise.surprise.detector import Surprise as Surprise
from localnoise.surprise.detector import Surprised as Surprised

__all__ = [
    "Surprise",
    "Surprised",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
