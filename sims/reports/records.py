"""Append-only records in HDF5: one group a result, with configuration, versions, time. Tables and figures read them.

Layout (schema 1): root attributes `format`, `schema`; groups `000000`, `000001`, ... with attributes `config` (JSON),
`provenance` (JSON), `seconds`, one attribute per number, one dataset per array. A record is never changed or removed.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from localnoise.errors import FileFormatError
from localnoise.files import written_aside
from localnoise.storage import versions

FORMAT, SCHEMA = "localnoise.records", 1


@dataclass(frozen=True)
class Record:
    """One finished result: what was asked, what came out, what made it."""

    config: dict[str, Any]
    results: dict[str, Any]
    provenance: dict[str, Any]
    seconds: float


class RecordFile:
    """A file of records. Appending copies the file aside and renames it: a crash leaves all finished records intact."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __iter__(self) -> Iterator[Record]:
        """Yield the records in the order in which they were written; nothing if the file does not exist."""
        if not self.path.exists():
            return
        with _opened(self.path) as file:
            for name in sorted(file):
                group = file[name]
                known = {"config", "provenance", "seconds"}
                results = {key: _plain(value) for key, value in group.attrs.items() if key not in known}
                results |= {key: group[key][()] for key in group}
                config, provenance = json.loads(group.attrs["config"]), json.loads(group.attrs["provenance"])
                yield Record(config, results, provenance, float(group.attrs["seconds"]))

    def done(self) -> set[str]:
        """Keys of the configurations that are done."""
        return {key(record.config) for record in self}

    def of(self, configs: Iterable[dict[str, Any]]) -> list[Record]:
        """Return the records of these configurations."""
        wanted = {key(config) for config in configs}
        return [record for record in self if key(record.config) in wanted]

    def append(self, config: dict[str, Any], results: dict[str, Any], seconds: float) -> None:
        """Add one record; O(file size), for the sake of an atomic rename."""
        existed = self.path.exists()
        if existed:
            _opened(self.path).close()
        with written_aside(self.path) as aside:
            if existed:
                shutil.copyfile(self.path, aside)
            with h5py.File(aside, "a" if existed else "w") as file:
                file.attrs.update({"format": FORMAT, "schema": SCHEMA})
                group = file.create_group(f"{len(file):06d}")
                group.attrs["config"] = json.dumps(config, sort_keys=True)
                group.attrs["provenance"] = json.dumps(versions() | {"code": code_version()})
                group.attrs["seconds"] = seconds
                for name, value in results.items():
                    if np.ndim(value):
                        group.create_dataset(name, data=value, compression="gzip")
                    else:
                        group.attrs[name] = value


def key(config: dict[str, Any]) -> str:
    """Identity of a configuration: its canonical JSON, hashed."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


@cache
def code_version() -> str:
    """Hash of the package's own source files, so that a record says which code made it; 12 hexadecimal digits."""
    import localnoise
    import localnoise.hardware
    import localnoise.sims

    digest = hashlib.sha256()
    for package in (localnoise, localnoise.hardware, localnoise.sims):
        folder = Path(package.__path__[0])
        for source in sorted(folder.rglob("*.py")):
            digest.update(source.relative_to(folder).as_posix().encode() + source.read_bytes())
    return digest.hexdigest()[:12]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _opened(path: Path) -> Any:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise FileFormatError(
            f"{path}: damaged or not HDF5 ({error}); move it away to start a new record file"
        ) from error
    found, schema = file.attrs.get("format"), file.attrs.get("schema")
    if found != FORMAT or schema != SCHEMA:
        file.close()
        raise FileFormatError(
            f"{path}: format {found!r} schema {schema!r}, expected {FORMAT!r} schema {SCHEMA}; name another output file"
        )
    return file
