"""Records: append-only, atomic, and refusing what is not theirs."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from localnoise.errors import FileFormatError
from localnoise.sims.reports import records as module
from localnoise.sims.reports.records import RecordFile, key


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
    assert [p.name for p in tmp_path.iterdir()] == ["r.h5"]


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
