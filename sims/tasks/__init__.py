"""Tasks: a network, its data and what happens to its inputs; the built-in ones and those of users' files."""

from localnoise.sims.tasks.base import OWN_DATA as OWN_DATA
from localnoise.sims.tasks.base import Workload as Workload
from localnoise.sims.tasks.base import usual as usual
from localnoise.sims.tasks.registry import TASKS as TASKS
from localnoise.sims.tasks.registry import find as find
from localnoise.sims.tasks.registry import load as load
from localnoise.sims.tasks.registry import loaded as loaded
from localnoise.sims.tasks.registry import mounted as mounted

__all__ = [
    "TASKS",
    "Workload",
    "find",
    "load",
    "loaded",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
