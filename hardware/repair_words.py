"""A repair in integers, as a chip holds it: laws by which members are told apart, ways back, and the gate.

The arithmetic is that of `hardware.repair`. J members, the first one clean; W of the others have a way back, the rest
are recognised alone; N units of m channels, K parents, R readable activations and bends of them; C sets of weights of a
way back, one a unit or, with share="places", one a class of places.
"""

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.config import GridConfig
from localnoise.hardware.formats import Formats

Ints = npt.NDArray[np.integer[Any]]
CENTRE_BITS = 15  # of a centre; one bit more holds what is left of an activation when it is subtracted
COARSEST, FINEST = -8, 30  # fraction bits of a row of weights
MULTIPLIER_BITS = 15
WORTH_BITS = 24  # of a weight of a worth, sign and all


@dataclass(frozen=True, kw_only=True)
class RepairWords:
    """Integers of a repair.

    Attributes
    ----------
    parents, readers, kinds : int32
        (N, K), (N, R), -1 where there is none, N + u the bend of unit u; (N,), which set of weights a unit's ways back
        have.
    centre : (J, N, m) int16
        With `lift` more fraction bits than an activation word.
    law : (J, N, m, (K + 1) m) int16
        Of the parents, then of the unit's own channels up to the row's own.
    law_bits : (J, N, m) int8
        Fraction bits of a row.
    backs : (J,) int32
        Which way back a member has, 0 to W - 1 in order, or -1.
    way : (W, C, m, R m) int16
    way_bits : (W, C, m) int8
    way_bias : (W, N, m) int64
        At the accumulator's fraction.
    bias : (J,) int64
        Of the scores.
    low, high : (J,) int64
        Sums of squares that a member's own activations have.
    multiplier, shift : int
        Of the scores.
    activation_scale : int
        An activation word's fraction bits.
    log : (J,) int64
        What a sum of squares is taken from: a log density, in squares of an innovation's word. Empty: worth is not
        asked.
    worth : (S, S) int32
        Of the likeliest source's repair, a row for each of S sources, of their log densities. Empty likewise.
    worth_bias : (S,) int64
    among : (S,) int32
        1 of sources between which an earlier layer's word is decided anew, clean among them. Empty: none is.
    among_bias : (J,) int64
        Of the scores by which that is done; those of other members are not read.
    among_multiplier, among_shift : int
    activations : int
        1; or 2 where ways back read bends besides.
    """

    parents: Ints
    readers: Ints
    kinds: Ints
    centre: Ints
    law: Ints
    law_bits: Ints
    backs: Ints
    way: Ints
    way_bits: Ints
    way_bias: Ints
    bias: Ints
    low: Ints
    high: Ints
    multiplier: int
    shift: int
    activation_scale: int
    log: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    worth: Ints = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    worth_bias: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    among: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    among_bias: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    among_multiplier: int = 0
    among_shift: int = 0
    activations: int = 1

    @property
    def members(self) -> int:
        """J."""
        return int(self.centre.shape[0])

    @property
    def units(self) -> int:
        """N."""
        return int(self.centre.shape[1])

    @property
    def channels(self) -> int:
        """Channels per unit, m."""
        return int(self.centre.shape[2])

    @property
    def bends(self) -> bool:
        """Return whether ways back read bends."""
        return self.activations > 1

    @property
    def arrays(self) -> dict[str, Ints]:
        """All arrays by name, in the order of the attributes."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in NUMBERS}

    @property
    def extra(self) -> tuple[int, int, int]:
        """Lengths of what a worth and a second look add: of `log`, of `worth`, of `among`."""
        return len(self.log), len(self.worth), len(self.among)

    @property
    def law_weights(self) -> int:
        """Weights of one member's law: of existing parents, and of own channels up to the row's."""
        m = self.channels
        return int((self.parents >= 0).sum()) * m * m + self.units * (m * (m + 1) // 2)

    @property
    def class_readers(self) -> Ints:
        """Activations that each set of weights reads, (C,)."""
        count = np.zeros(self.way.shape[1], np.int64)
        np.maximum.at(count, self.kinds, (self.readers >= 0).sum(axis=1))
        return count

    @property
    def way_weights(self) -> int:
        """Weights of one member's ways back, those that places share once."""
        return int(self.class_readers.sum()) * self.channels**2

    @property
    def gate_products(self) -> int:
        """Multiplications an image that decide: of every law's weights, of squares, of the sums of squares; worth."""
        return self.members * (self.law_weights + self.units * self.channels + 1) + len(self.worth)

    @property
    def way_products(self) -> int:
        """Multiplications an image that repair, where a member with a way back has won."""
        return int((self.readers >= 0).sum()) * self.channels**2

    def largest_accumulators(self, formats: Formats) -> tuple[int, int]:
        """Largest magnitude that an accumulator of the laws, and one of the ways back, can reach. Exact."""
        loud = 2 ** (formats.activation_bits - 1 + lift_of(formats)) + 2 ** (CENTRE_BITS - 1)
        laws = (_absolute(self.law).sum(axis=3) * loud).astype(object)
        reach = np.zeros((self.way.shape[1], self.readers.shape[1]), np.int64)  # of each set's slots
        np.maximum.at(reach, self.kinds, loudest(self.readers, self.units, formats))
        reach = np.repeat(reach, self.channels, axis=1)
        ways = (_absolute(self.way) * reach[:, None]).sum(axis=3).astype(object)
        law, way = (_extent(*part) for part in ((laws, 0, self.law_bits), (ways, 0, self.way_bits)))
        if self.way_bias.size:
            bias = _absolute(self.way_bias).astype(object)
            way = max(way, _extent(ways[:, self.kinds], bias, self.way_bits[:, self.kinds]))
        return law, way


NUMBERS = ("multiplier", "shift", "activation_scale", "among_multiplier", "among_shift", "activations")
_WORTHS = ("log", "worth", "worth_bias", "among", "among_bias", "among_multiplier", "among_shift")
ABSENT = {1: (*_WORTHS, "activations"), 2: ("activations",), 3: ()}  # in files of each schema


def lift_of(formats: Formats) -> int:
    """Left shift of an activation word before a centre is subtracted."""
    return CENTRE_BITS - formats.activation_bits


def fraction_of(formats: Formats) -> int:
    """Fraction bits of an innovation word: one standard deviation is 2^this."""
    return max(formats.word_bits - 6, 0)


def loudest(readers: Ints, units: int, formats: Formats) -> npt.NDArray[np.int64]:
    """Largest magnitude of what these places hold: an activation word, or a bend, the difference of two."""
    return np.where(readers >= units, 2, 1) * np.int64(2 ** (formats.activation_bits - 1))


def max_squares(config: GridConfig, formats: Formats) -> int:
    """Return the largest sum of squares that a law can give."""
    return int(config.neurons * 4 ** (formats.word_bits - 1))


def _absolute(array: Ints) -> npt.NDArray[np.int64]:
    return np.abs(array.astype(np.int64))


def _extent(sums: Any, bias: Any, bits: Ints) -> int:
    """Largest (sums 2^lift + bias + half a step) of rows with these fraction bits."""
    lift, fraction = (
        1 << np.maximum(part, 0).astype(object) for part in (-bits.astype(np.int64), bits.astype(np.int64))
    )
    reached = sums * lift + bias + fraction
    return int(reached.max()) if reached.size else 0
