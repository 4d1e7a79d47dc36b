"""Typical movements: a codebook of where the parts of an image go, and which entry each draw is nearest to."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_ROUNDS = 20


def codebook(movements: Floats, parts: int) -> Floats:
    """Return `parts` typical rows of `movements` (T, d), by Lloyd's algorithm from the first rows on.

    An entry that would be left without rows stays where it was. Cost O(T parts d) a round.
    """
    book = movements[:parts].copy()
    for _ in range(_ROUNDS):
        own = nearest(book, movements)
        for part in np.unique(own):
            book[part] = movements[own == part].mean(axis=0)
    return book


def nearest(book: Floats, movements: Floats) -> npt.NDArray[np.int64]:
    """Return for each row of `movements` (T, d) the entry of `book` (parts, d) that is nearest to it."""
    return np.asarray((movements @ book.T - 0.5 * np.square(book).sum(axis=1)).argmax(axis=1), dtype=np.int64)
