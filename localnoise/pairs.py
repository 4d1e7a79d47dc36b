"""Which second moments a grid's units need: each pair of neighbors once, however many units read it.

A unit's regressors are activities of *items*: item u is unit u's displacement, item N + u its activation h_u, and
item 2N + u its second activation, where units read one. Two items that one unit reads together make a pair; neighboring
units read mostly the same pairs, so that the pairs of a grid are half or less of what the units would sum on their own.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localnoise.dense import refuse_beyond_memory

Ints = npt.NDArray[np.int32]


def activations(readers: Ints) -> int:
    """Return how many activations these units read, (N, R): 0, 1, or 2 where one goes beyond N, to a second one."""
    return int(readers.shape[1] > 0) + int(readers.max(initial=-1) >= len(readers))


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Unordered pairs (item, other) with other <= item, sorted by item, and where each unit finds its own.

    Attributes
    ----------
    first : (I + 1,) int64
        The pairs of item i are first[i] .. first[i + 1] - 1.
    other : (P,) int32
    items : (N, q) int32
        What each unit reads, in the order of its regressors: activations, parents, and last itself; -1 where missing.
    where : (N, q, q) int32
        Which pair holds the moment of two of a unit's items; -1 where one is missing.
    """

    first: npt.NDArray[np.int64]
    other: Ints
    items: Ints
    where: Ints

    @classmethod
    def of(cls, parents: Ints, readers: Ints) -> "Pairs":
        """Pairs that these wires need. Cost O(N q^2 log(N q^2)), q = K + R + 1 items a unit."""
        units, q = len(parents), parents.shape[1] + readers.shape[1] + 1
        most = units * q * (q + 1) // 2
        refuse_beyond_memory(f"{most:,} pairs of what units read together", 40 * most, "fewer parents, or rule='lms'")
        own = np.arange(units, dtype=np.int32)[:, None]
        count = (1 + activations(readers)) * units
        items = np.concatenate([np.where(readers >= 0, readers + units, -1), parents, own], axis=1)
        row, column = np.tril_indices(items.shape[1])
        low, high = np.sort(np.stack([items[:, row], items[:, column]]), axis=0).astype(np.int64)
        keys, found = np.unique(np.where(low >= 0, high * count + low, -1), return_inverse=True)
        missing = int(keys[0] == -1)
        where = np.empty((units, items.shape[1], items.shape[1]), np.int32)
        where[:, row, column] = where[:, column, row] = found.reshape(low.shape) - missing
        keys = keys[missing:]
        first = np.searchsorted(keys, np.arange(count + 1) * count)
        return cls(first=first, other=(keys % count).astype(np.int32), items=items, where=where)

    def assembled(self, blocks: npt.NDArray[np.float64], rows: slice, skip: int = 0) -> npt.NDArray[np.float64]:
        """Moments of all that each of some units reads, (units, q m, q m), from the pairs' blocks (P, m, m) float64.

        skip : rows and columns that are put before them, not filled.
        """
        from localnoise.kernels.moments import assemble

        items, where = self.items[rows], self.where[rows]
        side = items.shape[1] * blocks.shape[1]
        out = np.empty((len(items), skip + side, skip + side))
        assemble(out, blocks, items, where, skip)
        return out
