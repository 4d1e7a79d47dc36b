"""A grid's wires as they are now, checked, and what kernels derive from them: tables made once, again after an edit."""

from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.pairs import Pairs

Ints = npt.NDArray[np.int32]


class Wires:
    """Copies of order (N,), parents (N, K) and readers (N, R), that no edit of the field reaches.

    Raises
    ------
    ArgumentError
        No sweep could run: a kernel would read what is not there, or not yet drawn.
    """

    def __init__(self, order: Ints, parents: Ints, readers: Ints) -> None:
        fault = unsound(order, parents, readers)
        if fault:
            raise ArgumentError(f"field.{fault}")
        self.order, self.parents, self.readers = order.copy(), parents.copy(), readers.copy()

    def equal(self, order: Ints, parents: Ints, readers: Ints) -> bool:
        """Return whether these are the same wires. Cost O(N (K + R)), far less than a draw."""
        return (
            np.array_equal(self.parents, parents)
            and np.array_equal(self.order, order)
            and np.array_equal(self.readers, readers)
        )

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Wires) and self.equal(other.order, other.parents, other.readers)

    __hash__ = None  # type: ignore[assignment]  # arrays have none

    def __deepcopy__(self, memo: Any) -> Self:
        """Return itself: it never changes."""
        return self

    @cached_property
    def pairs(self) -> Pairs:
        """The second moments that the wires need."""
        return Pairs.of(self.parents, self.readers)

    @cached_property
    def ring(self) -> int:
        """2^k - 1 where the units are in row order and no parent lies 2^k - 16 units back, 2^k < N; else -1."""
        from localnoise.kernels.tiles import STEP

        units = len(self.order)
        back = np.where(self.parents >= 0, np.arange(units)[:, None] - self.parents, 0).max(initial=0)
        held = 1 << max(6, int(back + STEP - 1).bit_length())
        return held - 1 if held < units and (np.diff(self.order) == 1).all() else -1

    @cached_property
    def fronts(self) -> tuple[Ints, npt.NDArray[np.int64]]:
        """Units sorted by how many generations of parents they wait for, and where each generation begins."""
        from localnoise.kernels.wavefront import depths

        depth = np.empty(len(self.order), np.int32)
        depths(depth, self.order, self.parents)
        return np.argsort(depth, kind="stable").astype(np.int32), np.append(0, np.cumsum(np.bincount(depth)))


def unsound(order: Any, parents: Any, readers: Any) -> str:
    """Return what is wrong with these wires, or "": each parent must come before its unit, missing ones last as -1.

    They need not follow from a configuration: a user's own, or pruned ones, serve as well.
    """
    units = len(order)
    if not np.array_equal(np.sort(order), np.arange(units)):
        return "order is no permutation of the units: expected each once"
    for name, wires in (("parents", parents), ("readers", readers)):
        if wires.min(initial=-1) < -1 or wires.max(initial=-1) >= units:
            return f"{name} names units that do not exist: expected 0 to {units - 1}, or -1 where there is none"
    place = np.empty(units, np.int64)
    place[order] = np.arange(units)
    linked = parents >= 0
    if (np.where(linked, place[parents], -1) >= place[:, None]).any():
        unit = int(np.argmax((np.where(linked, place[parents], -1) >= place[:, None]).any(axis=1)))
        return f"parents of unit {unit} do not all come before it: expected units earlier in field.order"
    if (linked[:, 1:] > linked[:, :-1]).any():
        unit = int(np.argmax((linked[:, 1:] > linked[:, :-1]).any(axis=1)))
        return f"parents of unit {unit} hold -1 before a parent: expected the missing ones last"
    return ""
