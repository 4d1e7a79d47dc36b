"""A network with its defense as one HDF5 file (format localnoise.chipdefense, schema 1): what writes it.

Root attributes `format`, `schema`, `draws`, `vote`, `seed`, `later`, `provenance` (JSON); groups `network`, as a
program's file, and `chip`, as the file of a chip grid, a bank or a repair; `later 0`, `later 1`, ... of repairs of
later layers.
"""

import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from localnoise.files import hdf5
from localnoise.hardware.network.saving import write_program
from localnoise.hardware.repair import ChipRepair
from localnoise.hardware.repair_saving import write_repair
from localnoise.hardware.saving import CHECKSUMMED, write_bank, write_chip
from localnoise.saving import versions

DEFENSE, DEFENSE_SCHEMA = "localnoise.chipdefense", 1


class DefenseParts(Protocol):
    """The attributes of a `ChipDefense` that its file holds."""

    program: Any
    chip: Any
    draws: int
    vote: bool
    seed: int
    later: tuple[Any, ...]
    provenance: dict[str, Any]


def save_defense(defense: DefenseParts, path: str | Path, *, state: bool) -> Path:
    """Write `defense` to `path`; see `ChipDefense.save`."""
    with hdf5(path, libver=CHECKSUMMED) as file:
        file.attrs.update({"format": np.bytes_(DEFENSE), "schema": DEFENSE_SCHEMA, "draws": defense.draws})
        file.attrs.update({"vote": int(defense.vote), "seed": np.uint64(defense.seed)})
        file.attrs["provenance"] = np.bytes_(json.dumps(versions() | defense.provenance))
        write_program(file.create_group("network"), defense.program)
        file.attrs["later"] = len(defense.later)
        for k, repair in enumerate(defense.later):
            write_repair(file.create_group(f"later {k}"), repair)
        group = file.create_group("chip")
        if isinstance(defense.chip, ChipRepair):
            write_repair(group, defense.chip)
        elif hasattr(defense.chip, "members"):
            write_bank(group, defense.chip, state)
        else:
            write_chip(group, defense.chip, state)
    return Path(path)
