"""Opening a file of records, even one that was cut short."""

import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from localnoise.errors import FileFormatError

FORMAT, SCHEMA = "localnoise.records", 1
_END_OF_FILE = slice(40, 48)  # of a version 0 superblock (HDF5 File Format Specification 3.0, section II.A)
_MOST = 100_000


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file of records for reading. One that was cut short is read as far as it goes.

    Raises
    ------
    FileFormatError
        The file is no HDF5, or not ours.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            file = h5py.File(path, "r")
        except OSError as error:
            file = _filled_up(path, Path(folder) / path.name, error)
        with file:
            found, schema = (_attribute(file, name) for name in ("format", "schema"))
            if found != FORMAT or schema != SCHEMA:
                raise FileFormatError(
                    f"{path}: format {found!r} schema {schema!r}, expected {FORMAT!r} schema {SCHEMA}; "
                    "name another output file"
                )
            yield file


def plain_value(value: Any) -> Any:
    """Numbers and texts as Python's own."""
    value = value.item() if isinstance(value, np.generic) else value
    return value.decode() if isinstance(value, bytes) else value


def _attribute(file: Any, name: str) -> Any:
    try:
        return plain_value(file.attrs.get(name))
    except (OSError, UnicodeDecodeError):
        return "damaged"


def names(file: Any) -> list[str]:
    """Names of the records in their order, as many as can be found."""
    try:
        return sorted(file)
    except RuntimeError:  # the list of names is damaged
        return [name for index in range(_MOST) if _has(file, name := f"{index:06d}")]


def _has(file: Any, name: str) -> bool:
    try:
        return name in file
    except (KeyError, RuntimeError):
        return False


def _filled_up(path: Path, copy: Path, error: OSError) -> Any:
    """Open a copy that has the length which the file's first bytes state, zeros at its end."""
    content = path.read_bytes()
    try:
        (length,) = struct.unpack("<Q", content[_END_OF_FILE])
        if not len(content) < length < 100 * max(len(content), 1 << 20):
            raise error
        copy.write_bytes(content + bytes(length - len(content)))
        return h5py.File(copy, "r")
    except (OSError, struct.error) as wrong:
        raise FileFormatError(
            f"{path}: damaged or not HDF5 ({error}); move it away to start a new record file"
        ) from wrong
