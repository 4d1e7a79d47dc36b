"""A chip grid, or a bank, unit by unit: what a toolchain of one's own needs of each, as JSON, as HDF5, and back."""

from localnoise.hardware.configuration.bank import BankConfiguration as BankConfiguration
from localnoise.hardware.configuration.bank import configure_bank as configure_bank
from localnoise.hardware.configuration.bank import read_bank_hdf5 as read_bank_hdf5
from localnoise.hardware.configuration.bank import read_bank_json as read_bank_json
from localnoise.hardware.configuration.bank import write_bank_hdf5 as write_bank_hdf5
from localnoise.hardware.configuration.bank import write_bank_json as write_bank_json
from localnoise.hardware.configuration.files import read_hdf5 as read_hdf5
from localnoise.hardware.configuration.files import read_json as read_json
from localnoise.hardware.configuration.files import write_hdf5 as write_hdf5
from localnoise.hardware.configuration.files import write_json as write_json
from localnoise.hardware.configuration.model import Configuration as Configuration
from localnoise.hardware.configuration.model import Unit as Unit
from localnoise.hardware.configuration.model import configure as configure

__all__ = [
    "BankConfiguration",
    "Configuration",
    "Unit",
    "configure",
    "configure_bank",
    "read_bank_hdf5",
    "read_bank_json",
    "read_hdf5",
    "read_json",
    "write_bank_hdf5",
    "write_bank_json",
    "write_hdf5",
    "write_json",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
