"""IDX files, the format of MNIST and its kin: a big-endian header, then the array's bytes in C order.

The header is the magic number 0x000008dd (08: unsigned bytes; dd: the number of dimensions), then one 32-bit size per
dimension. Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section "File formats".
"""

import gzip
import io
import math
import zlib
from pathlib import Path
from typing import IO, Literal

import numpy as np
import numpy.typing as npt

from localnoise.dense import refuse_if_larger
from localnoise.errors import DataError

Bytes = npt.NDArray[np.uint8]
Kind = Literal["images", "labels"]

SIDE = 28
CLASSES = 10
_MAGIC: dict[Kind, int] = {"images": 0x0803, "labels": 0x0801}
_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20
MOST = 1 << 30
"""Bytes that a file may hold unpacked, unless told otherwise: 1.3 million images, 22 times Fashion-MNIST's."""


def read(path: Path, kind: Kind, max_bytes: int = MOST) -> Bytes:
    """Read one IDX file of Fashion-MNIST's form, compressed with gzip or not, whatever its name ends in.

    Parameters
    ----------
    path : Path
        The file.
    kind : {"images", "labels"}
        What it has to hold.
    max_bytes : int
        The largest size that the header may declare, unpacked. No more than the header declares is ever unpacked.

    Returns
    -------
    ndarray of uint8
        Images (N, 28, 28) in 0..255, or labels (N,) in 0..9; read-only.

    Raises
    ------
    DataError
        The file is missing, unreadable, truncated, padded, damaged, of the other kind, empty or out of range.
    TooLargeError
        The header declares more than `max_bytes`.
    """
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: cannot be read (no plain file); expected an IDX file of {kind}")
        with path.open("rb") as file:
            gzipped = file.read(2) == _GZIP
            file.seek(0)
            return _parse(gzip.GzipFile(fileobj=file) if gzipped else file, path, kind, max_bytes)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: the gzip stream is truncated or damaged ({error}); fetch the file again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); expected an IDX file of {kind}") from error


def _parse(stream: IO[bytes] | gzip.GzipFile, path: Path, kind: Kind, max_bytes: int) -> Bytes:
    """Check the header against `kind` and the payload against the header."""
    magic = _header(stream, 1, path, kind)[0]
    other: Kind = "labels" if kind == "images" else "images"
    if magic == _MAGIC[other]:
        raise DataError(f"{path}: holds {other}, expected {kind}; the {other} and {kind} files look swapped")
    if magic != _MAGIC[kind]:
        raise DataError(
            f"{path}: magic number {magic:#010x}, expected {_MAGIC[kind]:#010x}; is it an IDX file of {kind}?"
        )
    shape = _header(stream, magic & 0xFF, path, kind)
    if shape[0] == 0:
        raise DataError(f"{path}: announces 0 {kind}, expected at least 1; fetch the file again")
    if shape[1:] not in ((), (SIDE, SIDE)):
        raise DataError(
            f"{path}: images of {shape[1]} x {shape[2]} pixels, expected {SIDE} x {SIDE}; resize them first"
        )
    expected = math.prod(shape)
    if not isinstance(stream, gzip.GzipFile):
        _check_length(path, kind, shape, path.stat().st_size - 4 * (1 + len(shape)))
    refuse_if_larger(f"{path}: {shape[0]:,} {kind}", expected, max_bytes, "fewer of them")
    payload = bytearray()  # grows by what there is: a false header must not make us allocate what it declares
    while len(payload) < expected and (part := stream.read(min(_CHUNK, expected - len(payload)))):
        payload += part
    more = bool(stream.read(1))  # this read checks gzip's checksum, too
    _check_length(path, kind, shape, len(payload) + more, "at least " * more)
    array = np.frombuffer(payload, dtype=np.uint8).reshape(shape)
    array.flags.writeable = False
    if kind == "labels" and array.max() >= CLASSES:
        first = int(np.argmax(array >= CLASSES))
        raise DataError(
            f"{path}: label {array[first]} at index {first}, expected 0..{CLASSES - 1}; relabel the classes"
        )
    return array


def _check_length(path: Path, kind: Kind, shape: tuple[int, ...], found: int, about: str = "") -> None:
    """Raise a DataError unless as many bytes follow the header as it declares."""
    expected = math.prod(shape)
    if found != expected:
        state = "truncated" if found < expected else "too long"
        raise DataError(
            f"{path}: {state}, {about}{found:,} bytes after the header, expected {expected:,} ({shape[0]:,} {kind}); "
            "fetch the file again"
        )


def _header(stream: IO[bytes] | gzip.GzipFile, words: int, path: Path, kind: Kind) -> tuple[int, ...]:
    """Read `words` big-endian 32-bit words."""
    data = stream.read(4 * words)
    if len(data) < 4 * words:
        raise DataError(f"{path}: ends within its header, expected an IDX file of {kind}; fetch the file again")
    return tuple(np.frombuffer(data, dtype=">u4").tolist())


def encode(array: Bytes) -> bytes:
    """Compress (N, 28, 28) images or (N,) labels as a gzip IDX file; equal arrays give equal bytes under one zlib."""
    buffer = io.BytesIO()
    header = np.array([0x0800 | array.ndim, *array.shape], dtype=">u4")
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as file:
        file.write(header.tobytes() + array.tobytes())
    return buffer.getvalue()
