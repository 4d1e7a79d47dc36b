"""The wiring of a grid on a chip: all that its memory, messages, energy and fit depend on, besides its formats."""

from dataclasses import dataclass, replace
from typing import Any, Protocol, Self, final

import numpy as np
import numpy.typing as npt

from localnoise.config import GridConfig
from localnoise.hardware.formats import Formats
from localnoise.hardware.words import IntegerField

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
    def field(self) -> IntegerField:
        """The integers."""


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
    """

    order: Ints
    parents: Ints
    readers: Ints
    channels: int
    shape: tuple[int, int]
    periodic: bool

    @classmethod
    def of(cls, chip: Chip) -> "Wiring":
        """The wiring of a grid on a chip."""
        f, c = chip.field, chip.config
        wires = {"order": f.order, "parents": f.parents, "readers": f.readers}
        return cls(**wires, channels=f.channels, shape=c.shape, periodic=c.boundary == "periodic")

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
    def weights(self) -> Ints:
        """Weights that each unit stores, (N,), as `IntegerField.weights`."""
        m = self.channels
        return np.asarray(self.links * m * m + m * (m - 1) // 2 + m)

    @property
    def fan_in(self) -> Ints:
        """Neurons that the unit's last channel reads, (N,): of its links, and its own earlier ones."""
        return np.asarray(self.links * self.channels + self.channels - 1)

    @property
    def fan_out(self) -> Ints:
        """Neurons that read the unit's first channel, (N,): of its children, and its own later ones.

        Words of noise and of activation are counted alike: both leave from the neuron.
        """
        read = np.concatenate([self.parents, self.readers], axis=1)
        children = np.bincount(read[read >= 0], minlength=self.units)
        return np.asarray(children * self.channels + self.channels - 1)

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
