"""Reading records: the append-only results of experiments, in SQLite, or in HDF5 as earlier versions wrote them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localnoise.hdf5 import refuse_irregular
from localnoise.records import hdf5, sqlite
from localnoise.records.columns import COLUMNS as COLUMNS
from localnoise.records.columns import documented
from localnoise.records.record import MAX_BYTES, flat
from localnoise.records.record import Record as Record


@documented
def read_records(path: str | Path, max_bytes: int = MAX_BYTES) -> list[dict[str, Any]]:
    """Read a file of records as flat rows, for `pandas.DataFrame(rows)`; a file that is being written is read, too.

    A row has the configuration's and the provenance's values under dotted names (`config.arm`, `provenance.code`), the
    results under their own, and `seconds`. Damaged records are left out. O(file).

    Parameters
    ----------
    path : str or Path
        SQLite (`record.sqlite`), or HDF5 of an earlier version (`record.h5`).
    max_bytes : int
        That all records may take.

    Returns
    -------
    list of dict of str to Any
        One a record, in the order in which they were written.

    Raises
    ------
    FileFormatError
        There is no such file, it is neither SQLite nor HDF5, not ours, or damaged as a whole.
    TooLargeError
        Its records would take more than `max_bytes`.
    LockedError
        Another process holds it.
    """
    return [flat(record) for _, record in intact(Path(path), max_bytes) if record is not None]


def intact(path: Path, max_bytes: int = MAX_BYTES) -> Iterator[tuple[str, Record | None]]:
    """Yield each record of a file of either kind with its name, None where it is damaged; raises as `read_records`."""
    refuse_irregular(path, "a record file, such as results/compare/record.sqlite")
    if sqlite.is_sqlite(path):
        for number, record in sqlite.read(path, max_bytes):
            yield f"{number - 1:06d}", record
        return
    with hdf5.opened(path) as file:
        yield from hdf5.intact(file, max_bytes)
