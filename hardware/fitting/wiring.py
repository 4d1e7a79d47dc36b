"""The wiring of a grid on a chip: all that its memory, messages, energy and fit depend on, besides its formats."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self, final

import numpy as np
import numpy.typing as npt

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError
from localnoise.hardware.formats import Formats
from localnoise.hardware.narrow import NarrowWords
from localnoise.narrow import NarrowField

Ints = npt.NDArray[np.integer[Any]]


class Chip(Protocol):
    """The interface that is needed of a grid on a chip: `hardware.emulator.ChipGrid` has it."""

    @property
    def config(self) -> GridConfig:
        """Shape and boundary."""

    @property
    def formats(self) -> Formats:
        """Widths and random numbers."""

    @property
    def field(self) -> Any:
        """The integers: `IntegerField`, or `NarrowWords`."""


class BankOnChip(Protocol):
    """The interface that is needed of a bank on a chip: `hardware.bank.ChipBank` has it."""

    members: list[Any]

    @property
    def formats(self) -> Formats:
        """Widths and random numbers of all members."""


def same_wires(members: Sequence[Any]) -> None:
    """Raise an ArgumentError unless all members of a bank have the wires of the first."""
    first = members[0].field
    for index, member in enumerate(members):
        for name in ("order", "parents", "readers", *(["kinds", "levels"] if member.config.narrow else [])):
            expected: Any = getattr(first, name, ())
            if not np.array_equal(getattr(member.field, name), expected):
                raise ArgumentError(
                    f"members[{index}] has another {name} than members[0]: expected the same wires on a chip; learn "
                    "all members on grids of one configuration, or take each by itself"
                )


@final
@dataclass(frozen=True, kw_only=True)
class Narrow:
    """The weights of a grid with `share` or `rank`, as it stores them; see `hardware.narrow`.

    Attributes
    ----------
    kinds : (N,) int
        Each unit's class of weights.
    factors : int
        Factors of the private noise.
    rank : int
        Words that a link carries; 0: all channels.
    tied : bool
        Whether a class is of several units, whose weights are stored once.
    """

    kinds: Ints
    factors: int
    rank: int
    tied: bool


@final
@dataclass(frozen=True, kw_only=True)
class Wiring:
    """Links of N units with m channels on an H x W grid.

    Attributes
    ----------
    order, parents, readers : int
        (N,), (N, K), (N, R), -1 where there is none; as in `IntegerField`.
    channels : int
        m.
    shape : tuple of int
        (H, W).
    periodic : bool
        Whether the grid is a torus.
    narrow : Narrow or None
        Of a grid with `share` or `rank`.
    members : int
        Sets of weights in the same units: more than 1 of a bank, 0 of none.
    rewarded : bool
        Whether the chip has learned from rewards, and a learner goes on from its masters.
    """

    order: Ints
    parents: Ints
    readers: Ints
    channels: int
    shape: tuple[int, int]
    periodic: bool
    narrow: Narrow | None = None
    members: int = 0
    rewarded: bool = False

    @classmethod
    def of(cls, chip: Chip | BankOnChip) -> "Wiring":
        """The wiring of a grid on a chip, or of a bank: that of its members, which have the same.

        Raises
        ------
        ArgumentError
            A bank's members have other wires than its first.
        """
        members = getattr(chip, "members", None)
        if members is not None:
            same_wires(members)
            return replace(cls.of(members[0]), members=len(members))
        one: Any = chip
        f, c = one.field, one.config
        wires = {"order": f.order, "parents": f.parents, "readers": f.readers}
        narrow = None
        if isinstance(f, (NarrowWords, NarrowField)):
            factors = len(f.factor if isinstance(f, NarrowWords) else f.L)
            narrow = Narrow(kinds=f.kinds, factors=factors, rank=len(f.inward), tied=c.share != "none")
        return cls(
            **wires,
            channels=f.channels,
            shape=c.shape,
            periodic=c.boundary == "periodic",
            narrow=narrow,
            rewarded=getattr(one, "rewarded", None) is not None,
        )

    @property
    def units(self) -> int:
        """N."""
        return len(self.order)

    @property
    def neurons(self) -> int:
        """n = N m."""
        return self.units * self.channels

    @property
    def signal(self) -> bool:
        """Return whether the units read the activation."""
        return bool(self.readers.shape[1] > 0)

    @property
    def links(self) -> Ints:
        """Parents and readable units that each unit has, (N,)."""
        return np.asarray((self.parents >= 0).sum(1) + (self.readers >= 0).sum(1))

    @property
    def carried(self) -> int:
        """Words that a link carries: of all channels, or as many as a rank says."""
        return (self.narrow.rank if self.narrow is not None else 0) or self.channels

    @property
    def own_words(self) -> int:
        """Words of its own unit that a channel reads, at most: those of earlier channels, where they act as parents."""
        return 0 if self.narrow is not None else self.channels - 1

    @property
    def weights(self) -> Ints:
        """Weights that each unit stores by itself, (N,), as `IntegerField.weights`; of those that are shared, none.

        Of a bank those of one member.
        """
        m = self.channels
        if self.narrow is not None:
            return np.asarray(m + self.links * self.carried**2 * (not self.narrow.tied))
        return np.asarray(self.links * m * m + m * (m - 1) // 2 + m)

    @property
    def linked(self) -> Ints:
        """Weights of links to other units alone, of those that each unit stores by itself, (N,)."""
        return np.asarray(self.weights - self.channels * (self.channels + 1) // 2)

    @property
    def classes(self) -> Ints:
        """Links of each class of weights, (C,); none without `share` or `rank`."""
        if self.narrow is None:
            return np.zeros(0, np.int64)
        links = np.zeros(int(self.narrow.kinds.max()) + 1, np.int64)
        np.maximum.at(links, self.narrow.kinds, self.links)
        return links

    @property
    def shared_weights(self) -> int:
        """Weights that are stored once, for all units: of classes, directions and factors of the private noise."""
        n, m = self.narrow, self.channels
        if n is None:
            return 0
        classes = int(self.classes.sum()) * self.carried**2 if n.tied else 0
        return classes + (1 + self.signal) * n.rank * m + n.factors * (m * (m + 1) // 2)

    @property
    def products(self) -> Ints:
        """Multiplications of a draw, (N,): every weight once, those that are shared for each unit."""
        n, m = self.narrow, self.channels
        if n is None:
            return self.weights
        there_and_back = (2 + self.signal) * n.rank * m
        return np.asarray(self.links * self.carried**2 + there_and_back + m * (m + 1) // 2 + m)

    @property
    def fan_in(self) -> Ints:
        """Neurons that the unit's last channel reads, (N,): of its links, and its own earlier ones."""
        return np.asarray(self.links * self.carried + self.own_words)

    @property
    def fan_out(self) -> Ints:
        """Neurons, or directions, that read the unit's first channel, (N,): of its children, and its own later ones.

        Words of noise and of activation are counted alike: both leave from the neuron.
        """
        read = np.concatenate([self.parents, self.readers], axis=1)
        children = np.bincount(read[read >= 0], minlength=self.units)
        return np.asarray(children * self.carried + self.own_words)

    def lengths(self) -> tuple[Ints, Ints]:
        """Manhattan and Chebyshev length of each parent's link, both (N, K), in units' pitch; 0 where there is none."""
        height, width = self.shape
        unit = np.arange(self.units)[:, None]
        dy, dx = abs(self.parents // width - unit // width), abs(self.parents % width - unit % width)
        if self.periodic:
            dy, dx = np.minimum(dy, height - dy), np.minimum(dx, width - dx)
        there = self.parents >= 0
        return np.where(there, dy + dx, 0), np.where(there, np.maximum(dy, dx), 0)

    def position(self, unit: int) -> tuple[int, int]:
        """(y, x) of a unit."""
        return divmod(int(unit), self.shape[1])

    # Smaller grids, for "what would fit"

    def with_parents(self, count: int) -> Self:
        """The first `count` parents of each unit alone: the nearest ones."""
        return replace(self, parents=self.parents[:, :count])

    def within(self, radius: int) -> Self:
        """Parents within a Chebyshev radius alone."""
        return replace(self, parents=np.where(self.lengths()[1] <= radius, self.parents, -1))

    def with_channels(self, count: int) -> Self:
        """The first `count` channels alone, and no more directions than those."""
        found = replace(self, channels=count)
        return found if self.narrow is None else found.with_rank(min(self.narrow.rank, count))

    def with_members(self, count: int) -> Self:
        """The first `count` members of a bank alone."""
        return replace(self, members=count)

    def with_rank(self, rank: int) -> Self:
        """Links that carry as many directions, of a grid with `share` or `rank`."""
        return self if self.narrow is None else replace(self, narrow=replace(self.narrow, rank=rank))
