"""Attacks by name: each registers itself, one of a plug-in's too. A name is what a perturbation may be called."""

from typing import TYPE_CHECKING, Protocol

from localnoise.registry import Registry
from localnoise.sims.attacks.base import Attack

if TYPE_CHECKING:
    from localnoise.sims.attacks.pgd import PGD

EPS = 0.1  # default strength: the largest change of a pixel


class MakeAttack(Protocol):
    """Makes an attack of a strength."""

    def __call__(self, settings: "PGD", eps: float) -> Attack:
        """Return the attack whose largest change of a value is `eps`.

        settings : the experiment's PGD; its `draws` is how many draws a gradient is averaged over.
        """


ATTACKS = Registry("attack", MakeAttack, group="localnoise.attacks", home="localnoise.sims.attacks")
