"""A record as bytes: a JSON document compressed against an earlier one, and arrays in as few bytes as they need.

Documents of one experiment differ in a few values, so that each is compressed with the text of an earlier record's
document, its *base*, as zlib's preset dictionary: 1.5 kB become 150 to 400 bytes. Arrays of zeros and ones, whatever
their type, take one bit an entry; other arrays have their bytes sorted by significance where that compresses better.
Types, shapes and every bit of a number are kept.
"""

import hashlib
import json
import math
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.records.record import Record

LONGEST = 2**24  # bytes of a document
_DTYPE = re.compile(r"[<>|][biufc]\d{1,2}")
_LEVEL = 9
_SAVES = 2  # a base is used where it makes a document so many times shorter; otherwise the record is a base itself


@dataclass(frozen=True)
class Packed:
    """A record's columns in a store.

    Attributes
    ----------
    base : int or None
        Number of the record whose document this one was compressed with; None where it can be a base itself.
    document : bytes
        Config, provenance, seconds, single values, and the arrays' names, types, shapes and forms; JSON, zlib.
    arrays : bytes
        One after the other, in the order of the document.
    checksum : bytes
        Of the record's number, the document's text and the arrays' bytes.
    """

    base: int | None
    document: bytes
    arrays: bytes
    checksum: bytes


class DamagedError(ValueError):
    """Bytes that no record was packed into."""


def pack(record: Record, number: int, base: tuple[int, bytes] | None) -> tuple[Packed, tuple[int, bytes]]:
    """Pack a record; returns the base for the next one as well.

    base : number and text of the latest base.

    Raises
    ------
    TypeError, ValueError
        JSON cannot hold its config or a single result, or an array holds no numbers.
    """
    values, arrays = dict[str, Any](), list[list[Any]]()
    content, parts = list[bytes](), list[bytes]()
    for name, value in sorted(record.results.items()):
        if not np.ndim(value):
            values[name] = value.item() if isinstance(value, (np.generic, np.ndarray)) else value
            continue
        array = np.ascontiguousarray(value)
        if not _DTYPE.fullmatch(array.dtype.str):
            raise TypeError(f"{name}: an array of {array.dtype}, expected numbers")
        form, part = _shortest(array)
        arrays.append([name, array.dtype.str, array.shape, form, len(part)])
        content.append(array.tobytes())
        parts.append(part)
    said = {"config": record.config, "provenance": record.provenance, "seconds": record.seconds}
    config = json.loads(json.dumps(said["config"], sort_keys=True))  # readers get keys in this order
    text = json.dumps(said | {"config": config, "values": values, "arrays": arrays}, separators=(",", ":")).encode()
    document, own = _compressed(text), (number, text)
    if base is not None and _SAVES * len(against := _compressed(text, base[1])) <= len(document):
        document, own = against, base
    against_number = None if own[0] == number else own[0]
    return Packed(against_number, document, b"".join(parts), _checksum(number, text, content)), own


def unpack(packed: Packed, number: int, base: bytes, spend: Callable[[int, str], None]) -> Record:
    """Return the record that was packed.

    base : text of the base; empty where it has none.
    spend : told the bytes and the name of what is to be unpacked, raises where they are too many.

    Raises
    ------
    ValueError, KeyError, TypeError, zlib.error, RecursionError
        Damage.
    """
    text = _expanded(packed.document, LONGEST, base)
    spend(len(text), f"record {number}")
    said = json.loads(text)
    results, content, place = dict(said["values"]), list[bytes](), 0
    for name, dtype, shape, form, length in said["arrays"]:
        kind, sizes = _kind(dtype), [_size(one) for one in shape]
        count = math.prod(sizes)
        spend(count * kind.itemsize, str(name))
        part = packed.arrays[place : place + _size(length)]
        place += length
        results[name] = _FORMS[form].read(part, count, kind).reshape(sizes)
        content.append(results[name].tobytes())
    if place != len(packed.arrays) or _checksum(number, text, content) != packed.checksum:
        raise DamagedError("checksum")
    if not isinstance(said["config"], dict) or not isinstance(said["provenance"], dict):
        raise DamagedError("config and provenance are no objects")
    return Record(said["config"], results, said["provenance"], float(said["seconds"]))


def text_of(base: bytes) -> bytes:
    """Return the text of a base's document."""
    return _expanded(base, LONGEST)


def _checksum(number: int, text: bytes, content: list[bytes]) -> bytes:
    digest = hashlib.sha256(number.to_bytes(8, "little") + text)
    for part in content:
        digest.update(part)
    return digest.digest()[:8]


def _compressed(text: bytes, base: bytes = b"") -> bytes:
    coder = zlib.compressobj(_LEVEL, zdict=base) if base else zlib.compressobj(_LEVEL)
    return coder.compress(text) + coder.flush()


def _expanded(content: bytes, most: int, base: bytes = b"") -> bytes:
    """Expand at most `most` bytes: a few can stand for any number."""
    decoder = zlib.decompressobj(zdict=base) if base else zlib.decompressobj()
    found = decoder.decompress(content, most)
    if not decoder.eof:
        raise DamagedError("longer than it says, or cut short")
    return found


def _kind(text: Any) -> np.dtype[Any]:
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise DamagedError("type of an array")
    return np.dtype(text)


def _size(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise DamagedError("size of an array")
    return value


Array = npt.NDArray[Any]


def _binary(array: Array) -> bool:
    return array.dtype.kind in "bui" and array.size > 0 and bool(((array == 0) | (array == 1)).all())


def _shuffled(array: Array) -> bytes:
    """First bytes of all entries, then second ones: those that vary little lie together."""
    return array.reshape(-1).view(np.uint8).reshape(array.size, array.itemsize).T.tobytes()


@dataclass(frozen=True)
class _Form:
    """A way to write an array: `write` gives its bytes, or None where the array does not take that form."""

    write: Callable[[Array], bytes | None]
    read: Callable[[bytes, int, np.dtype[Any]], Array]


def _exactly(content: bytes, length: int) -> bytes:
    if len(content) != length:
        raise DamagedError("length of an array")
    return content


def _bits(content: bytes, count: int, kind: np.dtype[Any]) -> Array:
    packed = np.frombuffer(_exactly(content, -(-count // 8)), np.uint8)
    return np.unpackbits(packed, count=count).astype(kind)


def _entries(content: bytes, count: int, kind: np.dtype[Any]) -> Array:
    return np.frombuffer(_exactly(content, count * kind.itemsize), kind).copy()


def _unshuffled(content: bytes, count: int, kind: np.dtype[Any]) -> Array:
    planes = np.frombuffer(_exactly(content, count * kind.itemsize), np.uint8).reshape(kind.itemsize, count)
    return np.ascontiguousarray(planes.T).reshape(-1).view(kind)


def _zipped(form: _Form) -> _Form:
    def write(array: Array) -> bytes | None:
        content = form.write(array)
        return None if content is None else _compressed(content)

    def read(content: bytes, count: int, kind: np.dtype[Any]) -> Array:
        return form.read(_expanded(content, max(1, count * kind.itemsize)), count, kind)

    return _Form(write, read)


_PLAIN = {
    "bits": _Form(lambda array: np.packbits(array != 0).tobytes() if _binary(array) else None, _bits),
    "bytes": _Form(lambda array: array.tobytes(), _entries),
    "planes": _Form(lambda array: _shuffled(array) if array.size and array.itemsize > 1 else None, _unshuffled),
}
_FORMS = _PLAIN | {f"{name} zlib": _zipped(form) for name, form in _PLAIN.items()}


def _shortest(array: Array) -> tuple[str, bytes]:
    if _binary(array):
        tried = {name: _FORMS[name].write(array) for name in ("bits", "bits zlib")}
    else:
        tried = {name: _FORMS[name].write(array) for name in ("bytes", "bytes zlib", "planes zlib")}
    found = {name: content for name, content in tried.items() if content is not None}
    name = min(found, key=lambda name: len(found[name]))
    return name, found[name]
