"""Records in one SQLite file (schema 2): a row each, appended in a transaction at the cost of its own size.

A row has the record's number, `document`, `arrays` and `checksum` (`localnoise.records.packing`). The journal is
SQLite's rollback journal: it works on any file system that has locks, needs no memory shared between processes, and
leaves one file, which is read where it cannot be written. A write-ahead log has none of the three, and is no faster for
writers that open, append and close.

A stranger's file is only read: its schema has to be ours to the letter (no view, trigger or virtual table is ever run),
no value may be longer than the file, and what is unpacked is held against `max_bytes`.
"""

import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from localnoise.errors import FileFormatError, LockedError, TooLargeError, WriteError, first_line
from localnoise.hdf5 import Budget
from localnoise.records.packing import Packed, pack, text_of, unpack
from localnoise.records.record import MAX_BYTES, Record

MAGIC = b"SQLite format 3\0"
SCHEMA = 2
WAIT = 60.0  # seconds for another process's transaction, each of which takes milliseconds
_APPLICATION = 0x6C6E7265  # "lnre", in the file's header
_TABLE = (
    "CREATE TABLE records (number INTEGER PRIMARY KEY AUTOINCREMENT, base INTEGER, document BLOB NOT NULL, "
    "arrays BLOB NOT NULL, checksum BLOB NOT NULL)"
)
_OURS = {
    (b"table", b"records", _TABLE.encode()),
    (b"table", b"sqlite_sequence", b"CREATE TABLE sqlite_sequence(name,seq)"),
}
_HELD = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_REFUSED = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)
_PASSING = (*_HELD, *_REFUSED, sqlite3.SQLITE_NOMEM)  # errors that say nothing of what lies in the file
_MISSING = 1000  # numbers in a row that may be lost before the search for more ends
_LEAST = 20  # bytes that a row takes at least
_SUPER = bytes.fromhex("d9d505f920a163d7")  # ends a journal that names other files
_WAL_READ_VERSION = 19  # where the header says that a write-ahead log was in use: 2


def is_sqlite(path: Path) -> bool:
    """Whether a plain file begins as SQLite's do."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def create(path: Path, records: Iterable[Record], named: Path) -> None:
    """Write records into a file that is empty or not there, without a journal: the caller renames it when it is whole.

    named : what an error calls the file.

    Raises
    ------
    WriteError
        The disk has no room.
    """
    with _writing(named, WAIT), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute(f"PRAGMA application_id={_APPLICATION}")
        connection.execute(f"PRAGMA user_version={SCHEMA}")
        connection.execute("BEGIN")
        connection.execute(_TABLE)
        _insert(connection, records)
        connection.execute("COMMIT")


def append(path: Path, records: Iterable[Record], wait: float = WAIT) -> None:
    """Add records in one transaction: all of them are kept, or none is and the file is as it was. O(their size).

    Raises
    ------
    WriteError
        The disk has no room, or the file may not be written.
    LockedError
        Another process holds the file for longer than `wait` seconds.
    FileFormatError
        Damage, or no file of records.
    """
    with _writing(path, wait), _connected(path, "rw", wait) as connection:
        _refuse_foreign(connection, path)
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("BEGIN IMMEDIATE")
        try:
            _insert(connection, records)
            connection.execute("COMMIT")
        except BaseException:  # also an interruption
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def read(path: Path, max_bytes: int = MAX_BYTES, after: int = 0) -> Iterator[tuple[int, Record | None]]:
    """Yield each record behind number `after` with its number, None where it is damaged or lost.

    No lock is held between two of them: a reader that pauses keeps no writer waiting.

    Raises
    ------
    FileFormatError
        The file is damaged as a whole, or not ours.
    TooLargeError
        Its records would take more than `max_bytes`.
    LockedError
        Another process holds it.
    """
    budget, bases = Budget(path, max_bytes), dict[int, bytes]()
    with _reading(path, WAIT), _connected(path, "ro", WAIT) as connection:
        _refuse_foreign(connection, path)
        numbers = _numbers(connection, path, after)
        found = 0
        for number in numbers:
            try:
                record = _record(connection, number, bases, budget)
                found += 1
            except TooLargeError:
                raise
            except sqlite3.Error as error:
                if _code(error) in _PASSING:
                    raise
                record = None
            except Exception:  # whatever damaged bytes make zlib, JSON and NumPy say
                record = None
            yield number, record
        if not found and not after:
            raise FileFormatError(
                f"{path}: damaged, its list of records cannot be read; move it away to start a new record file"
            )


def _record(connection: sqlite3.Connection, number: int, bases: dict[int, bytes], budget: Budget) -> Record:
    packed = _row(connection, number)
    base = b""
    if packed.base is not None:
        if packed.base not in bases:
            own = _row(connection, packed.base)
            if own.base is not None:
                raise ValueError("a base has no base")
            bases.clear()  # one at a time: consecutive records share theirs
            bases[packed.base] = text_of(own.document)
        base = bases[packed.base]
    return unpack(packed, number, base, budget.take)


def _row(connection: sqlite3.Connection, number: int) -> Packed:
    query = "SELECT base, document, arrays, checksum FROM records WHERE number=?"
    ((base, document, arrays, checksum),) = connection.execute(query, (number,)).fetchall()
    if not all(isinstance(part, bytes) for part in (document, arrays, checksum)):
        raise ValueError("a row of other types")
    return Packed(base if base is None else int(base), document, arrays, checksum)


def _numbers(connection: sqlite3.Connection, path: Path, after: int) -> list[int]:
    """Numbers in their order, also of records that are lost between others or at the end."""
    most = path.stat().st_size // _LEAST
    try:
        rows = connection.execute(
            "SELECT number FROM records WHERE number>? ORDER BY number LIMIT ?", (after, most)
        ).fetchall()
        found = sorted({int(number) for (number,) in rows if number > after})
    except sqlite3.DatabaseError as error:
        if _code(error) in _PASSING:
            raise
        found = []  # the tree is damaged: each is asked for by its number
    last = max(found, default=after)
    stated = _last(connection)
    if stated - after >= len(found) + _MISSING:
        stated = last if found else min(stated, after + _MISSING)
    complete = range(after + 1, max(last, stated) + 1)
    return list(complete) if len(complete) < len(found) + _MISSING + 1 else found


def _last(connection: sqlite3.Connection) -> int:
    """Number of the last record that was ever written; 0 where that is lost."""
    try:
        rows = connection.execute("SELECT seq FROM sqlite_sequence WHERE name='records' LIMIT 1").fetchall()
    except sqlite3.DatabaseError as error:
        if _code(error) in _PASSING:
            raise
        return 0
    return rows[0][0] if rows and isinstance(rows[0][0], int) and rows[0][0] > 0 else 0


def _insert(connection: sqlite3.Connection, records: Iterable[Record]) -> None:
    ((last,),) = connection.execute("SELECT max(number) FROM records").fetchall()
    number = max(last or 0, _last(connection))
    base = _base(connection, number)
    for record in records:
        number += 1
        packed, base = pack(record, number, base)
        row = (number, packed.base, packed.document, packed.arrays, packed.checksum)
        connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?)", row)


def _base(connection: sqlite3.Connection, number: int) -> tuple[int, bytes] | None:
    """Number and text of the base of a record, itself where it has none; None where there is no record, or damage."""
    try:
        row = _row(connection, number)
        if row.base is None:
            return number, text_of(row.document)
        return row.base, text_of(_row(connection, row.base).document)
    except (ValueError, zlib.error):
        return None


@contextmanager
def _connected(path: Path, mode: str, wait: float) -> Iterator[sqlite3.Connection]:
    """Open a file that is there; the journal of a killed writer is rolled back first."""
    options = f"mode={mode}"
    journal = path.with_name(path.name + "-journal")
    if journal.exists():
        if _names_others(journal):
            raise FileFormatError(f"{journal}: names other files, which no journal of records does; remove it")
        options = "mode=rw"  # only a writer can roll back
    elif mode == "ro" and _in_wal(path):
        options = "mode=ro&immutable=1"  # nothing is to be made beside a file that is only read
    uri = f"{path.absolute().as_uri()}?{options}"
    with closing(sqlite3.connect(uri, uri=True, timeout=wait, isolation_level=None)) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(path.stat().st_size, 2**31 - 1 if mode == "rw" else 2**16))
        connection.text_factory = bytes  # what damage made of a text need not be UTF-8
        for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0"):
            connection.execute(f"PRAGMA {pragma}")
        if mode == "ro":
            connection.execute("PRAGMA query_only=ON")
        yield connection


def _names_others(journal: Path) -> bool:
    """Whether a journal would have SQLite look at, and remove, files elsewhere."""
    content = journal.read_bytes()[-len(_SUPER) :]
    return content == _SUPER


def _in_wal(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(_WAL_READ_VERSION + 1)
    return len(header) > _WAL_READ_VERSION and header[_WAL_READ_VERSION] == 2 and not Path(f"{path}-wal").exists()


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    (application,), (schema,) = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
    )
    found = set(connection.execute("SELECT type, name, sql FROM sqlite_schema LIMIT 9").fetchall())
    if application != _APPLICATION or schema != SCHEMA or found != _OURS:
        raise FileFormatError(
            f"{path}: SQLite application {application} schema {schema} with {len(found)} objects, expected "
            f"{_APPLICATION} schema {SCHEMA} with {len(_OURS)}; name another output file"
        )


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


@contextmanager
def _reading(path: Path, wait: float) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:  # within what SQLite says of a damaged name
        raise FileFormatError(f"{path}: damaged; move it away to start a new record file") from error
    except sqlite3.Error as error:
        if _code(error) in _HELD:
            raise LockedError(
                f"{path}: another process has held this file for {wait:g} s, as none of ours does: expected a file "
                "that can be read; end that process"
            ) from error
        if _code(error) in _REFUSED:
            raise FileFormatError(
                f"{path}: cannot be opened ({first_line(error)}): expected a file that you may read, and may write "
                "where a journal of a killed writer lies beside it"
            ) from error
        raise FileFormatError(
            f"{path}: damaged ({first_line(error)}); move it away to start a new record file"
        ) from error


@contextmanager
def _writing(named: Path, wait: float) -> Iterator[None]:
    try:
        with _reading(named, wait):
            try:
                yield
            except sqlite3.Error as error:
                reason = {sqlite3.SQLITE_FULL: "the disk is full", sqlite3.SQLITE_TOOBIG: "a record is too large"}
                if _code(error) in reason:
                    raise WriteError(
                        f"{named}: {reason[_code(error)]}; make room and run again, what was there is unchanged"
                    ) from error
                if _code(error) in (sqlite3.SQLITE_IOERR, *_REFUSED):
                    raise WriteError(
                        f"{named}: cannot be written ({first_line(error)}); make room there, or name another file"
                    ) from error
                raise
    except OSError as error:
        if isinstance(error, (WriteError, LockedError, FileFormatError)):
            raise
        raise WriteError(f"{named}: cannot be written ({error.strerror or error}); name another file") from error
