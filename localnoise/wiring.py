"""A grid's wires as they are now, checked, and what kernels derive from them: tables made once, again after an edit."""

from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.pairs import Pairs, activations
from localnoise.visits import Reading, Visits

Ints = npt.NDArray[np.int32]


class Wires:
    """Order (N,), parents (N, K) and readers (N, R) of a grid's units, checked, and what kernels derive from them.

    The arrays stay the field's: wires know their content by its hash, and an edit of it ends them.

    most : how many activations the units may read, as `unsound` takes it.

    Raises
    ------
    ArgumentError
        No sweep could run: a kernel would read what is not there, or not yet drawn.
    """

    def __init__(self, order: Ints, parents: Ints, readers: Ints, most: int = 1) -> None:
        fault = unsound(order, parents, readers, most)
        if fault:
            raise ArgumentError(f"field.{fault}")
        self.order, self.parents, self.readers = order, parents, readers
        self.content = content_of(order, parents, readers)

    def are(self, order: Ints, parents: Ints, readers: Ints) -> bool:
        """Return whether these very arrays are the wires, still as they were. Cost O(N (K + R)), far below a draw."""
        same = order is self.order and parents is self.parents and readers is self.readers
        return same and content_of(order, parents, readers) == self.content

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Wires) and other.content == self.content

    __hash__ = None  # type: ignore[assignment]  # of the kind that compares by content

    @cached_property
    def activations(self) -> int:
        """Return how many activations the units read, one after the other: 0, 1 or 2."""
        return activations(self.readers)

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

    def visits(self, channels: int) -> Visits:
        """The order in which a sweep visits the units, and the rows of its buffer; see `localnoise.visits`."""
        if channels not in self._visits:
            self._visits[channels] = Visits.of(self.order, self.parents, channels)
        return self._visits[channels]

    def reading(self, channels: int) -> Reading:
        """The part of the activation that a sweep's buffer holds, and when."""
        if channels not in self._reading:
            self._reading[channels] = Reading.of(self.visits(channels), self.readers)
        return self._reading[channels]

    @cached_property
    def _reading(self) -> dict[int, Reading]:
        return {}

    @cached_property
    def _visits(self) -> dict[int, Visits]:
        return {}

    @cached_property
    def fronts(self) -> tuple[Ints, npt.NDArray[np.int64]]:
        """Units sorted by how many generations of parents they wait for, and where each generation begins."""
        from localnoise.kernels.wavefront import depths

        depth = np.empty(len(self.order), np.int32)
        depths(depth, self.order, self.parents)
        return np.argsort(depth, kind="stable").astype(np.int32), np.append(0, np.cumsum(np.bincount(depth)))


def content_of(*arrays: Ints) -> bytes:
    """Return a hash of arrays' shapes and numbers: equal for equal wires alone."""
    known = sha256(repr([(one.dtype.str, one.shape) for one in arrays]).encode())
    for one in arrays:
        if one.size:
            known.update(np.ascontiguousarray(one).data.cast("B"))
    return known.digest()


def unsound(order: Any, parents: Any, readers: Any, most: int = 1) -> str:
    """Return what is wrong with these wires, or "": each parent must come before its unit, missing ones last as -1.

    They need not follow from a configuration: a user's own, or pruned ones, serve as well.

    most : how many activations units may read: 1, or 2, where reader N + u is the second activation of unit u.
    """
    units = len(order)
    if not np.array_equal(np.sort(order), np.arange(units)):
        return "order is no permutation of the units: expected each once"
    for name, wires, there in (("parents", parents, units), ("readers", readers, most * units)):
        if wires.min(initial=-1) < -1 or wires.max(initial=-1) >= there:
            return f"{name} names units that do not exist: expected 0 to {there - 1}, or -1 where there is none"
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
