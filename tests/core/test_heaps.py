"""Heaps of HDF5 files: sound ones pass, whatever they hold; one that HDF5 would go round in for ever is refused."""

from pathlib import Path

import h5py
import pytest

from localnoise.errors import FileFormatError
from localnoise.heaps import check_heaps


def written(path: Path, texts: list[str]) -> Path:
    with h5py.File(path, "w") as file:
        file["texts"] = texts
        file["one"] = "x" * 9000  # longer than a heap usually is
        del file["one"]
    return path


@pytest.mark.parametrize("count", [0, 1, 7, 300])
def test_sound_heaps_pass(count: int, tmp_path: Path) -> None:
    check_heaps(written(tmp_path / "t.h5", ["unit_" * (index % 9) for index in range(count)] or ["a"]))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (16 + 3 * 24, bytes(24)),  # the fourth object: free, of no length
        (16 + 8, (1 << 40).to_bytes(8, "little")),  # the first one: longer than the file
        (8, (1 << 40).to_bytes(8, "little")),  # the heap itself
    ],
)
def test_a_damaged_heap_is_refused_before_hdf5_reads_it(place: int, value: bytes, tmp_path: Path) -> None:
    path = written(tmp_path / "t.h5", [f"text{index}" for index in range(40)])
    content = bytearray(path.read_bytes())
    start = content.index(b"GCOL")
    content[start + place : start + place + len(value)] = value
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="heap of its texts"):
        check_heaps(path)
