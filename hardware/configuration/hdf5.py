"""The configuration as HDF5: one table a quantity, a row a unit.

Root attributes `format`, `version`, and `head` (JSON: all that is not of one unit, and the document's checksum); group
`units` with the quantities of `model.Unit` (`core` -1 where it is not known; empty slots -1, their weights 0), group
`learned` where units learn.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.errors import FileFormatError
from localnoise.files import hdf5
from localnoise.hardware.configuration.document import assemble, signed_head
from localnoise.hardware.configuration.model import FORMAT, PER_UNIT, VERSION, WITHOUT_CHECKSUM, Configuration, named
from localnoise.hardware.saving import CHECKSUMMED, write_packed
from localnoise.hardware.storage import stored
from localnoise.hardware.texts import from_json
from localnoise.hdf5 import member


def write_hdf5(configuration: Configuration, path: str | Path) -> Path:
    """Write a configuration; cost O(weights)."""
    with hdf5(path, libver=CHECKSUMMED) as file:
        write_group(file, configuration)
    return Path(path)


def write_group(file: Any, configuration: Configuration) -> dict[str, Any]:
    """Write a configuration into a file, or a group of one, and return its head."""
    chip = configuration.chip
    head = signed_head(configuration)
    file.attrs.update({"format": np.bytes_(FORMAT), "version": VERSION, "head": np.bytes_(json.dumps(head))})
    units = file.create_group("units")
    for name, array in (chip.field.arrays | _named(configuration)).items():
        write_packed(units, name, array)
    if chip.state is not None:
        learned = file.create_group("learned")
        for name in PER_UNIT:
            write_packed(learned, name, chip.state[name])
    return head


def _named(configuration: Configuration) -> dict[str, Any]:
    """Return the entries that a chip grid's own file need not hold, as arrays; -1 for a core that is not known."""
    core = np.full(len(configuration), -1) if configuration.core is None else configuration.core
    return named(configuration) | {"core": core.astype(np.int64)}


def read_group(source: Path, file: Any) -> Configuration:
    """Read the configuration of a file, or of a group of one."""
    found, version = file.attrs.get("format"), int(file.attrs.get("version", -1))
    if found != np.bytes_(FORMAT) or version not in (VERSION, WITHOUT_CHECKSUM):
        raise FileFormatError(
            f"{source}: {found!r}, version {version}; this localnoise reads {FORMAT}, versions "
            f"{WITHOUT_CHECKSUM} and {VERSION}"
        )
    return _read(source, file, version)


def _read(source: Path, file: Any, version: int) -> Configuration:
    said = from_json(file.attrs["head"])
    if said["version"] != version:
        raise FileFormatError(f"{source}: version {version}, its head says {said['version']!r}; it was edited")

    def array(name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        return stored(source, member(source, file, "units"), name, shape, np.dtype(dtype))

    def state(field: Any, fresh: dict[str, Any]) -> dict[str, Any]:
        return {
            name: stored(source, member(source, file, "learned"), name, fresh[name].shape, fresh[name].dtype)
            for name in PER_UNIT
        }

    found = assemble(said, source, array, state)
    for name, expected in _named(found).items():
        if name != "core" and not np.array_equal(array(name, expected.shape, expected.dtype), expected):
            raise FileFormatError(f"{source}: units/{name} is not what order and seed say; it was edited; export again")
    return found
