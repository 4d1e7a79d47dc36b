"""A program as one HDF5 file (format localnoise.chipnetwork, schema 1): what writes it.

Root attributes `format` and `schema`; data sets `input`, `layers`, `provenance`, bytes of JSON, for attributes hold at
most 64 kB; of layer k, where it has them, k/weights, k/bias, k/fraction, k/table, k/noise_lift; `golden`, a few
inputs as words.
"""

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from localnoise.files import hdf5
from localnoise.hardware.saving import CHECKSUMMED, write_packed
from localnoise.saving import versions

NETWORK, NETWORK_SCHEMA = "localnoise.chipnetwork", 1


class ProgramParts(Protocol):
    """The attributes of a `Program` that its file holds."""

    shape: Any
    bits: int
    scale: int
    layers: Any
    weight_bits: int
    golden: Any
    provenance: dict[str, Any]


def save_program(program: ProgramParts, path: str | Path) -> Path:
    """Write `program` to `path`; see `Program.save`."""
    with hdf5(path, libver=CHECKSUMMED) as file:
        write_program(file, program)
    return Path(path)


def write_program(file: Any, program: ProgramParts) -> None:
    """Write `program` into a file, or a group of one."""
    own = {name: getattr(program, name) for name in ("shape", "bits", "scale", "weight_bits")}
    layers = []
    for k, layer in enumerate(program.layers):
        arrays: dict[str, Any] = {}
        layers.append({"kind": layer.kind} | _plain(layer, arrays))
        group = file.create_group(str(k))
        for name, array in arrays.items():
            write_packed(group, name, array)
    if program.golden is not None:
        write_packed(file, "golden", program.golden)
    said = {"input": own, "layers": layers, "provenance": versions() | program.provenance}
    file.attrs.update({"format": np.bytes_(NETWORK), "schema": NETWORK_SCHEMA})
    for name, value in said.items():
        write_packed(file, name, np.frombuffer(json.dumps(value).encode(), np.uint8))


def _plain(part: Any, arrays: dict[str, Any]) -> dict[str, Any]:
    """Return a layer's numbers as JSON has them; its arrays go into `arrays`."""
    found: dict[str, Any] = {}
    for one in fields(part):
        value = getattr(part, one.name)
        if isinstance(value, np.ndarray):
            arrays[one.name] = value
        else:
            found[one.name] = _plain(value, arrays) if is_dataclass(value) else value
    return found
