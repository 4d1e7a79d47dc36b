"""IDX files by the book: small sets of images and labels, written without the code under test."""

import struct
from pathlib import Path

import numpy as np
import pytest

from localnoise.sims.data import sources

NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES
TRAIN, TEST = 60, 20


needs_debian = pytest.mark.skipif(not sources.DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")


def raw(array, magic=None) -> bytes:
    """Write an IDX file by the book, without the code under test."""
    magic = {3: 2051, 1: 2049}[array.ndim] if magic is None else magic
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.astype(np.uint8).tobytes()


def synthetic(train=TRAIN, test=TEST) -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    arrays = {}
    for part, count in (("train", train), ("t10k", test)):
        arrays[f"{part}-images-idx3-ubyte"] = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{part}-labels-idx1-ubyte"] = random.permutation(np.arange(count) % 10).astype(np.uint8)
    return arrays


def put(folder: Path, name: str, content: bytes) -> None:
    """Replace a file by an uncompressed one."""
    (folder / f"{name}.gz").unlink(missing_ok=True)
    (folder / name).write_bytes(content)
