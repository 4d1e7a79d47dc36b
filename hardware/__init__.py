"""Hardware: fixed point, random numbers, chip profiles, fit, cost, emulation and export of a learned grid.

Start with `quantise`, which turns a learned `UnitGrid` into a `ChipGrid`, or a `Repair` into a `ChipRepair`:
integers, emulated to the bit.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from localnoise.hardware.bank import ChipBank as ChipBank
from localnoise.hardware.emulator import ChipGrid as ChipGrid
from localnoise.hardware.formats import Formats as Formats
from localnoise.hardware.learning import OnChip as OnChip
from localnoise.hardware.quantiser import Report as Report
from localnoise.hardware.quantiser import quantise as quantise
from localnoise.hardware.quantiser import report as report
from localnoise.hardware.quantiser.repair_report import RepairReport as RepairReport
from localnoise.hardware.quantiser.repair_report import repair_report as repair_report
from localnoise.hardware.repair import ChipRepair as ChipRepair
from localnoise.hardware.rewarding import OnChipReward as OnChipReward
from localnoise.hardware.storage import load_chip as load_chip
from localnoise.hardware.storage import load_chips as load_chips

if TYPE_CHECKING:  # for editors and type checkers; loaded by `__getattr__` when they are touched
    from localnoise.hardware import audit as audit
    from localnoise.hardware import chips as chips
    from localnoise.hardware import configuration as configuration
    from localnoise.hardware import export as export
    from localnoise.hardware import fitting as fitting
    from localnoise.hardware import network as network

_LAZY = ("audit", "chips", "configuration", "export", "fitting", "network")
__all__ = [
    "ChipBank",
    "ChipGrid",
    "ChipRepair",
    "Formats",
    "OnChip",
    "OnChipReward",
    "RepairReport",
    "Report",
    "audit",
    "chips",
    "configuration",
    "export",
    "fitting",
    "load_chip",
    "load_chips",
    "network",
    "quantise",
    "repair_report",
    "report",
]


if not TYPE_CHECKING:  # a type checker would take any name for one that is there

    def __getattr__(name: str) -> Any:
        """Import a package when it is first asked for: `ln.hardware.export`."""
        if name in _LAZY:
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, also of parts that are not imported yet."""
    return sorted(__all__)
