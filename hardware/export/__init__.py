"""Export: a chip grid as artefacts that are run, and compared with the emulator to the bit."""

from localnoise.hardware.export.artefact import check_network_export as check_network_export
from localnoise.hardware.export.artefact import export as export
from localnoise.hardware.export.backends import BACKENDS as BACKENDS
from localnoise.hardware.export.backends import Verifier as Verifier
from localnoise.hardware.export.comparison import verify as verify
from localnoise.hardware.export.exporters import EXPORTERS as EXPORTERS
from localnoise.hardware.export.exporters import Exporter as Exporter

__all__ = [
    "BACKENDS",
    "EXPORTERS",
    "Exporter",
    "Verifier",
    "check_network_export",
    "export",
    "verify",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
