"""Attacks on noisy networks: one Protocol, one registry. What they say together is the evaluation's business."""

# Attacks are listed in the order in which they are imported.
# isort: off
from localnoise.sims.attacks.base import Attack as Attack
from localnoise.sims.attacks.registry import ATTACKS as ATTACKS
from localnoise.sims.attacks.registry import EPS as EPS
from localnoise.sims.attacks.pgd import PGD as PGD
from localnoise.sims.attacks.fgsm import FGSM as FGSM
from localnoise.sims.attacks.apgd import APGD as APGD
from localnoise.sims.attacks.square import Square as Square
from localnoise.sims.attacks.chance import RandomNoise as RandomNoise
from localnoise.sims.attacks.paper import PAPER_ATTACKS as PAPER_ATTACKS
from localnoise.sims.attacks.paper import PaperAttack as PaperAttack
from localnoise.sims.attacks.transfer import Transfer as Transfer
# isort: on

__all__ = [
    "APGD",
    "ATTACKS",
    "EPS",
    "FGSM",
    "PAPER_ATTACKS",
    "PGD",
    "Attack",
    "PaperAttack",
    "RandomNoise",
    "Square",
    "Transfer",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
