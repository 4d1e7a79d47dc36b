"""Records that earlier versions wrote, in HDF5: read as far as they go, gone on from, and never written."""

import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pinned
import pytest
from old_records import write

from localnoise.errors import ArgumentError, FileFormatError, LockedError, MixedRecordsError
from localnoise.records import read_records
from localnoise.records.hdf5 import checksum
from localnoise.records.record import flat, plain_value
from localnoise.sims import sweeps
from localnoise.sims.results import records as module
from localnoise.sims.results.records import RecordFile
from localnoise.sims.sweeps.keeping import TrialStore, is_sweep, study_in
from localnoise.sims.sweeps.study_files import parse_study


def test_an_old_file_is_read_and_gone_on_from_and_stays(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    old = filled(tmp_path / "record.h5", 3)
    before = old.before.read_bytes()
    file = RecordFile(tmp_path / "record.sqlite")  # as an experiment names its record
    assert [record.config["seed"] for record in file] == [0, 1, 2]
    assert file.exists()
    assert not file.path.exists()
    rows = read_records(old.before)
    file.append({"seed": 1, "fingerprint": "f" * 64}, {"x": 1.0}, 0.1, once=True)
    assert not file.path.exists(), "nothing was new"
    file.append({"seed": 3}, {"x": 1.0}, 0.1, once=True)
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "record.sqlite: goes on from the 3 records of" in said
    assert "record.h5, which stays as it is" in said
    assert old.before.read_bytes() == before
    again = read_records(file.path)
    for row, was in zip(again[:3], rows, strict=True):
        assert row.keys() == was.keys()
        assert all(np.array_equal(row[name], was[name]) for name in row)
        assert {name: type(value) for name, value in row.items()} == {name: type(was[name]) for name in row}
    for name in ("record.h5", "record.sqlite"):  # under either name the records go on
        assert [record.config["seed"] for record in RecordFile(tmp_path / name)] == [0, 1, 2, 3]
    RecordFile(tmp_path / "record.h5").append({"seed": 4}, {"x": 1.0}, 0.1)
    assert len(list(file)) == 5
    assert capfd.readouterr().err == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == [".record.sqlite.writing", "record.h5", "record.sqlite"]


@pytest.mark.parametrize("name", ["paper-10", "speed-zen4", "tradeoff", "sweep-rules", "spiking"])
def test_what_is_published_reads_the_same_in_either_kind_of_file(name: str, tmp_path: Path) -> None:
    """Rows, column by column: from HDF5, from what goes on from it, and as published."""
    records, old = list(RecordFile(pinned.published(name)))[:40], tmp_path / "r.h5"
    for record in records:
        write(old, [(record.config, record.results, record.seconds)], record.provenance)
    rows = pinned.columns([flat(record) for record in records])
    assert pinned.columns(read_records(old)) == rows
    file = RecordFile(old)
    file.append({"seed": 0}, {"x": 1.0}, 0.1)
    assert pinned.columns(read_records(file.path)[:-1]) == rows


def test_a_sweep_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    text = (Path(sweeps.__file__).parent / "studies" / "quick.toml").read_text()
    study, old = parse_study(text, "quick.toml")[0], tmp_path / "quick.h5"
    write(old, [({"kind": "study", "name": study.name}, {"text": text}, 0.0), ({"cell": 0}, {"x": 1.0}, 0.1)])
    assert is_sweep(old)
    for given in (old, tmp_path / "quick.sqlite"):
        kept = TrialStore(given)
        with pytest.raises(ArgumentError, match=r"quick\.sqlite.* exists: .*--resume"):
            kept.begin(study, text, resume=False)
        kept.begin(study, text, resume=True)
        kept.add([({"cell": 0}, {"x": 2.0}, 0.1), ({"cell": 1}, {"x": 2.0}, 0.1)])
        assert (kept.path, kept.journal) == (tmp_path / "quick.sqlite", tmp_path / "quick.journal")
        assert [record.config.get("cell") for record in RecordFile(given)] == [None, 0, 1]
        assert study_in(given)[0] == study


def test_another_file_beside_the_records_is_not_looked_at(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "r.h5", "w") as file:
        file["mine"] = 1
    records = RecordFile(tmp_path / "r.sqlite")
    assert not records.exists()
    records.append({"seed": 0}, {"x": 1.0}, 0.1)
    assert len(list(records)) == 1


@pytest.mark.parametrize("content", [b"", b"not HDF5 at all", b"\x89HDF\r\n\x1a\n" + b"\0" * 50])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.h5"
    path.write_bytes(content)
    for act in (lambda: list(RecordFile(path)), lambda: RecordFile(path).append({}, {}, 0.0)):
        with pytest.raises(FileFormatError, match=r"r\.h5.*damaged"):
            act()
    assert path.read_bytes() == content


def test_foreign_files_are_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "r.h5"
    with h5py.File(path, "w") as file:
        file["mine"] = 1
    with pytest.raises(FileFormatError, match="name another output file"):
        RecordFile(path).append({}, {}, 0.0)
    with h5py.File(path) as file:
        assert file["mine"][()] == 1


def filled(path: Path, count: int) -> RecordFile:
    """A file of records, of an earlier version."""
    configs = [{"seed": index, "fingerprint": "f" * 64} for index in range(count)]
    write(path, [(one, {"x": float(one["seed"]), "hits": np.arange(500) * one["seed"]}, 0.1) for one in configs])
    return RecordFile(path)


def test_a_damaged_record_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    file = filled(tmp_path / "r.h5", 4)
    with h5py.File(file.before, "a") as raw:
        raw["000002/hits"][3] = 77
        raw["000001"].attrs["config"] = "{"
    assert [record.config["seed"] for record in file] == [0, 3]
    assert file.damaged == ["000001", "000002"]
    before = file.before.read_bytes()
    file.append({"seed": 9}, {"x": 1.0}, 0.1)
    assert [record.config["seed"] for record in file] == [0, 3, 9]
    assert file.damaged == []
    assert file.before.read_bytes() == before


def test_a_record_whose_name_is_lost_is_named(tmp_path: Path) -> None:
    file = filled(tmp_path / "r.h5", 4)
    with h5py.File(file.before, "a") as raw:
        del raw["000001"]
    assert [record.config["seed"] for record in file] == [0, 2, 3]
    assert file.damaged == ["000001"]


def test_a_zeroed_block_is_an_error_or_leaves_records_out_and_takes_no_time(tmp_path: Path) -> None:
    """HDF5 without checksums: where the list of names is gone, it is not read as a file of no records."""
    file = filled(tmp_path / "r.h5", 4)
    content, began, outcomes = file.before.read_bytes(), time.process_time(), set()
    for offset in range(96, 4096, 64):
        mutant = bytearray(content)
        mutant[offset : offset + 128] = bytes(128)
        file.before.write_bytes(mutant)
        try:
            found = [record.config["seed"] for record in file]
            assert len(found) + len(file.damaged) == 4
            outcomes.add(len(found))
        except FileFormatError as error:
            outcomes.add("its list of records cannot be read" in str(error))
    assert {4, True} <= outcomes
    assert time.process_time() - began < 20, "a hundred thousand look-ups took two seconds a mutant"


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("config", "[1]"),
        ("config", "1"),
        ("config", "[" * 20_000),
        ("config", 3.5),
        ("provenance", "null"),
        ("provenance", None),
        ("seconds", "long"),
        ("seconds", None),
    ],
)
def test_a_record_of_another_form_is_left_out(tmp_path: Path, attribute: str, value: object) -> None:
    file = filled(tmp_path / "r.h5", 2)
    with h5py.File(file.before, "a") as raw:
        attributes = raw["000000"].attrs
        del attributes[attribute], attributes["checksum"]
        if value is not None:
            attributes[attribute] = np.bytes_(value) if isinstance(value, str) else value
    assert [record.config["seed"] for record in file] == [1]
    assert file.damaged == ["000000"]


def test_a_record_of_unknown_code_is_not_mixed_with(tmp_path: Path) -> None:
    file = filled(tmp_path / "r.h5", 1)
    with h5py.File(file.before, "a") as raw:
        raw["000000"].attrs["provenance"] = np.bytes_("{}")
    with pytest.raises(MixedRecordsError, match="written by code unknown"):
        file.refuse_to_mix("f" * 64)


@pytest.mark.parametrize("kept", [0.9, 0.6])
def test_a_file_cut_short_gives_what_is_left(tmp_path: Path, kept: float) -> None:
    file = filled(tmp_path / "r.h5", 6)
    content = file.before.read_bytes()
    file.before.write_bytes(content[: int(kept * len(content))])
    found = [record.config["seed"] for record in file]
    assert 0 < len(found) < 6
    assert found == sorted(found)
    assert len(found) + len(file.damaged) <= 6
    file.append({"seed": 9}, {"x": 1.0}, 0.1)
    assert [record.config["seed"] for record in file] == [*found, 9]


def test_data_and_code_are_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = filled(tmp_path / "r.h5", 1)
    file.refuse_to_mix("f" * 64)
    with pytest.raises(MixedRecordsError, match=r"holds records of data ffffffffffff, these images are abc"):
        file.refuse_to_mix("abc")
    monkeypatch.setattr(module, "source_hash", lambda: "another")
    with pytest.raises(MixedRecordsError, match=r"written by code [0-9a-f]{12}, this is another: name another --out"):
        file.refuse_to_mix("f" * 64)


def edited(path: Path, change: Callable[[h5py.Group], None]) -> RecordFile:
    """A file of four records, the third of which was changed, with a checksum that fits."""
    file = filled(path, 4)
    with h5py.File(path, "a") as raw:
        group = raw["000002"]
        change(group)
        config = group.attrs.get("config")
        if isinstance(config, bytes):
            results = {name: plain_value(group.attrs[name]) for name in group.attrs if name not in OWN}
            results |= {name: group[name][()] for name in group if isinstance(group[name], h5py.Dataset)}
            group.attrs["checksum"] = checksum(config.decode(), results)
    return file


OWN = ("config", "provenance", "seconds", "checksum")
EDITS: dict[str, Callable[[h5py.Group], None]] = {
    "a list as config": lambda group: group.attrs.modify("config", np.bytes_("[1, 2]")),
    "a number as config": lambda group: group.attrs.modify("config", np.bytes_("7")),
    "numbers as config": lambda group: group.attrs.create("config", [1, 2]),
    "no config": lambda group: group.attrs.__delitem__("config"),
    "deep JSON": lambda group: group.attrs.modify("config", np.bytes_("[" * 9000 + "]" * 9000)),
    "a text as provenance": lambda group: group.attrs.modify("provenance", np.bytes_('"me"')),
    "no provenance": lambda group: group.attrs.__delitem__("provenance"),
    "seconds that are many": lambda group: group.attrs.create("seconds", [1.0, 2.0]),
    "seconds that are a text": lambda group: group.attrs.create("seconds", np.bytes_("soon")),
    "a group as a result": lambda group: group.create_group("inner"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_record_of_other_types_is_damaged_and_no_foreign_error(name: str, tmp_path: Path) -> None:
    file = edited(tmp_path / "r.h5", EDITS[name])
    assert [record.config["seed"] for record in file] == [0, 1, 3]
    assert file.damaged == ["000002"]
    assert len(read_records(file.before)) == 3
    file.refuse_to_mix("f" * 64)
    file.append({"seed": 9}, {"x": 1.0}, 0.1)
    assert [record.config["seed"] for record in file] == [0, 1, 3, 9]


def test_a_record_that_is_missing_among_others_is_told(tmp_path: Path) -> None:
    file = filled(tmp_path / "r.h5", 4)
    with h5py.File(file.before, "a") as raw:
        del raw["000001"]
    assert [record.config["seed"] for record in file] == [0, 2, 3]
    assert file.damaged == ["000001"]


def test_records_that_are_missing_at_the_end_are_told(tmp_path: Path) -> None:
    file = filled(tmp_path / "r.h5", 4)
    with h5py.File(file.before, "a") as raw:
        del raw["000003"], raw["000002"]
    assert [record.config["seed"] for record in file] == [0, 1]
    assert file.damaged == ["000002", "000003"]
    with h5py.File(file.before, "a") as raw:
        del raw.attrs["count"]  # as still earlier versions wrote it
    assert [record.config["seed"] for record in file] == [0, 1]
    assert file.damaged == []


def test_a_file_whose_records_cannot_be_found_is_damaged_and_not_empty(tmp_path: Path) -> None:
    file = filled(tmp_path / "r.h5", 4)
    with h5py.File(file.before, "a") as raw:
        for name in list(raw):
            del raw[name]
    for act in (lambda: list(file), lambda: read_records(file.before), lambda: file.append({}, {}, 0.0)):
        with pytest.raises(FileFormatError, match=r"r\.h5: damaged, its list of records cannot be read"):
            act()


def test_no_byte_of_the_root_group_loses_records_without_a_word(tmp_path: Path) -> None:
    """Where the list of records lies, each byte is turned in turn: read whole, told what is lost, or refused."""
    file = filled(tmp_path / "r.h5", 3)
    content = file.before.read_bytes()
    place, silent = content.index(b"TREE"), []
    for offset in (*range(place, place + 48), *range(40, 96)):
        file.before.write_bytes(content[:offset] + bytes([content[offset] ^ 0xFF]) + content[offset + 1 :])
        try:
            found = [record.config["seed"] for record in file]
        except (FileFormatError, LockedError):
            continue
        if found != [0, 1, 2] and not file.damaged:
            silent.append(offset)
    assert silent == []
