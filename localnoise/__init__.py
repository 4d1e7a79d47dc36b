"""A grid of processing units in which structured, robustness-giving noise emerges from local learning rules.

Start with `UnitGrid`; baselines are in `central`, the torch layer in `localnoise.nn`.
"""

from importlib import import_module
from typing import Any

from localnoise import central as central
from localnoise import errors as errors
from localnoise import orders as orders
from localnoise import plugins as plugins
from localnoise import rules as rules
from localnoise.bank import Bank as Bank
from localnoise.config import GridConfig as GridConfig
from localnoise.grid import UnitGrid as UnitGrid
from localnoise.loading import load as load
from localnoise.records import read_records as read_records
from localnoise.repair import Repair as Repair
from localnoise.repair import RepairStream as RepairStream
from localnoise.rules import LMS as LMS
from localnoise.rules import Moments as Moments
from localnoise.rules import SignLMS as SignLMS
from localnoise.rules import ThreeFactor as ThreeFactor
from localnoise.surprise import Surprise as Surprise
from localnoise.unit import ProcessingUnit as ProcessingUnit

__version__ = "0.1.0"


__all__ = [
    "LMS",
    "Bank",
    "GridConfig",
    "Moments",
    "ProcessingUnit",
    "Repair",
    "RepairStream",
    "SignLMS",
    "Surprise",
    "Task",
    "ThreeFactor",
    "UnitGrid",
    "central",
    "certificate",
    "errors",
    "hardware",
    "load",
    "local",
    "nn",
    "orders",
    "plugins",
    "read_records",
    "rules",
    "sims",
    "spiking",
]
_LAZY = ("certificate", "hardware", "local", "nn", "sims", "spiking")  # some with dependencies of their own


def __getattr__(name: str) -> Any:
    """Import a part when it is first asked for: `ln.nn`, which needs torch, or `ln.hardware`."""
    if name in _LAZY:
        return import_module(f"localnoise.{name}")
    if name == "Task":
        return import_module("localnoise.nn").Task
    raise AttributeError(f"module 'localnoise' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, also of parts that are not imported yet."""
    return sorted([*__all__, "__doc__", "__version__"])
