"""Records as earlier versions wrote them: HDF5 of schema 1, a group each."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from localnoise.records.hdf5 import FORMAT, SCHEMA, checksum
from localnoise.sims.results.code import source_hash
from localnoise.storage import versions

Entry = tuple[dict[str, Any], dict[str, Any], float]


def write(path: Path, entries: list[Entry], made: dict[str, Any] | None = None) -> Path:
    """Add records (config, results, seconds) to a file, of provenance `made`, or by code of the sources of this one."""
    provenance = json.dumps(versions() | {"code": source_hash()} if made is None else made)
    for config, results, seconds in entries:
        with h5py.File(path, "a") as file:
            if "format" not in file.attrs:
                file.attrs.update({"format": np.bytes_(FORMAT), "schema": SCHEMA})
            group = file.create_group(f"{len(file):06d}")
            text = json.dumps(config, sort_keys=True)
            group.attrs["seconds"] = seconds
            said = {"config": text, "provenance": provenance, "checksum": checksum(text, results)}
            for name, value in (said | results).items():
                if np.ndim(value):
                    group.create_dataset(name, data=value, compression="gzip")
                else:
                    group.attrs[name] = np.bytes_(value.encode()) if isinstance(value, str) and value else value
            file.attrs["count"] = len(file)
    return path
