"""Judging a defense: names of what moves images, the worst case over attacks, EOT sweep, sanity checks."""

from localnoise.sims.evaluation.adaptive import Adaptive as Adaptive
from localnoise.sims.evaluation.adaptive import AdaptiveReport as AdaptiveReport
from localnoise.sims.evaluation.checks import SanityCheck as SanityCheck
from localnoise.sims.evaluation.eot_sweep import escalate as escalate
from localnoise.sims.evaluation.source import Source as Source
from localnoise.sims.evaluation.threat import Threat as Threat
from localnoise.sims.evaluation.worst_case import Verdict as Verdict
from localnoise.sims.evaluation.worst_case import WorstCase as WorstCase

__all__ = [
    "Adaptive",
    "AdaptiveReport",
    "SanityCheck",
    "Source",
    "Threat",
    "Verdict",
    "WorstCase",
    "escalate",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
