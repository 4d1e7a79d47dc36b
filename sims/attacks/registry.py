"""Attacks by name: what a source or a threat may be called."""

from collections.abc import Callable
from dataclasses import replace

from localnoise.sims.attacks.apgd import APGD
from localnoise.sims.attacks.base import Attack
from localnoise.sims.attacks.chance import RandomNoise
from localnoise.sims.attacks.fgsm import FGSM
from localnoise.sims.attacks.paper import PAPER_ATTACKS, PaperAttack
from localnoise.sims.attacks.pgd import PGD
from localnoise.sims.attacks.square import Square

EPS = 0.1  # default strength: the largest change of a pixel


def _paper(name: str) -> Callable[[PGD, float], Attack]:
    return lambda settings, eps: PaperAttack(name=name, eps=eps)


ATTACKS: dict[str, Callable[[PGD, float], Attack]] = {
    "pgd": lambda settings, eps: replace(settings, eps=eps),
    "fgsm": lambda settings, eps: FGSM(eps=eps, draws=settings.draws),
    "apgd-ce": lambda settings, eps: APGD(eps=eps, draws=settings.draws),
    "apgd-dlr": lambda settings, eps: APGD(eps=eps, loss="dlr", draws=settings.draws),
    "square": lambda settings, eps: Square(eps=eps),
    "random": lambda settings, eps: RandomNoise(eps=eps),
    **{f"art-{name}": _paper(name) for name in PAPER_ATTACKS},
}
"""(the experiment's PGD, eps) -> attack. `art-...`: the paper's, with the defaults of its library."""
