"""Opening SQLite files that anyone may have written: nothing in them is run, nothing outside of them is touched.

The schema has to be ours to the letter, so that no view, trigger or virtual table is ever run; no value may be longer
than the file; a journal that names other files is refused.
"""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from localnoise.errors import FileFormatError, LockedError, WriteError, first_line

SCHEMA = 2
APPLICATION = 0x6C6E7265  # "lnre", in the file's header
TABLE = (
    "CREATE TABLE records (number INTEGER PRIMARY KEY AUTOINCREMENT, base INTEGER, document BLOB NOT NULL, "
    "arrays BLOB NOT NULL, checksum BLOB NOT NULL)"
)
_OURS = {
    (b"table", b"records", TABLE.encode()),
    (b"table", b"sqlite_sequence", b"CREATE TABLE sqlite_sequence(name,seq)"),
}
_HELD = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_REFUSED = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)
PASSING = (*_HELD, *_REFUSED, sqlite3.SQLITE_NOMEM)  # errors that say nothing of what lies in the file
_SUPER = bytes.fromhex("d9d505f920a163d7")  # ends a journal that names other files
_WAL_READ_VERSION = 19  # where the header says that a write-ahead log was in use: 2


@contextmanager
def connected(path: Path, mode: str, wait: float) -> Iterator[sqlite3.Connection]:
    """Open a file that is there, to read ("ro") or to write ("rw"); a killed writer's journal is rolled back first."""
    options, file = f"mode={mode}", path.resolve()  # where links lead, its journal lies
    if _has_journal(file):
        options = "mode=rw"  # only a writer can roll back
    elif mode == "ro" and _in_wal(file):
        options = "mode=ro&immutable=1"  # nothing is to be made beside a file that is only read
    uri = f"{file.as_uri()}?{options}"
    with closing(sqlite3.connect(uri, uri=True, timeout=wait, isolation_level=None)) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(path.stat().st_size, 2**31 - 1 if mode == "rw" else 2**16))
        connection.text_factory = bytes  # what damage made of a text need not be UTF-8
        for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0"):
            connection.execute(f"PRAGMA {pragma}")
        if mode == "ro":
            connection.execute("PRAGMA query_only=ON")
        yield connection


def _has_journal(file: Path) -> bool:
    """Return whether a journal lies beside a file; raise where SQLite would look at and remove files elsewhere."""
    journal = Path(f"{file}-journal")
    try:
        if not stat.S_ISREG(journal.stat().st_mode):
            raise FileFormatError(f"{journal}: is no plain file, where a journal would lie; remove it")
        with journal.open("rb") as content:
            content.seek(-min(len(_SUPER), content.seek(0, os.SEEK_END)), os.SEEK_END)
            names_others = content.read() == _SUPER
    except FileNotFoundError:  # or its writer has ended meanwhile
        return False
    except PermissionError:  # SQLite says the same
        return True
    if names_others:
        raise FileFormatError(f"{journal}: names other files, which no journal of records does; remove it")
    return True


def _in_wal(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(_WAL_READ_VERSION + 1)
    return len(header) > _WAL_READ_VERSION and header[_WAL_READ_VERSION] == 2 and not Path(f"{path}-wal").exists()


def refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Raise a FileFormatError unless the file holds our tables, to the letter, and nothing else."""
    (application,), (schema,) = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
    )
    found = set(connection.execute("SELECT type, name, sql FROM sqlite_schema LIMIT 9").fetchall())
    if application != APPLICATION or schema != SCHEMA or found != _OURS:
        raise FileFormatError(
            f"{path}: SQLite application {application} schema {schema} with {len(found)} objects, expected "
            f"{APPLICATION} schema {SCHEMA} with {len(_OURS)}; name another output file"
        )


def code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


@contextmanager
def reading(path: Path, wait: float) -> Iterator[None]:
    """Turn what SQLite says of a file that is read into errors that name it."""
    try:
        yield
    except UnicodeDecodeError as error:  # within what SQLite says of a damaged name
        raise FileFormatError(f"{path}: damaged; move it away to start a new record file") from error
    except sqlite3.Error as error:
        if code(error) in _HELD:
            raise LockedError(
                f"{path}: another process has held this file for {wait:g} s, as none of ours does: expected a file "
                "that can be read; end that process"
            ) from error
        if code(error) in _REFUSED:
            raise FileFormatError(
                f"{path}: cannot be opened ({first_line(error)}): expected a file that you may read, and may write "
                "where a journal of a killed writer lies beside it"
            ) from error
        raise FileFormatError(
            f"{path}: damaged ({first_line(error)}); move it away to start a new record file"
        ) from error


@contextmanager
def writing(named: Path, wait: float) -> Iterator[None]:
    """Turn what SQLite says of a file that is written into errors that name it."""
    try:
        with reading(named, wait):
            try:
                yield
            except sqlite3.Error as error:
                reason = {sqlite3.SQLITE_FULL: "the disk is full", sqlite3.SQLITE_TOOBIG: "a record is too large"}
                if code(error) in reason:
                    raise WriteError(
                        f"{named}: {reason[code(error)]}; make room and run again, what was there is unchanged"
                    ) from error
                if code(error) in (sqlite3.SQLITE_IOERR, *_REFUSED):
                    raise WriteError(
                        f"{named}: cannot be written ({first_line(error)}); make room there, or name another file"
                    ) from error
                raise
    except OSError as error:
        if isinstance(error, (WriteError, LockedError, FileFormatError)):
            raise
        raise WriteError(f"{named}: cannot be written ({error.strerror or error}); name another file") from error
