"""All defenses by name; a grid that is spelled out is built when it is asked for."""

from collections.abc import Iterable
from functools import cache

from localnoise.errors import choose
from localnoise.sims.defenses.central import CENTRAL
from localnoise.sims.defenses.chips import CHIPS
from localnoise.sims.defenses.defense import Defense
from localnoise.sims.defenses.grids import LOCAL
from localnoise.sims.defenses.spelled import PREFIX, Spelled
from localnoise.sims.defenses.trained import TRAINED


class _Defenses(dict[str, Defense]):
    """Arms by name; one that is spelled out is built when it is asked for."""

    def __missing__(self, name: str) -> Defense:
        if not name.startswith(PREFIX):
            raise KeyError(name)
        return _spelled(name)


@cache
def _spelled(name: str) -> Defense:
    return Spelled.parse(name).arm


DEFENSES = _Defenses((arm.name, arm) for arm in (*CENTRAL, *LOCAL, *CHIPS, *TRAINED))


def ordered(names: Iterable[str]) -> list[str]:
    """Return each name once: those of the table in its order, then those that spell an arm out, in their own."""
    given = dict.fromkeys(names)
    return [*(name for name in DEFENSES if name in given), *(name for name in given if name not in DEFENSES)]


def named(name: str) -> Defense:
    """Return the arm of this name, or the one that it spells out.

    Raises
    ------
    ArgumentError
        An unknown name (the near one is suggested), or hyperparameters that cannot be.
    """
    return DEFENSES[name if name.startswith(PREFIX) else choose("arm", name, DEFENSES)]
