"""Arms in integers, `int8:ARM` and `int4:ARM`: the whole network of another arm as a chip runs it.

The network is trained in floating point, as that arm's; then all of its layers, and what they draw or repair at test,
are quantised after training (`hardware.network`). The number is that of the layers' weights; words between layers have
8 bits.
"""

import re
from collections.abc import Callable
from dataclasses import replace

from localnoise.errors import ArgumentError
from localnoise.sims.defenses.defense import Defense
from localnoise.sims.defenses.repairing import CALIBRATED, FIRST, NONE, Repairing

_NAME = re.compile(r"int([0-9]+):(.+)")


def is_deployed(name: str) -> bool:
    """Return whether a name is one of an arm in integers."""
    return _NAME.fullmatch(name) is not None


def deployed_arm(name: str, find: Callable[[str], Defense]) -> Defense:
    """Return the arm that an `int8:ARM` spells out; `find` knows the others.

    Raises
    ------
    ArgumentError
        Weights of no width that a chip has, or an arm that has no form in integers.
    """
    found = _NAME.fullmatch(name)
    assert found is not None
    bits, inner = int(found[1]), found[2]
    if not 2 <= bits <= 8 or is_deployed(inner):
        raise ArgumentError(f"arm {name!r}: expected int2 to int8, a colon, and an arm in floating point: int8:repair")
    arm, _ = fitted(find(inner))
    repairs = arm.repair is not None and arm.repair.layers != NONE
    revision = 2 if repairs else arm.revision  # 1 calibrated repairs behind the float network's layers
    label = f"{arm.label}; all in {bits} bits"
    return replace(arm, name=name, label=label, deployed=bits, twin=arm.name, revision=revision)


def fitted(arm: Defense) -> tuple[Defense, str]:
    """Return the arm that a chip can run in the place of this one, and a sentence that says how they differ, or "".

    Raises
    ------
    ArgumentError
        It has no form in integers.
    """
    name, plan = arm.name, arm.repair
    if plan is None or plan.layers == NONE:
        if arm.build is not None and arm.central and arm.when in ("both", "eval"):
            raise ArgumentError(
                f"defense={name!r} draws central noise, which no chip here holds: expected a local one, such as "
                "multiscale-8 or raster-1"
            )
        return arm, ""
    other = "dense=yes" if plan.dense else "told=yes" if plan.told else ""
    other = other or (f"gate={plan.gate}" if plan.gate != CALIBRATED else "")
    if other or plan.asks != 1:
        raise ArgumentError(
            f"defense={name!r} has {other or f'asks={plan.asks}'}, which no chip here does: expected a repair "
            "without it"
        )
    own = Defense.of_repair(for_chip(plan))
    if plan.layers == FIRST:
        return own, ""
    return own, (
        f"{name} on a chip: the layer of the defense decides and repairs alone; later layers are not repaired, no "
        "second look is taken, and nobody asks what a repair is worth"
    )


def for_chip(plan: Repairing) -> Repairing:
    """Return a plan's repair of one layer in floating point, which becomes integers with the network."""
    return replace(plan, layers=FIRST, anew=True, worth=False, bits=0)
