"""Surprise: which units, and which whole activations, the law of clean activations does not expect."""

from localnoise.surprise.detector import Surprise as Surprise
from localnoise.surprise.detector import Surprised as Surprised
