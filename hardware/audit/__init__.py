"""Does a device still draw its grid's noise? Judged from the words that it put out, by tests of a stated power."""

from localnoise.hardware.audit.device import DeviceAudit as DeviceAudit
from localnoise.hardware.audit.verdict import Finding as Finding
from localnoise.hardware.audit.verdict import Verdict as Verdict

__all__ = [
    "DeviceAudit",
    "Finding",
    "Verdict",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
