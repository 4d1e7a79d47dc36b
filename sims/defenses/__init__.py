"""Defenses that experiments compare, one row of a table each: noise of every kind, trained baselines, and repair."""

# Defenses are listed in the order in which they are imported.
# isort: off
from localnoise.sims.defenses.defense import Defense as Defense
from localnoise.sims.defenses.registry import DEFENSES as DEFENSES
from localnoise.sims.defenses.registry import named as named
from localnoise.sims.defenses.registry import ordered as ordered
from localnoise.sims.defenses.registry import register as register
from localnoise.sims.defenses.registry import repairing_name as repairing_name
from localnoise.sims.defenses import central_arms as _central_arms  # noqa: F401
from localnoise.sims.defenses import grid_arms as _grid_arms  # noqa: F401
from localnoise.sims.defenses import chip_arms as _chip_arms  # noqa: F401
from localnoise.sims.defenses import trained_arms as _trained_arms  # noqa: F401
from localnoise.sims.defenses import reward_arms as _reward_arms  # noqa: F401
from localnoise.sims.defenses import repair_arms as _repair_arms  # noqa: F401
# isort: on

from localnoise.sims.defenses.adversarial import adversarial as adversarial
from localnoise.sims.defenses.augmentation_plan import Augmenting as Augmenting
from localnoise.sims.defenses.crossing import check_crossing as check_crossing
from localnoise.sims.defenses.gaussian import gaussian as gaussian
from localnoise.sims.defenses.learned_covariance import LearnedNoise as LearnedNoise
from localnoise.sims.defenses.lesson import Lesson as Lesson
from localnoise.sims.defenses.lesson import added_parameters as added_parameters
from localnoise.sims.defenses.modified import modified as modified
from localnoise.sims.defenses.repair_plan import Repairing as Repairing
from localnoise.sims.defenses.reward_plan import Rewarding as Rewarding
from localnoise.sims.defenses.reward_training import rewarded as rewarded
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
