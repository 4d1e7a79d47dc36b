"""Records: what comes back, what keys and columns mean, and writers that fail, are killed, wait or meet."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from record_files import filled, raw, seeds

import localnoise as ln
from localnoise.errors import FileFormatError, LockedError, MixedRecordsError, WriteError
from localnoise.records import COLUMNS, sqlite
from localnoise.records.columns import meaning
from localnoise.records.record import Record
from localnoise.sims.results import code
from localnoise.sims.results import records as module
from localnoise.sims.results.records import RecordFile, key

# What comes back


VALUES: dict[str, Any] = {
    "integer": 7,
    "float": 2 / 7,
    "nan": float("nan"),
    "infinite": -float("inf"),
    "bool": True,
    "text": "é\n\0",
    "empty": "",
    "single": np.float32(0.1),
    "none": np.arange(0),
    "bits": np.arange(1001, dtype=np.uint8) % 3 == 0,
    "bits as numbers": (np.arange(999) % 3 == 0).astype(np.uint8),
    "one bit": np.array([1]),
    "numbers": np.arange(300).reshape(2, 50, 3),
    "floats": np.random.default_rng(0).normal(size=(40, 5)),
    "singles": np.random.default_rng(0).normal(size=200).astype(np.float32),
    "odd": np.array([np.nan, -0.0, 5e-324, -np.inf, 1 / 3]),
    "big-endian": np.arange(40, dtype=">i4"),
    "not contiguous": np.arange(60).reshape(6, 10).T[::2],
    "complex": np.array([1j, 2.0]),
}


def test_every_floor_that_results_depend_on_is_hashed() -> None:
    folder = Path(code.__file__).parents[1]
    floors = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert floors - set(code.ROOMS) == {"reports", "results", "runtime", "sweeps", "tools"}
    assert set(code.ROOMS) <= floors


def test_every_value_comes_back_to_the_bit_with_its_type(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "record.sqlite")
    assert list(file) == []
    assert not file.exists()
    for index in range(3):
        file.append({"seed": index, "nested": {"a": [1, 2]}}, VALUES | {"hits": np.arange(index)}, 0.5)
    records = list(file)
    assert [record.config["seed"] for record in records] == [0, 1, 2]
    for name, value in VALUES.items():
        back = records[2].results[name]
        if np.ndim(value):
            assert (back.dtype, back.shape) == (value.dtype, value.shape)
            assert back.tobytes() == np.ascontiguousarray(value).tobytes()
            assert back.flags.writeable
        else:
            plain = value.item() if isinstance(value, np.generic) else value
            assert repr(back) == repr(plain)
    assert {"localnoise", "numba", "code", "written"} <= set(records[0].provenance)
    assert key({"seed": 1, "nested": {"a": (1, 2)}}) in file.done()
    rows = ln.read_records(file.path)
    assert rows[1]["config.nested.a"] == [1, 2]
    assert rows[1]["seconds"] == 0.5


def test_one_file_is_left_and_none_beside_a_reader(tmp_path: Path) -> None:
    file = filled(tmp_path / "record.sqlite", 3)
    file.append({"seed": 9}, {"x": 1.0}, 0.1)
    assert next(iter(file)).config["seed"] == 0  # a reader that pauses
    file.append({"seed": 10}, {"x": 1.0}, 0.1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".record.sqlite.writing", "record.sqlite"]


def test_outcomes_take_a_bit_each_and_a_config_is_not_repeated(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "record.sqlite"
    config = {"settings": [rng.bytes(8).hex() for _ in range(100)]}  # 2 kB
    hits = rng.integers(0, 2, (100, 10_000)).astype(np.uint8)
    RecordFile(path).append_all([(config | {"seed": seed}, {"correct": hit}, 0.0) for seed, hit in enumerate(hits)])
    assert hits.size / 8 < path.stat().st_size < 1.3 * hits.size / 8


def test_what_is_added_costs_the_same_whatever_the_file_holds(tmp_path: Path) -> None:
    small, large = filled(tmp_path / "small.sqlite", 10, 20), filled(tmp_path / "large.sqlite", 10_000, 20)
    assert large.path.stat().st_size > 90 * small.path.stat().st_size

    def written(file: RecordFile) -> tuple[float, int]:
        began, before = time.thread_time(), file.path.stat().st_size
        for index in range(10):
            RecordFile(file.path).append({"seed": index, "cell": "new"}, {"x": 1.0, "hits": np.arange(20)}, 0.1)
        return time.thread_time() - began, file.path.stat().st_size - before

    code.made_by()  # which asks git once
    pairs = [(written(small), written(large)) for _ in range(9)]  # the least of many: others use the machine, too
    assert min(own[0] for _, own in pairs) < 2 * min(own[0] for own, _ in pairs)
    assert sum(own[1] for _, own in pairs) <= sum(own[1] for own, _ in pairs) + 9 * 4096


# Writers that fail, are killed, wait, or meet


def test_a_failed_append_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = filled(tmp_path / "r.sqlite", 1)
    before = file.path.read_bytes()
    with pytest.raises(TypeError):
        file.append_all([({"seed": 1}, {"x": 2.0}, 0.1), ({"seed": 2}, {"x": np.array(["text"])}, 0.1)])
    monkeypatch.setattr(module, "made_by", lambda: (_ for _ in ()).throw(OSError("No space left on device")))
    with pytest.raises(OSError, match="No space"):
        file.append({"seed": 1}, {"x": 2.0}, 0.1)
    assert file.path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == [".r.sqlite.writing", "r.sqlite"]  # the lock, and the file


def test_a_limit_on_files_is_a_write_error_and_the_file_stays(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    file = filled(tmp_path / "r.sqlite", 20)
    before, (_, hard) = file.path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    large = {"x": np.random.default_rng(0).normal(size=9999)}
    for limit in (0, 4096, len(before) - 4096, len(before), len(before) + 8192):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            said = "the file would be too large" if limit < len(before) else "cannot be written|the disk is full"
            with pytest.raises(WriteError, match=rf"r\.sqlite: ({said})"):
                file.append({"seed": 21}, large, 0.1)
            with pytest.raises(WriteError, match=r"new\.sqlite"):
                RecordFile(tmp_path / "new.sqlite").append({"seed": 21}, large, 0.1)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert file.path.read_bytes() == before
    assert seeds(file) == list(range(20))
    assert not (tmp_path / "new.sqlite").exists()


def test_a_file_that_another_program_holds_is_named_after_a_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = filled(tmp_path / "r.sqlite", 2)
    monkeypatch.setattr(module, "_WAIT", 0.2)
    monkeypatch.setattr(sqlite, "WAIT", 0.2)
    with raw(file.path) as other:
        other.execute("BEGIN EXCLUSIVE")
        for act in (lambda: file.append({"seed": 3}, {}, 0.1), lambda: list(file), lambda: ln.read_records(file.path)):
            with pytest.raises(LockedError, match=r"r\.sqlite: another process has held this file for 0\.2 s"):
                act()
        other.execute("ROLLBACK")
        other.execute("BEGIN IMMEDIATE")
        assert seeds(file) == [0, 1], "a writer that has not begun to write keeps no reader out"
        other.execute("ROLLBACK")
    file.append({"seed": 3}, {}, 0.1)
    assert seeds(file) == [0, 1, 3]


WRITER = """
import sys
from pathlib import Path
from localnoise.sims.results.code import made_by
from localnoise.sims.results.records import RecordFile

made_by()  # which asks git once
file, writer = RecordFile(Path(sys.argv[1])), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for index in range(int(sys.argv[3])):
    file.append({"writer": writer, "index": index}, {"x": index / 7, "content": list(range(int(sys.argv[4])))}, 0.1)
    print(index, flush=True)
"""


def begun(path: Path, writer: int, count: int, size: int = 1) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", WRITER, str(path), str(writer), str(count), str(size)]
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.slow
def test_two_processes_of_200_records_each_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    writers = [begun(path, writer, 200) for writer in range(2)]
    for process in writers:
        go(process)
    for process in writers:
        process.communicate()
        assert process.returncode == 0
    found = [(record.config["writer"], record.config["index"]) for record in RecordFile(path)]
    for writer in range(2):  # in the order in which each wrote them
        assert [index for own, index in found if own == writer] == list(range(200))
    assert len(found) == 400


@pytest.mark.slow
def test_a_killed_writer_loses_nothing_but_its_unfinished_record(tmp_path: Path) -> None:
    """What it has reported is there, at most one more is, and the next writer goes on."""
    path, rng, written = tmp_path / "r.sqlite", random.Random(0), 0
    for turn in range(10):
        process = begun(path, turn, 10_000, size=2000)
        assert process.stdout is not None
        go(process)
        first = process.stdout.readline() if turn % 5 else ""  # else it is killed while it writes its first one
        time.sleep(rng.uniform(0.0, 0.3))
        process.send_signal(signal.SIGKILL)
        said, _ = process.communicate()
        finished = (first + said).count("\n")
        file = RecordFile(path)
        own = [record.config["index"] for record in file if record.config["writer"] == turn] if file.exists() else []
        assert own in (list(range(finished)), list(range(finished + 1)))
        assert file.damaged == []
        written += len(own)
    assert written > 10
    assert len(list(RecordFile(path))) == written
    file.append({"writer": -1}, {}, 0.1)
    left = {name for name in os.listdir(tmp_path) if not name.startswith(".localnoise-")}
    assert left == {".r.sqlite.writing", "r.sqlite"}


def hot(folder: Path) -> Path:
    """A file of four records, the last within a transaction whose writer was killed in the middle of it."""
    path = filled(folder / "r.sqlite", 3).path
    code = f"""
import os, sqlite3
c = sqlite3.connect({str(path)!r}, isolation_level=None)
c.execute("PRAGMA cache_size=1")
c.execute("BEGIN IMMEDIATE")
for number in range(4, 400):
    c.execute("INSERT INTO records VALUES (?, NULL, zeroblob(9000), x'', x'')", (number,))
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert (folder / "r.sqlite-journal").stat().st_size > 0
    return path


def test_the_journal_of_a_killed_writer_is_rolled_back_by_whoever_comes_next(tmp_path: Path) -> None:
    for act in (lambda path: RecordFile(path).append({"seed": 3}, {}, 0.1), ln.read_records):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        path = hot(folder)
        act(path)
        assert seeds(RecordFile(path))[:3] == [0, 1, 2]
        assert not (folder / "r.sqlite-journal").exists()


def test_a_journal_that_names_other_files_is_refused(tmp_path: Path) -> None:
    path, victim = filled(tmp_path / "r.sqlite", 2).path, tmp_path / "victim"
    victim.write_text("mine")
    name = os.fsencode(victim)
    tail = (1).to_bytes(4, "big") + name + len(name).to_bytes(4, "big") + sum(name).to_bytes(4, "big")
    (tmp_path / "r.sqlite-journal").write_bytes(bytes(512) + tail + bytes.fromhex("d9d505f920a163d7"))
    with pytest.raises(FileFormatError, match="names other files"):
        ln.read_records(path)
    assert victim.read_text() == "mine"
    (tmp_path / "r.sqlite-journal").unlink()
    os.mkfifo(tmp_path / "r.sqlite-journal")
    with pytest.raises(FileFormatError, match="is no plain file"):
        ln.read_records(path)


def test_a_file_in_a_folder_that_is_only_read_is_read(tmp_path: Path) -> None:
    path = filled(tmp_path / "r.sqlite", 2).path
    with raw(path) as other:  # what another program may have left in the header
        other.execute("PRAGMA journal_mode=WAL")
    other.close()
    tmp_path.chmod(0o555)
    try:
        assert len(ln.read_records(path)) == 2
    finally:
        tmp_path.chmod(0o755)
    assert sorted(one.name for one in tmp_path.iterdir()) == [".r.sqlite.writing", "r.sqlite"]
    RecordFile(path).append({"seed": 2}, {}, 0.1)
    assert path.read_bytes()[18:20] == b"\1\1"


# Keys, code, and what columns mean


def test_data_and_code_are_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = filled(tmp_path / "r.sqlite", 1)
    file.refuse_to_mix("f" * 64)
    with pytest.raises(MixedRecordsError, match=r"r\.sqlite holds records of data ffffffffffff, these images are abc"):
        file.refuse_to_mix("abc")
    monkeypatch.setattr(module, "source_hash", lambda: "another")
    with pytest.raises(MixedRecordsError, match=r"written by code [0-9a-f]{12}, this is another: name another --out"):
        file.refuse_to_mix("f" * 64)


def test_records_say_a_commit_that_can_be_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(ln.__file__).parents[1]
    (row,) = ln.read_records(filled(tmp_path / "r.sqlite", 1).path)
    assert row["provenance.source"] == code.source_hash()
    if (root / ".git").exists() and shutil.which("git"):
        assert len(row["provenance.code"]) == 40
        subprocess.run(["git", "-C", root, "show", "-s", row["provenance.code"]], check=True, capture_output=True)
    monkeypatch.setattr(code, "_git", lambda *arguments: "")
    code.code_version.cache_clear()
    try:
        assert code.code_version() == f"localnoise {code._version()} source {code.source_hash()}"
    finally:
        code.code_version.cache_clear()


def test_a_key_holds_what_a_result_depends_on_alone() -> None:
    """Another adaptive protocol leaves the records of all other threats done."""
    rotate = {"arm": "full", "threats": [{"name": "rotate", "level": 2.0, "images": 9}], "attacked_test": 9}
    assert key(rotate) == key(rotate | {"attacked_test": 8, "adaptive": {"steps": 7}})
    assert key(rotate) != key(rotate | {"arm": "none"})
    adaptive = rotate | {"threats": [{"name": "adaptive", "level": 0.1, "images": 9}]}
    assert key(adaptive | {"adaptive": {"steps": 7}}) != key(adaptive)
    own = {"arm": "full", "attacked_test": 9}  # no threats: the sources themselves, as many images as the settings say
    assert key(own) != key(own | {"attacked_test": 8})


def test_once_knows_what_others_have_added(tmp_path: Path) -> None:
    one, other = RecordFile(tmp_path / "r.sqlite"), RecordFile(tmp_path / "r.sqlite")
    for file in (one, other, one):
        for seed in range(3):
            file.append({"seed": seed}, {"x": 1.0}, 0.1, once=True)
    other.append({"seed": 3}, {"x": 1.0}, 0.1)
    one.append({"seed": 3}, {"x": 1.0}, 0.1, once=True)
    assert seeds(one) == [0, 1, 2, 3]
    one.append_all([({"seed": seed}, {"x": float(turn)}, 0.1) for turn, seed in enumerate((4, 3, 4))], once=True)
    assert seeds(one) == [0, 1, 2, 3, 4]
    assert list(one)[-1].results == {"x": 0.0}, "the first of those that are alike"


def test_help_says_what_columns_mean_and_in_which_units() -> None:
    for name, said in COLUMNS.items():
        assert f"{name} : {said}" in str(ln.read_records.__doc__)
    assert meaning("config.sources.2.trace").startswith("variance of the noise, per neuron")
    assert meaning("nobody's") == ""
    assert ln.read_records.__name__ == "read_records"


def test_records_of_one_kind_share_their_text(tmp_path: Path) -> None:
    """A base serves until a record of another kind comes, which is the next one's."""
    path = tmp_path / "r.sqlite"
    long, other = ({"what": np.random.default_rng(turn).bytes(400).hex()} for turn in range(2))
    records = [Record(config | {"seed": seed}, {}, {}, 0.0) for config in (long, other) for seed in range(3)]
    sqlite.create(path, records[:2], path)
    for record in records[2:]:
        sqlite.append(path, [record])
    with raw(path) as connection:
        bases = [base for (base,) in connection.execute("SELECT base FROM records ORDER BY number")]
    connection.close()
    assert bases == [None, 1, 1, None, 4, 4]
    assert [record for _, record in sqlite.read(path)] == records
