"""Repair: units that undo what happened to an activation, and a gate in which they vote on what that was."""

from localnoise.repair.repairer import Repair as Repair
from localnoise.repair.stream import RepairStream as RepairStream

__all__ = ["Repair", "RepairStream"]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
