"""Records in one SQLite file (schema 2): a row each, appended in a transaction at the cost of its own size.

A row has the record's number, `document`, `arrays` and `checksum` (`localnoise.records.packing`). The journal is
SQLite's rollback journal: it works on any file system that has locks, needs no memory shared between processes, and
leaves one file, which is read where it cannot be written. A write-ahead log has none of the three, and is no faster for
writers that open, append and close.

What is unpacked is held against `max_bytes`; `localnoise.records.opening` says how a stranger's file is opened.
"""

import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from localnoise.errors import FileFormatError, TooLargeError
from localnoise.hdf5 import Budget
from localnoise.records.opening import (
    APPLICATION,
    PASSING,
    SCHEMA,
    TABLE,
    code,
    connected,
    reading,
    refuse_foreign,
    writing,
)
from localnoise.records.packing import Packed, pack, text_of, unpack
from localnoise.records.record import MAX_BYTES, Record

MAGIC = b"SQLite format 3\0"
WAIT = 60.0  # seconds for another process's transaction, each of which takes milliseconds
_MISSING = 1000  # numbers in a row that may be lost before the search for more ends
_LEAST = 20  # bytes that a row takes at least
_LARGEST = 2**62  # number that no file of records reaches


def is_sqlite(path: Path) -> bool:
    """Return whether a plain file begins as SQLite's do."""
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
    with writing(named, WAIT), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute(f"PRAGMA application_id={APPLICATION}")
        connection.execute(f"PRAGMA user_version={SCHEMA}")
        connection.execute("BEGIN")
        connection.execute(TABLE)
        _insert(connection, records, named)
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
    with writing(path, wait), connected(path, "rw", wait) as connection:
        refuse_foreign(connection, path)
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("BEGIN IMMEDIATE")
        try:
            _insert(connection, records, path)
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
    with reading(path, WAIT), connected(path, "ro", WAIT) as connection:
        refuse_foreign(connection, path)
        numbers = _numbers(connection, path, after)
        found = 0
        for number in numbers:
            try:
                record = _record(connection, number, bases, budget)
                found += 1
            except TooLargeError:
                raise
            except sqlite3.Error as error:
                if code(error) in PASSING:
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
        if code(error) in PASSING:
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
        if code(error) in PASSING:
            raise
        return 0
    return rows[0][0] if rows and isinstance(rows[0][0], int) and rows[0][0] > 0 else 0


def _insert(connection: sqlite3.Connection, records: Iterable[Record], named: Path) -> None:
    ((last,),) = connection.execute("SELECT max(number) FROM records").fetchall()
    number, stated = last or 0, _last(connection)
    if number >= _LARGEST:
        raise FileFormatError(
            f"{named}: damaged, a record's number is {number}; move it away to start a new record file"
        )
    if number < stated < number + _MISSING:  # records are lost at the end: their numbers are not given again
        number = stated
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
