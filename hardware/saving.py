"""Writing a chip grid's file: see `hardware.storage` for its layout."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from localnoise.config import GridConfig
from localnoise.files import hdf5
from localnoise.hardware.formats import Formats
from localnoise.hardware.learning import OnChip
from localnoise.hardware.narrow import NarrowWords
from localnoise.hardware.rewarding import OnChipReward
from localnoise.hardware.words import IntegerField
from localnoise.saving import versions

FORMAT, BANK, SCHEMA = "localnoise.chip", "localnoise.chipbank", 1
NARROW_SCHEMA = 2  # of a chip grid with share or rank
CHECKSUMMED = ("v110", "v110")  # earlier file formats have no checksums over metadata


class ChipParts(Protocol):
    """The attributes of a `ChipGrid` that its file holds."""

    config: GridConfig
    formats: Formats
    field: IntegerField | NarrowWords
    rule: OnChip | None
    state: dict[str, Any] | None
    rewarded: tuple[OnChipReward, dict[str, Any]] | None
    provenance: dict[str, Any]


class BankParts(Protocol):
    """The attributes of a `ChipBank` that its file holds."""

    members: list[Any]
    thresholds: npt.NDArray[np.uint64]
    provenance: dict[str, Any]


def save(chip: ChipParts, path: str | Path, *, state: bool = True) -> Path:
    """Write `chip` to `path`; see `ChipGrid.save`."""
    with hdf5(path, libver=CHECKSUMMED) as file:
        write_chip(file, chip, state)
    return Path(path)


def save_bank(bank: BankParts, path: str | Path, *, state: bool = True) -> Path:
    """Write `bank` to `path`; see `ChipBank.save`."""
    with hdf5(path, libver=CHECKSUMMED) as file:
        write_bank(file, bank, state)
    return Path(path)


def write_bank(file: Any, bank: BankParts, state: bool) -> None:
    """Write `bank` into a file, or a group of one."""
    said = np.bytes_(json.dumps(versions() | bank.provenance))
    file.attrs.update({"format": np.bytes_(BANK), "schema": SCHEMA, "provenance": said})
    write_packed(file, "thresholds", bank.thresholds)
    for index, member in enumerate(bank.members):
        write_chip(file.create_group(str(index)), member, state)


def write_chip(file: Any, chip: ChipParts, state: bool) -> None:
    """Write `chip` into a file, or a group of one."""
    file.attrs.update({"format": np.bytes_(FORMAT), "schema": NARROW_SCHEMA if chip.config.narrow else SCHEMA})
    for name, value in (("config", chip.config.plain()), ("formats", asdict(chip.formats))):
        file.attrs[name] = np.bytes_(json.dumps(value))
    file.attrs["provenance"] = np.bytes_(json.dumps(versions() | chip.provenance))
    file.attrs["activation_scale"] = chip.field.activation_scale
    for name, array in chip.field.arrays.items():
        write_packed(file, name, array)
    if state and chip.rule is not None and chip.state is not None:
        group = file.create_group("learner")
        group.attrs["options"] = np.bytes_(json.dumps(asdict(chip.rule)))
        group.attrs["seen"] = chip.state["seen"]
        for name, value in chip.state.items():
            if name != "seen":
                write_packed(group, name, value)
    if state and chip.rewarded is not None:
        reward, masters = chip.rewarded
        group = file.create_group("rewarded")
        group.attrs["options"] = np.bytes_(json.dumps(asdict(reward)))
        for name, value in masters.items():
            write_packed(group, name, value)


def write_packed(group: Any, name: str, array: Any) -> None:
    """Write an array, compressed, with a checksum."""
    packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if array.size else {}
    group.create_dataset(name, data=array, **packed)
