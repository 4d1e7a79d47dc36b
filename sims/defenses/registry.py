"""Defenses by name: each registers itself, one of a plug-in's too; what is spelled out is built on demand."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import final

from localnoise.errors import ArgumentError
from localnoise.registry import Registry
from localnoise.sims.defenses import augmentation_plan, repair_plan, reward_plan
from localnoise.sims.defenses.augmentation_plan import Augmenting
from localnoise.sims.defenses.defense import Defense
from localnoise.sims.defenses.grid_plan import PREFIX, Spelled
from localnoise.sims.defenses.integer_arms import deployed_arm, is_deployed
from localnoise.sims.defenses.repair_plan import Repairing
from localnoise.sims.defenses.reward_plan import Rewarding

_SPELLED = (PREFIX, repair_plan.PREFIX, augmentation_plan.PREFIX, reward_plan.PREFIX)


def _fault(name: str, defense: Defense) -> str:
    return "" if defense.name == name else f"calls itself {defense.name!r}: expected the same name"


REGISTRY = Registry("defense", Defense, group="localnoise.defenses", home="localnoise.sims.defenses", check=_fault)


def register(*defenses: Defense) -> None:
    """Enter defenses under their names.

    Parameters
    ----------
    *defenses : Defense
        Their names must be free.

    Raises
    ------
    ArgumentError
        A name is taken, or no plain name.
    """
    module = sys._getframe(1).f_globals.get("__name__", "")
    for defense in defenses:
        REGISTRY.register(defense.name, module)(defense)


@final
class _Defenses(Mapping[str, Defense]):
    """Those of the registry, and every `grid:...`, `repair:...`, `augmentation:...`, `rewarded:...` and `int8:...`."""

    def __getitem__(self, name: str) -> Defense:
        if _is_spelled(name):
            return _spelled(name)
        found: Defense = REGISTRY[name]
        return found

    def __contains__(self, name: object) -> bool:
        return name in REGISTRY

    def __iter__(self) -> Iterator[str]:
        return iter(REGISTRY)

    def __len__(self) -> int:
        return len(REGISTRY)


def _is_spelled(name: str) -> bool:
    return name.startswith(_SPELLED) or is_deployed(name)


@cache
def _spelled(name: str) -> Defense:
    if is_deployed(name):
        return deployed_arm(name, named)
    if name.startswith(PREFIX):
        return Spelled.parse(name).arm
    if name.startswith(augmentation_plan.PREFIX):
        return Defense.of_augmentation(Augmenting.parse(name), name)
    if name.startswith(reward_plan.PREFIX):
        return Defense.of_rewards(Rewarding.parse(name), name)
    plan = Repairing.parse(name)
    if plan.after:
        _check_repaired(name, named(plan.after) if not _is_spelled(plan.after) else None, plan.after)
    return Defense.of_repair(plan, name)


def _check_repaired(name: str, arm: Defense | None, after: str) -> None:
    """Refuse to repair what another arm trains, unless it is a network that draws nothing at test."""
    noise = arm is not None and arm.build is not None and arm.when == "train"
    if arm is None or not (noise or (arm.whole and after.startswith("augmentation"))):
        raise ArgumentError(
            f"arm {name!r}: after={after} is no network that draws nothing at test: expected augmentation-whole, "
            "augmentation-converged, or an arm with noise at training only, such as signal-8 or train-8"
        )


DEFENSES = _Defenses()
"""Defenses by name, and whatever a name spells out: `DEFENSES["grid:parents=4"]`."""


def ordered(names: Iterable[str]) -> list[str]:
    """Return each name once: those of the table in its order, then those that spell a grid out, in their own.

    Parameters
    ----------
    names : iterable of str
        Of defenses.

    Returns
    -------
    list of str
        Each once.
    """
    given = dict.fromkeys(names)
    return [*(name for name in DEFENSES if name in given), *(name for name in given if name not in DEFENSES)]


def named(name: str) -> Defense:
    """Return the defense of this name, or the one that it spells out.

    Parameters
    ----------
    name : str
        Such as "identity", or what spells one out: "grid:parents=4".

    Returns
    -------
    Defense
        Registered, or made of its name.

    Raises
    ------
    ArgumentError
        An unknown name (the near one is suggested), or hyperparameters out of their ranges.
    """
    if _is_spelled(name):
        return DEFENSES[name]
    found: Defense = REGISTRY.find(name)
    return found


def repairing_name(plan: Repairing) -> str:
    """Return the name of the arm that repairs as the plan says: the table's, or the one that spells it out."""
    return next((name for name in DEFENSES if DEFENSES[name].repair == plan), plan.name)
