"""Attacks by name: each registers itself, one of a plug-in's too. A name is what a perturbation may be called."""

from typing import TYPE_CHECKING, Protocol

from localnoise.registry import Registry
from localnoise.sims.attacks.base import Attack

if TYPE_CHECKING:
    from localnoise.sims.attacks.pgd import PGD

EPS = 0.1
"""Default strength of an attack: the largest change of a value, in the units of the data."""


class MakeAttack(Protocol):
    """Makes an attack of a strength."""

    def __call__(self, settings: "PGD", eps: float) -> Attack:
        """Return the attack of a strength.

        Parameters
        ----------
        settings : PGD
            The experiment's; its `draws` is how many draws a gradient is averaged over.
        eps : float
            Largest change of a value, in the units of the data.

        Returns
        -------
        Attack
            Of that eps.
        """


ATTACKS = Registry("attack", MakeAttack, group="localnoise.attacks", home="localnoise.sims.attacks")
"""Attacks by name. `ATTACKS.register(name)` enters a `MakeAttack`: a function of settings and strength."""
