"""Which defenses a local training has no place for: those that learn from gradients across the layers."""

from collections.abc import Iterable

from localnoise.errors import ArgumentError
from localnoise.nn.local.base import BACKPROP
from localnoise.sims.defenses.registry import named


def check_crossing(training: str, arms: Iterable[str]) -> None:
    """Raise an ArgumentError if an arm learns from gradients that a network trained by a local rule does not have.

    An attack on training images is none of these: its gradients are the attacker's, and no weight learns from them.
    """
    if training == BACKPROP:
        return
    for name in arms:
        if named(name).crosses:
            raise ArgumentError(
                f"defense={name!r} learns from gradients that cross the layers after the noise, and "
                f"training={training!r} has none: expected training={BACKPROP!r}; or leave the defense out"
            )
