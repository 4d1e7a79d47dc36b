"""The arrays of a grid, as they are at one moment, and what is given to it, checked against them."""

from copy import copy
from typing import Any, Self

import numpy.typing as npt

from localnoise.config import GridConfig
from localnoise.drawing import draw_into
from localnoise.errors import ArgumentError
from localnoise.field import Field
from localnoise.rules import Rule
from localnoise.rules.base import State
from localnoise.validate import Array, Start, as_presentations
from localnoise.wiring import Wires


class Holding:
    """Base of the parts of a `UnitGrid`: its configuration, its field, and what it has learned from.

    Attributes
    ----------
    config, field
        The layout, and the weights.
    implied, learned : Wires or None
        The wires that the configuration implies; those whose statistics `state` holds.
    rule, state
        What was learned last, and its running statistics.
    """

    config: GridConfig
    field: Field
    implied: Wires | None
    rule: Rule | None
    state: State | None
    learned: Wires | None
    provenance: dict[str, Any]
    _open: dict[str, Any] | None  # the options of a grid whose number of parents is still to be chosen

    def _now(self) -> Self:
        """Return the grid as it is: what another thread learns or normalises meanwhile does not reach it."""
        now = copy(self)
        now.field = self.field.at_once()
        return now

    @property
    def _layout(self) -> tuple[int, tuple[int, int], str]:
        return self.config.channels, self.config.shape, self.config.dtype

    @property
    def _read(self) -> tuple[int, tuple[int, int], str]:
        """Layout of what the units read: an activation, or two, one after the other."""
        channels, (height, width), dtype = self._layout
        return channels, (self.config.most_read * height, width), dtype

    def _activation(self, h: npt.ArrayLike | None, d: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
        if not self.field.signal:
            if h is not None:
                raise ArgumentError(
                    "h was given, but signal='none': expected no activation; build UnitGrid(signal='local')"
                )
            return None
        if h is None:
            raise ArgumentError(
                "h is missing, but signal='local': expected the activations that were displaced, as in learn(d, h)"
            )
        array = as_presentations("h", h, *self._read[:2])
        if len(array) != len(d):
            raise ArgumentError(f"h has {len(array)} presentations, d has {len(d)}: expected the same number")
        return array

    def _draw(
        self, eta: Array, h: Array, seed: int, start: Start, *, signal: bool, white: bool, affine: bool = True
    ) -> Array:
        return self._shaped(draw_into(eta, h, self.config, self.field, seed, start, signal, white, affine))

    def _shaped(self, flat: Array) -> Array:
        return flat.reshape(len(flat), self.config.channels, *self.config.shape)
