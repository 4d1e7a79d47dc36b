"""Export: a chip grid as artefacts that are run, and compared with the emulator to the bit."""

from localnoise.hardware.export.artefact import check_network_export as check_network_export
from localnoise.hardware.export.artefact import export as export
from localnoise.hardware.export.comparison import verify as verify
