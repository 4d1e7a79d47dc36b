"""Writing records (`localnoise.records` reads them): append-only, in SQLite, at the cost of what is added."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from localnoise.errors import FileFormatError, LockedError, MixedRecordsError, WriteError
from localnoise.files import write_bytes
from localnoise.files.aside import written_aside
from localnoise.files.places import destination
from localnoise.records import Record as Record
from localnoise.records import hdf5, intact, sqlite
from localnoise.sims.results.code import made_by, source_hash
from localnoise.sims.results.locks import locked
from localnoise.sims.runtime.console import errors

NAME = "record.sqlite"  # in an experiment's folder

_WAIT = 600  # seconds for another writer
_HDF5 = b"\x89HDF\r\n\x1a\n"


class RecordFile:
    """A file of records, which are added in transactions: a crash leaves all finished ones intact.

    Several processes may append to one file: they take turns by the lock `.NAME.writing` beside it.

    Records of an earlier version, in HDF5, go on in SQLite: NAME.h5 is read until the first append, which copies its
    records into NAME.sqlite. The old file stays as it is, and is not looked at any more.

    Attributes
    ----------
    path : Path
        Where records are written.
    damaged : list of str
        Names of the records that could not be read the last time that the file was.
    """

    def __init__(self, path: str | Path) -> None:
        given = Path(path)
        named = _begins_as_hdf5(given)
        self.path = given.with_suffix(".sqlite") if named else given
        self.before = given if named else given.with_suffix(".h5")
        self.damaged: list[str] = []
        self._named = named
        self._known: tuple[int, int] = (0, 0)  # the file, and the number of the last record whose key is known
        self._keys = set[str]()

    def exists(self) -> bool:
        """Return whether there are records, of this version or an earlier one."""
        return self._source() is not None

    def __iter__(self) -> Iterator[Record]:
        """Yield the intact records in the order in which they were written; nothing if the file does not exist."""
        self.damaged = []
        source = self._source()
        if source is None:
            return
        for name, record in intact(source):
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

    def refuse_to_mix(self, fingerprint: str, *, code: bool = True) -> None:
        """Raise a MixedRecordsError if the file holds records of other data, or with `code` that other code wrote."""
        for record in self:
            other = record.config.get("fingerprint", fingerprint)
            if other != fingerprint:
                raise MixedRecordsError(
                    f"{self.path} holds records of data {other[:12]}, these images are {fingerprint[:12]}: "
                    "name another --out folder"
                )
            made = record.provenance
            source = made.get("source", made.get("code", "unknown"))  # earlier versions kept the hash as `code`
            if code and source != source_hash():
                raise MixedRecordsError(
                    f"{self.path} holds records written by code {source}, this is {source_hash()}: name another --out "
                    "folder, or add --mix to go on all the same (each record says which code wrote it)"
                )

    def append(self, config: dict[str, Any], results: dict[str, Any], seconds: float, *, once: bool = False) -> None:
        """Add one record; O(record), whatever the file holds."""
        self.append_all([(config, results, seconds)], once=once)

    def append_all(
        self, several: Iterable[tuple[dict[str, Any], dict[str, Any], float]], *, once: bool = False
    ) -> None:
        """Add records (config, results, seconds), all of them or none. Several writers take turns: none loses a record.

        A damaged file is set aside as NAME.damaged, and its intact records go on in a new one.

        once : leave out configurations of which the file holds a record; reads what others have added since.

        Raises
        ------
        LockedError
            Another process writes the file for minutes, or the folder takes no locks.
        WriteError
            The disk has no room: the file is as it was.
        """
        held = LockedError(f"{self.path}: another process has been writing it for {_WAIT // 60} minutes; end that one")
        with locked(self.path, "writing", wait=_WAIT, held=held):
            if once:
                self._learn_keys()
            entries = list(several)
            if once:  # the first of each configuration that is not there
                fresh = {key(entry[0]): entry for entry in reversed(entries)}
                entries = [fresh[name] for name in dict.fromkeys(key(e[0]) for e in entries) if name not in self._keys]
            if entries:
                self._append([Record(config, results, made_by(), seconds) for config, results, seconds in entries])

    def _append(self, fresh: list[Record]) -> None:
        if self._source() == self.path and not self.damaged:
            try:
                _refuse_too_long(self.path)
                sqlite.append(destination(self.path)[0], fresh, _WAIT)
            except FileFormatError:
                kept = list(self)  # which says what is wrong where nothing can be read
                if not self.damaged:
                    raise
            else:
                return
        else:
            kept = list(self)
        self._write(kept, fresh)

    def _write(self, kept: list[Record], fresh: list[Record]) -> None:
        """Write a new file: of the intact records of a damaged one, or of an earlier version's."""
        source = self._source()
        if source == self.path:
            write_bytes(self.path.with_name(self.path.name + ".damaged"), self.path.read_bytes())
        with written_aside(self.path) as aside:
            sqlite.create(aside, [*kept, *fresh], self.path)
        if source not in (None, self.path):
            lost = f", {len(self.damaged)} damaged ones left out" if self.damaged else ""
            errors.print(f"{self.path}: goes on from the {len(kept)} records of {source}, which stays as it is{lost}")
        self.damaged = []

    def _source(self) -> Path | None:
        """The file that is to be read; None where there is none."""
        if self.path.exists():
            return self.path
        if self._named or (_begins_as_hdf5(self.before) and hdf5.are_records(self.before)):
            return self.before
        return None

    def _learn_keys(self) -> None:
        """Know the keys of all records, by reading those that are new."""
        source = self._source()
        if source is None or source != self.path:
            self._keys, self._known = self.done(), (0, 0)
            return
        file, last = source.stat().st_ino, self._known[1]
        if file != self._known[0]:
            self._keys, last = set(), 0
        for number, record in sqlite.read(source, after=last):
            last = number
            if record is not None:
                self._keys.add(key(record.config))
        self._known = file, last


def key(config: dict[str, Any]) -> str:
    """Identity of a configuration: the canonical JSON, hashed, of all in it that its result depends on."""
    threats = config.get("threats", ())
    idle = {"attacked_test"} if threats else set()  # each threat says how many images
    if threats and not any(threat["name"] == "adaptive" for threat in threats):
        idle.add("adaptive")
    said = {name: value for name, value in config.items() if name not in idle}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _begins_as_hdf5(path: Path) -> bool:
    """Return whether a plain file is HDF5 by its first bytes."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(_HDF5)) == _HDF5
    except OSError:  # one that may not be read: its reader says so
        return False


def _refuse_too_long(path: Path) -> None:
    """Raise a WriteError where this process may not write files as long as this one: SQLite could not roll back."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    most, size = resource.getrlimit(resource.RLIMIT_FSIZE)[0], path.stat().st_size
    if most != resource.RLIM_INFINITY and most < size:
        raise WriteError(
            f"{path}: the file would be too large, more than {size:,} bytes where {most:,} are allowed; raise the "
            "limit and run again, what was there is unchanged"
        )
