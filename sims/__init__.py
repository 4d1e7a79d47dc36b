"""Experiments: data, modifications, attacks, networks, arms, records, figures and the command line."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers; loaded by `__getattr__` when they are touched
    from localnoise.sims import attacks as attacks
    from localnoise.sims import data as data
    from localnoise.sims import defenses as defenses
    from localnoise.sims import evaluation as evaluation
    from localnoise.sims import perturbations as perturbations
    from localnoise.sims import tasks as tasks

__all__ = ["attacks", "data", "defenses", "evaluation", "perturbations", "tasks"]  # the rest are the commands' own


if not TYPE_CHECKING:  # a type checker would take any name for one that is there

    def __getattr__(name: str) -> Any:
        """Import a package when it is first asked for: `ln.sims.attacks`."""
        if name in __all__:
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, also of parts that are not imported yet."""
    return sorted(__all__)
