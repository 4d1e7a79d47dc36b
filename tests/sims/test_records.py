"""Records: append-only, atomic, and refusing what is not theirs."""

import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from localnoise.errors import FileFormatError, LockedError, MixedRecordsError
from localnoise.records import checksum, plain_value, read_records
from localnoise.sims.results import records as module
from localnoise.sims.results.records import RecordFile, key


def test_what_is_appended_comes_back_in_order(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "r.h5")
    assert list(file) == []
    for index in range(3):
        file.append({"seed": index, "nested": {"a": [1, 2]}}, {"accuracy.x": index / 7, "hits": np.arange(index)}, 0.5)
    back = list(file)
    assert [record.config["seed"] for record in back] == [0, 1, 2]
    assert back[2].results["accuracy.x"] == 2 / 7
    assert np.array_equal(back[2].results["hits"], [0, 1])
    assert {"localnoise", "numba", "code", "written"} <= set(back[0].provenance)
    assert key({"seed": 1, "nested": {"a": (1, 2)}}) in file.done()


def test_a_failed_append_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RecordFile(tmp_path / "r.h5")
    file.append({"seed": 0}, {"x": 1.0}, 0.1)
    before = file.path.read_bytes()
    monkeypatch.setattr(module, "versions", lambda: (_ for _ in ()).throw(OSError("No space left on device")))
    with pytest.raises(OSError, match="No space"):
        file.append({"seed": 1}, {"x": 2.0}, 0.1)
    assert file.path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == [".r.h5.writing", "r.h5"]  # the lock, and the file


@pytest.mark.parametrize("content", [b"", b"not HDF5 at all", b"\x89HDF\r\n\x1a\n" + b"\0" * 50])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.h5"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"r\.h5.*damaged"):
        list(RecordFile(path))


def test_foreign_files_are_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "r.h5"
    with h5py.File(path, "w") as file:
        file["mine"] = 1
    with pytest.raises(FileFormatError, match="name another output file"):
        RecordFile(path).append({}, {}, 0.0)
    with h5py.File(path) as file:
        assert file["mine"][()] == 1


def filled(path: Path, count: int) -> RecordFile:
    file = RecordFile(path)
    for index in range(count):
        file.append({"seed": index, "fingerprint": "f" * 64}, {"x": float(index), "hits": np.arange(500) * index}, 0.1)
    return file


def test_a_damaged_record_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    file = filled(tmp_path / "r.h5", 4)
    with h5py.File(file.path, "a") as raw:
        raw["000002/hits"][3] = 77
        raw["000001"].attrs["config"] = "{"
    assert [record.config["seed"] for record in file] == [0, 3]
    assert file.damaged == ["000001", "000002"]
    before = file.path.read_bytes()
    file.append({"seed": 9}, {"x": 1.0}, 0.1)
    assert [record.config["seed"] for record in file] == [0, 3, 9]
    assert file.damaged == []
    assert (tmp_path / "r.h5.damaged").read_bytes() == before


def test_a_record_whose_name_is_lost_is_named(tmp_path: Path) -> None:
    file = filled(tmp_path / "r.h5", 4)
    with h5py.File(file.path, "a") as raw:
        del raw["000001"]
    assert [record.config["seed"] for record in file] == [0, 2, 3]
    assert file.damaged == ["000001"]


def test_a_zeroed_block_is_an_error_or_leaves_records_out_and_takes_no_time(tmp_path: Path) -> None:
    """HDF5 without checksums: where the list of names is gone, it is not read as a file of no records."""
    file = filled(tmp_path / "r.h5", 4)
    content, began, outcomes = file.path.read_bytes(), time.process_time(), set()
    for offset in range(96, 4096, 64):
        mutant = bytearray(content)
        mutant[offset : offset + 128] = bytes(128)
        file.path.write_bytes(mutant)
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
    with h5py.File(file.path, "a") as raw:
        attributes = raw["000000"].attrs
        del attributes[attribute], attributes["checksum"]
        if value is not None:
            attributes[attribute] = np.bytes_(value) if isinstance(value, str) else value
    assert [record.config["seed"] for record in file] == [1]
    assert file.damaged == ["000000"]


def test_a_record_of_unknown_code_is_not_mixed_with(tmp_path: Path) -> None:
    file = filled(tmp_path / "r.h5", 1)
    with h5py.File(file.path, "a") as raw:
        raw["000000"].attrs["provenance"] = np.bytes_("{}")
    with pytest.raises(MixedRecordsError, match="written by code unknown"):
        file.refuse_to_mix("f" * 64)


@pytest.mark.parametrize("kept", [0.9, 0.6])
def test_a_file_cut_short_gives_what_is_left(tmp_path: Path, kept: float) -> None:
    file = filled(tmp_path / "r.h5", 6)
    content = file.path.read_bytes()
    file.path.write_bytes(content[: int(kept * len(content))])
    found = [record.config["seed"] for record in file]
    assert 0 < len(found) < 6
    assert found == sorted(found)
    assert len(found) + len(file.damaged) <= 6
    file.append({"seed": 9}, {"x": 1.0}, 0.1)
    assert [record.config["seed"] for record in file] == [*found, 9]


def test_data_and_code_are_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = filled(tmp_path / "r.h5", 1)
    file.refuse_to_mix("f" * 64)
    with pytest.raises(MixedRecordsError, match=r"r\.h5 holds records of data ffffffffffff, these images are abc"):
        file.refuse_to_mix("abc")
    monkeypatch.setattr(module, "code_version", lambda: "another")
    with pytest.raises(MixedRecordsError, match=r"written by code [0-9a-f]{12}, this is another: name another --out"):
        file.refuse_to_mix("f" * 64)


def test_a_key_holds_what_a_result_depends_on_alone() -> None:
    """Another adaptive protocol leaves the records of all other threats done."""
    rotate = {"arm": "full", "threats": [{"name": "rotate", "level": 2.0, "images": 9}], "attacked_test": 9}
    assert key(rotate) == key(rotate | {"attacked_test": 8, "adaptive": {"steps": 7}})
    assert key(rotate) != key(rotate | {"arm": "none"})
    adaptive = rotate | {"threats": [{"name": "adaptive", "level": 0.1, "images": 9}]}
    assert key(adaptive | {"adaptive": {"steps": 7}}) != key(adaptive)
    own = {"arm": "full", "attacked_test": 9}  # no threats: the sources themselves, as many images as the settings say
    assert key(own) != key(own | {"attacked_test": 8})


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
    assert len(read_records(file.path)) == 3
    file.refuse_to_mix("f" * 64)
    file.append({"seed": 9}, {"x": 1.0}, 0.1)
    assert [record.config["seed"] for record in file] == [0, 1, 3, 9]


def test_a_record_that_is_missing_among_others_is_told(tmp_path: Path) -> None:
    file = filled(tmp_path / "r.h5", 4)
    with h5py.File(file.path, "a") as raw:
        del raw["000001"]
    assert [record.config["seed"] for record in file] == [0, 2, 3]
    assert file.damaged == ["000001"]


def test_records_that_are_missing_at_the_end_are_told(tmp_path: Path) -> None:
    file = filled(tmp_path / "r.h5", 4)
    with h5py.File(file.path, "a") as raw:
        del raw["000003"], raw["000002"]
    assert [record.config["seed"] for record in file] == [0, 1]
    assert file.damaged == ["000002", "000003"]
    file.append({"seed": 9}, {"x": 1.0}, 0.1)
    assert [record.config["seed"] for record in file] == [0, 1, 9]
    assert file.damaged == []
    with h5py.File(file.path, "a") as raw:
        del raw.attrs["count"]  # as earlier versions wrote it
    assert [record.config["seed"] for record in file] == [0, 1, 9]


def test_a_file_whose_records_cannot_be_found_is_damaged_and_not_empty(tmp_path: Path) -> None:
    file = filled(tmp_path / "r.h5", 4)
    with h5py.File(file.path, "a") as raw:
        for name in list(raw):
            del raw[name]
    for act in (lambda: list(file), lambda: read_records(file.path), lambda: file.append({}, {}, 0.0)):
        with pytest.raises(FileFormatError, match=r"r\.h5: damaged, its list of records cannot be read"):
            act()


def test_no_byte_of_the_root_group_loses_records_without_a_word(tmp_path: Path) -> None:
    """Where the list of records lies, each byte is turned in turn: read whole, told what is lost, or refused."""
    file = filled(tmp_path / "r.h5", 3)
    content = file.path.read_bytes()
    place, silent = content.index(b"TREE"), []
    for offset in (*range(place, place + 48), *range(40, 96)):
        file.path.write_bytes(content[:offset] + bytes([content[offset] ^ 0xFF]) + content[offset + 1 :])
        try:
            found = [record.config["seed"] for record in file]
        except (FileFormatError, LockedError):
            continue
        if found != [0, 1, 2] and not file.damaged:
            silent.append(offset)
    assert silent == []
