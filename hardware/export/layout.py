"""Words as the C runtime has them, unit by unit, and as the emulator has them, channel by channel."""

from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.int16]


def unit_major(words: npt.NDArray[np.integer[Any]]) -> Words:
    """(T, m, N) as (T, N m) int16, contiguous: word[u m + c]."""
    return np.ascontiguousarray(words.transpose(0, 2, 1).reshape(len(words), -1), np.int16)


def channel_major(words: Words, channels: int) -> Words:
    """(T, N m) as (T, m, N), the inverse of `unit_major`."""
    return np.ascontiguousarray(words.reshape(len(words), -1, channels).transpose(0, 2, 1))
