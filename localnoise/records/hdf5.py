"""Reading records in HDF5, as earlier versions wrote them; a file that was cut short is read as far as it goes.

Layout (schema 1): root attributes `format`, `schema`, `count`; a group a record, `000000`, `000001`, ..., with
attributes `config` (JSON), `provenance` (JSON), `seconds`, one attribute per number, one dataset per array.
"""

import hashlib
import json
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from localnoise.errors import FileFormatError, LocalnoiseError, TooLargeError, first_line
from localnoise.hdf5 import Budget, locks_named, member, refuse_irregular
from localnoise.records.record import MAX_BYTES, Record, plain_value

FORMAT, SCHEMA = "localnoise.records", 1
_END_OF_FILE = slice(40, 48)  # of a version 0 superblock (HDF5 File Format Specification 3.0, section II.A)
_MISSING = 1000  # records in a row that may be lost before the search for more ends


def intact(file: Any, max_bytes: int = MAX_BYTES) -> Iterator[tuple[str, Record | None]]:
    """Yield each record with its name, None where it is damaged; a TooLargeError beyond `max_bytes` of arrays."""
    budget = Budget(Path(file.filename), max_bytes)
    for name in names(file):
        try:
            yield name, _read(file, name, budget)
        except (FileFormatError, TooLargeError):  # no damage makes a link
            raise
        except Exception:  # whatever damaged bytes make HDF5 and JSON say
            yield name, None


def checksum(config: str, results: dict[str, Any]) -> str:
    """Of a record, 16 hex digits."""
    digest = hashlib.sha256(config.encode())
    for name in sorted(results):
        value = results[name]
        digest.update(name.encode())
        digest.update(value.encode() if isinstance(value, str) else np.asarray(value).tobytes())
    return digest.hexdigest()[:16]


def _read(file: Any, name: str, budget: Budget) -> Record:
    group = member(budget.source, file, name)
    own = {"config", "provenance", "seconds", "checksum"}
    values = {key: plain_value(value) for key, value in group.attrs.items()}
    results = {key: value for key, value in values.items() if key not in own}
    for key in group:
        data = member(budget.source, group, key)
        budget.spend(data)
        results[key] = data[()]
    config = values["config"]
    stated = checksum(config, results)
    if values.get("checksum", stated) != stated:  # records written before there were checksums have none
        raise ValueError("checksum")
    said, made = json.loads(config), json.loads(values["provenance"])
    if not isinstance(said, dict) or not isinstance(made, dict):
        raise ValueError("config and provenance are no objects")
    return Record(said, results, made, float(values["seconds"]))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file of records for reading. One that was cut short is read as far as it goes.

    Raises
    ------
    FileFormatError
        The file is no HDF5, not ours, without a record that can be found, or reads from other files.
    LockedError
        Another process holds it, or its file system has no locks.
    """
    refuse_irregular(path, "a record file, such as results/compare/record.sqlite")
    with tempfile.TemporaryDirectory() as folder:
        try:
            with locks_named(path):
                file = h5py.File(path, "r")
        except LocalnoiseError:
            raise
        except OSError as error:
            file = _filled_up(path, Path(folder) / path.name, error)
        with file:
            found, schema = (_attribute(file, name) for name in ("format", "schema"))
            if found != FORMAT or schema != SCHEMA:
                raise FileFormatError(
                    f"{path}: format {found!r} schema {schema!r}, expected {FORMAT!r} schema {SCHEMA}; "
                    "name another output file"
                )
            if not any(_has(file, name) for name in names(file)):  # none was ever written without a record
                raise FileFormatError(
                    f"{path}: damaged, its list of records cannot be read; move it away to start a new record file"
                )
            yield file


def _attribute(file: Any, name: str) -> Any:
    try:
        return plain_value(file.attrs.get(name))
    except Exception:  # whatever damaged bytes make HDF5 say
        return "damaged"


def names(file: Any) -> list[str]:
    """Names of the records in their order, also of those that are lost between others or at the end."""
    try:
        found = sorted(file)
    except Exception:  # the list is damaged: each is asked for by its number, until many in a row are missing
        found, index = [], 0
        while index < len(found) + _MISSING:
            if _has(file, name := f"{index:06d}"):
                found.append(name)
            index += 1
    count = 1 + max((int(name) for name in found if name.isdecimal()), default=-1)
    stated = _attribute(file, "count")  # records of before there was one state none
    count = max(count, stated if isinstance(stated, int) else 0)
    lost = range(count) if count < len(found) + _MISSING else ()
    return sorted({*found, *(f"{index:06d}" for index in lost)})


def _has(file: Any, name: str) -> bool:
    try:
        return name in file
    except Exception:
        return False


def _filled_up(path: Path, copy: Path, error: OSError) -> Any:
    """Open a copy that has the length which the file's first bytes state, zeros at its end."""
    there = path.stat().st_size
    try:
        with path.open("rb") as start:
            (length,) = struct.unpack("<Q", start.read(_END_OF_FILE.stop)[_END_OF_FILE])
        if not there < length < 100 * max(there, 1 << 20):
            raise error
        shutil.copyfile(path, copy)
        os.truncate(copy, length)  # takes no room: zeros are not stored
        return h5py.File(copy, "r")
    except (OSError, struct.error) as wrong:
        raise FileFormatError(
            f"{path}: damaged, or no file of records ({first_line(error)}); move it away to start a new record file"
        ) from wrong


def are_records(path: Path) -> bool:
    """Return whether an HDF5 file says that it holds records; True if it cannot be asked: its reader then says why."""
    try:
        with h5py.File(path, "r") as file:
            return bool(_attribute(file, "format") in (FORMAT, "damaged"))
    except OSError:
        return True
