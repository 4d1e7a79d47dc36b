"""Files of records that are damaged or not ours: what is left is read, and nothing else runs."""

import json
import random
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from record_files import filled, raw, seeds

import localnoise as ln
from localnoise.errors import FileFormatError, TooLargeError
from localnoise.sims.results.records import RecordFile


def changed(statement: str, *values: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with raw(path) as connection:
            connection.execute(statement, values)
        connection.close()

    return change


BOMB = zlib.compress(bytes(2**26), 9)


DAMAGE = {
    "another number": changed("UPDATE records SET arrays=arrays || x'00' WHERE number=3"),
    "a document that is cut": changed("UPDATE records SET document=substr(document, 2) WHERE number=3"),
    "another document": changed("UPDATE records SET document=? WHERE number=3", zlib.compress(b"[1, 2]")),
    "deep JSON": changed("UPDATE records SET base=NULL, document=? WHERE number=3", zlib.compress(b"[" * 99_999)),
    "a document that expands": changed("UPDATE records SET base=NULL, document=? WHERE number=3", BOMB),
    "a text": changed("UPDATE records SET document='text' WHERE number=3"),
    "no such base": changed("UPDATE records SET base=99 WHERE number=3"),
    "itself as base": changed("UPDATE records SET base=3 WHERE number=3"),
    "a base of a base": changed("UPDATE records SET base=2 WHERE number=3"),
    "a lost row": changed("DELETE FROM records WHERE number=3"),
    "another checksum": changed("UPDATE records SET checksum=x'0011223344556677' WHERE number=3"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_record_is_named_and_the_others_are_read(name: str, tmp_path: Path) -> None:
    file = filled(tmp_path / "r.sqlite", 4)
    DAMAGE[name](file.path)
    assert seeds(file) == [0, 1, 3]
    assert file.damaged == ["000002"]
    assert len(ln.read_records(file.path)) == 3
    before = file.path.read_bytes()
    file.append({"seed": 9}, {"x": 1.0}, 0.1)
    assert seeds(file) == [0, 1, 3, 9]
    assert file.damaged == []
    assert (tmp_path / "r.sqlite.damaged").read_bytes() == before


def test_records_that_are_lost_at_the_end_are_named_and_their_numbers_not_given_again(tmp_path: Path) -> None:
    file = filled(tmp_path / "r.sqlite", 4)
    changed("DELETE FROM records WHERE number>2")(file.path)
    RecordFile(file.path).append({"seed": 9}, {"x": 1.0}, 0.1)
    assert seeds(file) == [0, 1, 9]
    assert file.damaged == ["000002", "000003"]


@pytest.mark.parametrize("kept", [0.98, 0.6, 0.1])
def test_a_file_cut_short_gives_what_is_left_or_is_refused(tmp_path: Path, kept: float) -> None:
    file = filled(tmp_path / "r.sqlite", 60)
    content = file.path.read_bytes()
    file.path.write_bytes(content[: int(kept * len(content))])
    try:
        found = seeds(file)
    except FileFormatError as error:
        if kept > 0.9 or "damaged" not in str(error):
            raise
        return
    assert found == sorted(found)
    assert len(found) + len(file.damaged) == 60
    file.append({"seed": 99}, {"x": 1.0}, 0.1)
    assert seeds(file) == [*found, 99]


@pytest.mark.parametrize("content", [b"", b"neither", b"SQLite format 3\0", b"SQLite format 3\0" + b"\1" * 5000])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.sqlite"
    path.write_bytes(content)
    for act in (lambda: ln.read_records(path), lambda: RecordFile(path).append({}, {}, 0.0)):
        with pytest.raises(FileFormatError, match=r"r\.sqlite.*(damaged|name another)"):
            act()
    assert path.read_bytes() == content


FOREIGN = {
    "a table": "CREATE TABLE mine (one)",
    "a view": "CREATE VIEW mine AS SELECT 1",
    "a trigger": "CREATE TRIGGER mine AFTER INSERT ON records BEGIN SELECT 1; END",
    "an index": "CREATE INDEX mine ON records (hex(zeroblob(999999999)))",
    "another schema": "PRAGMA user_version=3",
    "another application": "PRAGMA application_id=1",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_are_refused_and_kept(name: str, tmp_path: Path) -> None:
    path = filled(tmp_path / "r.sqlite", 1).path
    with raw(path) as connection:
        connection.execute("DELETE FROM records") if name == "an index" else None
        connection.execute(FOREIGN[name])
    connection.close()
    before = path.read_bytes()
    for act in (lambda: ln.read_records(path), lambda: RecordFile(path).append({}, {}, 0.0)):
        with pytest.raises(FileFormatError, match="name another output file"):
            act()
    assert path.read_bytes() == before


def test_a_view_in_the_place_of_the_table_is_never_run(tmp_path: Path) -> None:
    path = filled(tmp_path / "r.sqlite", 1).path
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, i, i, i, i FROM n"
    with raw(path) as connection:
        connection.execute("DROP TABLE records")
        connection.execute(f"CREATE VIEW records (number, base, document, arrays, checksum) AS {endless}")
    connection.close()
    began = time.process_time()
    with pytest.raises(FileFormatError, match="name another output file"):
        ln.read_records(path)
    assert time.process_time() - began < 2


def test_a_record_that_asks_for_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    RecordFile(path).append({"seed": 0}, {"zeros": np.zeros(2**22)}, 0.1)
    assert path.stat().st_size < 50_000
    with pytest.raises(TooLargeError, match=r"r\.sqlite: .* GiB, up to zeros alone.*raise max_bytes"):
        ln.read_records(path, max_bytes=2**20)
    said: dict[str, Any] = {"config": {}, "provenance": {}, "seconds": 1.0, "values": {}}
    for shape in ([2**40], [2**20, 2**20, 2**20]):
        text = json.dumps(said | {"arrays": [["zeros", "<f8", shape, "bytes zlib", 0]]}).encode()
        changed("UPDATE records SET document=?", zlib.compress(text))(path)
        with pytest.raises(TooLargeError, match="zeros alone"):
            ln.read_records(path)


def test_no_byte_of_a_file_loses_or_changes_records_without_a_word(tmp_path: Path) -> None:
    file = filled(tmp_path / "r.sqlite", 3, 30)
    content = file.path.read_bytes()
    whole, silent = [(record.config, record.results["x"]) for record in file], []
    for offset in random.Random(0).sample(range(len(content)), 400):
        file.path.write_bytes(content[:offset] + bytes([content[offset] ^ 0xFF]) + content[offset + 1 :])
        try:
            found = [(record.config, record.results["x"]) for record in file]
        except FileFormatError:
            continue
        if found != whole and not file.damaged:
            silent.append(offset)
    assert silent == []
