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
from localnoise.sims.defenses.repair_plan import CALIBRATED, FIRST, NONE

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
    arm = fitted(find(inner))
    plan = arm.repair
    repairs = plan is not None and plan.layers != NONE
    revision = 2 if repairs else arm.revision  # 1 calibrated repairs behind the float network's layers
    if plan is not None and repairs and (plan.layers != FIRST or plan.worth):
        # before, the first layer alone was repaired, and nobody asked what a repair is worth, or for margins behind it
        revision = 4 if plan.worth else 3
    label = f"{arm.label}; all in {bits} bits"
    return replace(arm, name=name, label=label, deployed=bits, twin=arm.name, revision=revision)


def fitted(arm: Defense) -> Defense:
    """Return the arm in floating point that is trained for a chip in the place of this one.

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
        return arm
    other = "dense=yes" if plan.dense else "told=yes" if plan.told else ""
    other = other or (f"gate={plan.gate}" if plan.gate != CALIBRATED else "")
    if other or plan.asks != 1:
        raise ArgumentError(
            f"defense={name!r} has {other or f'asks={plan.asks}'}, which no chip here does: expected a repair "
            "without it"
        )
    return Defense.of_repair(replace(plan, bits=0))
