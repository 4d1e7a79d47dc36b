"""Random numbers that depend on the image's index alone, not on the batch that it comes in.

Philox (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3") maps a key and a counter to
four 64-bit words. The key is (seed, name of the modification); image i owns a range of the counter. So any range of
images is drawn in one vectorised call, and the level is no part of the key: levels of one seed share their draws.
"""

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
_BLOCK = 4  # words to a count of Philox


def draw(name: str, seed: int, start: int, count: int, width: int) -> Words:
    """Draw `width` words for each of the images start .. start + count - 1. Cost O(count width).

    Returns
    -------
    ndarray of uint64, (count, width)
        Row i depends on `name`, `seed` and start + i only.
    """
    blocks = math.ceil(width / _BLOCK)
    name_key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    generator = np.random.Philox(counter=start * blocks, key=seed << 64 | name_key)
    return generator.random_raw(count * blocks * _BLOCK).reshape(count, blocks * _BLOCK)[:, :width]


def uniform(words: Words) -> npt.NDArray[np.float64]:
    """Uniform numbers in [0, 1) with 53 bits, one to a word."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(words: Words) -> npt.NDArray[np.float32]:
    """Standard normal numbers, two to a word (Box and Muller 1958): (n, k) words give (n, 2 k) numbers.

    A word's upper half gives the radius sqrt(-2 ln u), its lower half the angle. Largest magnitude 6.76.
    """
    upper = (words >> np.uint64(32)).astype(np.float32)
    lower = (words & np.uint64(0xFFFFFFFF)).astype(np.float32)
    radius = np.sqrt(-2 * np.log((upper + np.float32(0.5)) * np.float32(2.0**-32)))
    angle = lower * np.float32(2 * math.pi * 2.0**-32)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


@contextmanager
def generator_kept() -> Iterator[None]:
    """Leave NumPy's global generator as it was: some libraries draw from nothing else."""
    before = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
