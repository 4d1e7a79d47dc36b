"""A chip's repair as one HDF5 file (format localnoise.chiprepair, schema 3): what writes it.

Root attributes `format`, `schema`, `config`, `formats`, `sources`, `provenance` (JSON), `multiplier`, `shift`,
`activation_scale`, `among_multiplier`, `among_shift`, `activations`; one data set an array of `RepairWords`. Schema 1
knew no worth and no second look; schema 2, that of a repair without bends, has no `activations`.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from localnoise.config import GridConfig
from localnoise.files import hdf5
from localnoise.hardware.formats import Formats
from localnoise.hardware.repair_words import ABSENT, NUMBERS, RepairWords
from localnoise.saving import CHECKSUMMED, versions, write_array

REPAIR, REPAIR_SCHEMA = "localnoise.chiprepair", 3


class RepairParts(Protocol):
    """The attributes of a `ChipRepair` that its file holds."""

    config: GridConfig
    formats: Formats
    field: RepairWords
    member_sources: list[str]
    provenance: dict[str, Any]


def save_repair(chip: RepairParts, path: str | Path) -> Path:
    """Write `chip` to `path`; see `ChipRepair.save`."""
    with hdf5(path, libver=CHECKSUMMED) as file:
        write_repair(file, chip)
    return Path(path)


def write_repair(file: Any, chip: RepairParts) -> None:
    """Write `chip` into a file, or a group of one."""
    said = {
        "config": chip.config.plain(),
        "formats": asdict(chip.formats),
        "sources": chip.member_sources,
        "provenance": versions() | chip.provenance,
    }
    schema = REPAIR_SCHEMA if chip.field.bends else REPAIR_SCHEMA - 1
    file.attrs.update({"format": np.bytes_(REPAIR), "schema": schema})
    file.attrs.update({name: np.bytes_(json.dumps(value)) for name, value in said.items()})
    file.attrs.update({name: getattr(chip.field, name) for name in NUMBERS if name not in ABSENT[schema]})
    for name, array in chip.field.arrays.items():
        write_array(file, name, array)
