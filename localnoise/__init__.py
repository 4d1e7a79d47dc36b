"""A grid of processing units in which structured, robustness-giving noise emerges from local learning rules.

Start with `UnitGrid`; baselines are in `central`, the torch layer in `localnoise.nn`.
"""

from typing import Any

from localnoise import central as central
from localnoise.bank import Bank as Bank
from localnoise.config import GridConfig as GridConfig
from localnoise.grid import UnitGrid as UnitGrid
from localnoise.records import read_records as read_records
from localnoise.rules import LMS as LMS
from localnoise.rules import Moments as Moments
from localnoise.rules import SignLMS as SignLMS
from localnoise.storage import load as load
from localnoise.unit import ProcessingUnit as ProcessingUnit

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the parts with large dependencies when they are first asked for: `ln.spiking`, `ln.nn`."""
    if name in ("nn", "spiking"):
        from importlib import import_module

        return import_module(f"localnoise.{name}")
    raise AttributeError(f"module 'localnoise' has no attribute {name!r}")
