"""Defenses that experiments compare, one row of a table each: noise of every kind, trained baselines, and repair."""

# Defenses are listed in the order in which they are imported.
# isort: off
from localnoise.sims.defenses.defense import Defense as Defense
from localnoise.sims.defenses.registry import DEFENSES as DEFENSES
from localnoise.sims.defenses.registry import named as named
from localnoise.sims.defenses.registry import ordered as ordered
from localnoise.sims.defenses.registry import register as register
from localnoise.sims.defenses.registry import repairing_name as repairing_name
from localnoise.sims.defenses import central as _central  # noqa: F401
from localnoise.sims.defenses import grids as _grids  # noqa: F401
from localnoise.sims.defenses import chips as _chips  # noqa: F401
from localnoise.sims.defenses import trained as _trained  # noqa: F401
from localnoise.sims.defenses import three_factor as _three_factor  # noqa: F401
from localnoise.sims.defenses import repairs as _repairs  # noqa: F401
# isort: on

from localnoise.sims.defenses.adversarial import adversarial as adversarial
from localnoise.sims.defenses.augmenting import Augmenting as Augmenting
from localnoise.sims.defenses.crossing import check_crossing as check_crossing
from localnoise.sims.defenses.gaussian import gaussian as gaussian
from localnoise.sims.defenses.learned import LearnedNoise as LearnedNoise
from localnoise.sims.defenses.lesson import Lesson as Lesson
from localnoise.sims.defenses.lesson import added_parameters as added_parameters
from localnoise.sims.defenses.modified import modified as modified
from localnoise.sims.defenses.repairing import Repairing as Repairing
from localnoise.sims.defenses.rewarded import rewarded as rewarded
from localnoise.sims.defenses.rewarding import Rewarding as Rewarding
from localnoise.sims.defenses.selection import Candidate as Candidate
from localnoise.sims.defenses.selection import select as select
from localnoise.sims.defenses.wca import wca as wca

__all__ = [
    "DEFENSES",
    "Augmenting",
    "Candidate",
    "Defense",
    "LearnedNoise",
    "Lesson",
    "Repairing",
    "Rewarding",
    "added_parameters",
    "adversarial",
    "gaussian",
    "modified",
    "named",
    "ordered",
    "register",
    "rewarded",
    "select",
    "wca",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
