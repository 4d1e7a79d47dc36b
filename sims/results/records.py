"""Writing records (`localnoise.records` has their layout): append-only, a copy written aside and renamed."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from localnoise.errors import LockedError, MixedRecordsError
from localnoise.files import hdf5, write_bytes
from localnoise.records import FORMAT, SCHEMA, checksum, intact, opened
from localnoise.records import Record as Record
from localnoise.sims.results.locks import locked
from localnoise.storage import versions

ROOMS = ("arms", "attacks", "data", "defences", "displacements", "experiments", "modifications", "networks", "spiking")

_WAIT = 600  # seconds for another writer


class RecordFile:
    """A file of records. Appending copies the file aside and renames it: a crash leaves all finished records intact.

    Several processes may append to one file: they take turns by the lock `.NAME.writing` beside it.

    Attributes
    ----------
    path : Path
    damaged : list of str
        Names of the records that could not be read the last time that the file was.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.damaged: list[str] = []
        self._written: tuple[int, int] | None = None
        self._keys = set[str]()  # of the records that were there when this object last wrote

    def __iter__(self) -> Iterator[Record]:
        """Yield the intact records in the order in which they were written; nothing if the file does not exist."""
        self.damaged = []
        if not self.path.exists():
            return
        with opened(self.path) as file:
            for name, record in intact(file):
                if record is None:
                    self.damaged.append(name)
                else:
                    yield record

    def done(self) -> set[str]:
        """Keys of the configurations that are done."""
        return {key(record.config) for record in self}

    def of(self, configs: Iterable[dict[str, Any]]) -> list[Record]:
        """Return the records of these configurations."""
        wanted = {key(config) for config in configs}
        return [record for record in self if key(record.config) in wanted]

    def refuse_to_mix(self, fingerprint: str) -> None:
        """Raise a MixedRecordsError if the file holds records of other data, or that other code wrote."""
        for record in self:
            other = record.config.get("fingerprint", fingerprint)
            if other != fingerprint:
                raise MixedRecordsError(
                    f"{self.path} holds records of data {other[:12]}, these images are {fingerprint[:12]}: "
                    "name another --out folder"
                )
            code = record.provenance.get("code", "unknown")
            if code != code_version():
                raise MixedRecordsError(
                    f"{self.path} holds records written by code {code}, this is {code_version()}: name another --out "
                    "folder, or add --mix to go on all the same (each record says which code wrote it)"
                )

    def append(self, config: dict[str, Any], results: dict[str, Any], seconds: float, *, once: bool = False) -> None:
        """Add one record; O(file size), for the sake of an atomic rename."""
        self.append_all([(config, results, seconds)], once=once)

    def append_all(
        self, several: Iterable[tuple[dict[str, Any], dict[str, Any], float]], *, once: bool = False
    ) -> None:
        """Add records (config, results, seconds) at the cost of one. Several writers take turns: none loses a record.

        A damaged file is set aside as NAME.damaged, and its intact records go on in a new one.

        once : leave out configurations of which the file holds a record.

        Raises
        ------
        LockedError
            Another process writes the file for minutes, or the folder takes no locks.
        """
        held = LockedError(f"{self.path}: another process has been writing it for {_WAIT // 60} minutes; end that one")
        with locked(self.path, "writing", wait=_WAIT, held=held):
            self._append(several, once)

    def _append(self, several: Iterable[tuple[dict[str, Any], dict[str, Any], float]], once: bool) -> None:
        there = self.path.exists()
        changed = not there or self._stamp() != self._written
        kept = list(self) if there and changed else []
        if changed:
            self._keys = {key(record.config) for record in kept}
        fresh = [entry for entry in several if not (once and key(entry[0]) in self._keys)]
        if once and not fresh:
            return
        before = self.path.read_bytes() if there else b""
        with hdf5(self.path, b"" if self.damaged else before) as file:
            if "format" not in file.attrs:
                file.attrs.update({"format": np.bytes_(FORMAT), "schema": SCHEMA})
            for record in kept if self.damaged else ():
                _write(file, record)
            for config, results, seconds in fresh:
                _write(file, Record(config, results, versions() | {"code": code_version()}, seconds))
            file.attrs["count"] = len(file)  # so that a reader knows of one whose name is lost
            if self.damaged:
                write_bytes(self.path.with_name(self.path.name + ".damaged"), before)
        self.damaged, self._written = [], self._stamp()
        self._keys |= {key(config) for config, _, _ in fresh}

    def _stamp(self) -> tuple[int, int]:
        """Changes whenever somebody writes the file."""
        found = self.path.stat()
        return found.st_mtime_ns, found.st_size


def _write(file: h5py.File, record: Record) -> None:
    group = file.create_group(f"{len(file):06d}")
    config = json.dumps(record.config, sort_keys=True)
    texts = {"config": config, "provenance": json.dumps(record.provenance)}
    texts["checksum"] = checksum(config, record.results)
    group.attrs["seconds"] = record.seconds
    for name, value in (texts | record.results).items():
        if np.ndim(value):
            group.create_dataset(name, data=value, compression="gzip")
        else:  # texts of a fixed length lie within the record: those of variable length are kept elsewhere in the file
            group.attrs[name] = np.bytes_(value.encode()) if isinstance(value, str) and value else value


def key(config: dict[str, Any]) -> str:
    """Identity of a configuration: the canonical JSON, hashed, of all in it that its result depends on."""
    threats = config.get("threats", ())
    idle = {"attacked_test"} if threats else set()  # each threat says how many images
    if threats and not any(threat["name"] == "adaptive" for threat in threats):
        idle.add("adaptive")
    said = {name: value for name, value in config.items() if name not in idle}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@cache
def code_version() -> str:
    """Hash of the source files that a result depends on, so that a record says which code made it; 12 hex digits."""
    import localnoise
    import localnoise.hardware
    import localnoise.sims

    core, hardware, sims = (Path(part.__path__[0]) for part in (localnoise, localnoise.hardware, localnoise.sims))
    places = [core, hardware, *(sims / room for room in ROOMS)]
    digest = hashlib.sha256()
    for folder in places:
        for source in sorted(folder.rglob("*.py")):
            if folder != core or not {hardware, sims} & set(source.parents):
                digest.update(source.relative_to(folder).as_posix().encode() + source.read_bytes())
    return digest.hexdigest()[:12]
