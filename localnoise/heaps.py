"""Heaps of an HDF5 file, where texts lie: walked before HDF5 does, which goes round for ever in one that is damaged.

Format: The HDF Group, "HDF5 File Format Specification, version 3.0", III.E, Level 1E - Global Heap.
"""

import mmap
from pathlib import Path

from localnoise.errors import FileFormatError

_HEAD = b"GCOL\x01\x00\x00\x00"  # signature, version, reserved bytes
_OBJECT = 16  # bytes of the head of an object, and of a collection


def check_heaps(source: Path) -> None:
    """Walk every global heap of a file. Cost: one search through its bytes.

    Raises
    ------
    FileFormatError
        A heap, or an object in one, is longer than the file that holds it: the file is damaged.
    """
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(_HEAD)
        while start >= 0:
            if not _sound(content, start):
                raise FileFormatError(f"{source}: damaged: the heap of its texts does not fit into it; export again")
            start = content.find(_HEAD, start + len(_HEAD))


def _sound(content: mmap.mmap, start: int) -> bool:
    """Return whether the objects of a heap fill it, one after the other."""

    def number(place: int, size: int) -> int:
        return int.from_bytes(content[place : place + size], "little")

    end = start + number(start + 8, 8)
    if end > len(content):
        return False
    place = start + _OBJECT
    while place + _OBJECT <= end:
        size = number(place + 8, 8)
        if number(place, 2):
            place += _OBJECT + -(-size // 8) * 8
        elif size >= _OBJECT:  # free: its size counts its head
            place += size
        else:  # from here HDF5 would go on to where it is
            return False
    return place <= end
