"""Experiments: data, modifications, attacks, networks, arms, records, figures and the command line."""

from importlib import import_module
from typing import Any

__all__ = ["attacks", "data", "defenses", "evaluation", "perturbations", "tasks"]  # the rest are the commands' own


def __getattr__(name: str) -> Any:
    """Import a package when it is first asked for: `ln.sims.attacks`."""
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, also of parts that are not imported yet."""
    return sorted(__all__)
