"""Arms: the ways to defend a network that experiments compare, one row of a table each."""

from collections.abc import Iterable
from functools import cache

from localnoise.errors import choose
from localnoise.sims.arms.arm import Arm as Arm
from localnoise.sims.arms.central import CENTRAL
from localnoise.sims.arms.chips import CHIPS
from localnoise.sims.arms.local import LOCAL
from localnoise.sims.arms.spelled import PREFIX, Spelled
from localnoise.sims.arms.trained import TRAINED


class _Arms(dict[str, Arm]):
    """Arms by name; one that is spelled out is built when it is asked for."""

    def __missing__(self, name: str) -> Arm:
        if not name.startswith(PREFIX):
            raise KeyError(name)
        return _spelled(name)


@cache
def _spelled(name: str) -> Arm:
    return Spelled.parse(name).arm


ARMS = _Arms((arm.name, arm) for arm in (*CENTRAL, *LOCAL, *CHIPS, *TRAINED))


def ordered(names: Iterable[str]) -> list[str]:
    """Return each name once: those of the table in its order, then those that spell an arm out, in their own."""
    given = dict.fromkeys(names)
    return [*(name for name in ARMS if name in given), *(name for name in given if name not in ARMS)]


def named(name: str) -> Arm:
    """Return the arm of this name, or the one that it spells out.

    Raises
    ------
    ArgumentError
        An unknown name (the near one is suggested), or hyperparameters that cannot be.
    """
    return ARMS[name if name.startswith(PREFIX) else choose("arm", name, ARMS)]
