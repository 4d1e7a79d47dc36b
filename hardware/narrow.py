"""A noise field of wide layers in integers: weights that places share, links of a low rank, as a chip holds them.

With c = kinds[u], l = levels[u], r directions and words of one scale for all units, a draw is

    p_v   = word((inward x_v) >> down)                                     what leaves a unit: r words
    q_v   = word((reading h_v) >> sunk)                                    of its activation
    o_u   = word(((read[c] q_R) 2^lift[c, :, 0] + (past[c] p_P) 2^lift[c, :, 1]) >> fraction[c])
    y_u   = (factor[l] xi_u) >> deep[l]
    x_u   = word(round((bias[u] 2^offset + inward' (o_u 2^up) + s[u] y_u 2^own[u]) 2^-point))

channel by channel and direction by direction; `hardware.fixedpoint` states the roundings. Without a rank x and h are
carried as they are, and the two sums of o_u, at the last accumulator's fraction, join x_u themselves, without a
rounding between.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.hardware.formats import Formats
from localnoise.hardware.words import NEAR, READ, Words

POINT, OFFSET = 0, 1  # entries of `shifts`
BIAS_BITS = 16  # of a bias, which has a shift of its own
MAPS = ("factor", "inward", "outward", "reading", "past", "read")  # what is multiplied in the accumulators' type
SWEPT = (
    "order", "parents", "readers", "kinds", "levels", "bias", "s", "own", "factor", "deep", "inward", "outward",
    "reading", "down", "sunk", "up", "past", "read", "lift", "fraction", "shifts",
)  # fmt: skip  # in the order in which the sweep takes them


@dataclass(frozen=True, kw_only=True)
class NarrowWords:
    """Integers of N units with m channels, K parents, R readable activations; C classes, F levels, r directions.

    q is r, or m without a rank. What is not (N, ...) is held once, for all units.

    Attributes
    ----------
    order, parents, readers, scale, activation_scale
        As in `IntegerField`; all units have one scale.
    kinds, levels : (N,) int32
        A unit's class of weights, and its factor.
    bias, s : (N, m) int32
        s is positive.
    own : (N,) int32
        Left shift of what s multiplies.
    factor : (F, m, m) int32
        Lower triangular, of positive diagonal.
    deep : (F, m) int32
        Bits that the private noise drops.
    inward, reading : (r, m) int32
        Directions of the noise, which lead back as well, and of the activation.
    down, sunk, up : (r,) int32
        Bits that projections drop; left shift of what leads back.
    past, read : int32
        (C, q, K q), (C, q, R q).
    lift : (C, q, 2) int32
        Left shifts of the sums over readers and over parents.
    fraction : (C, r) int32
        Bits that o drops.
    shifts : (2,) int32
        point, the bits of the last accumulator below a word, and offset, the left shift of a bias.
    """

    order: Words
    parents: Words
    readers: Words
    kinds: Words
    levels: Words
    bias: Words
    s: Words
    own: Words
    factor: Words
    deep: Words
    inward: Words
    reading: Words
    down: Words
    sunk: Words
    up: Words
    past: Words
    read: Words
    lift: Words
    fraction: Words
    shifts: Words
    scale: Words
    activation_scale: int

    @property
    def units(self) -> int:
        """N."""
        return len(self.order)

    @property
    def channels(self) -> int:
        """Channels per unit, m."""
        return int(self.s.shape[1])

    @property
    def rank(self) -> int:
        """Directions r, 0 without a rank."""
        return len(self.inward)

    @property
    def signal(self) -> bool:
        """Return whether the units read the activation."""
        return bool(self.readers.shape[1] > 0)

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All arrays by name, in the order of the attributes."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "activation_scale"}

    @property
    def point(self) -> int:
        """Bits of the last accumulator below a word."""
        return int(self.shifts[POINT])

    @property
    def links(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Slots for readers and for parents that a class has, (C, R) and (C, K) bool: those of its units."""
        found = []
        for wires in (self.readers, self.parents):
            there = np.zeros((len(self.past), wires.shape[1]), bool)
            np.logical_or.at(there, self.kinds, wires >= 0)
            found.append(there)
        return found[0], found[1]

    @property
    def shared(self) -> int:
        """Weights that are held once: of classes, directions and factors."""
        q, m = self.past.shape[1], self.channels
        links = sum(int(there.sum()) for there in self.links)
        return int(links * q * q + (1 + self.signal) * self.inward.size + len(self.factor) * (m * (m + 1) // 2))

    @property
    def weights(self) -> npt.NDArray[np.int64]:
        """Weights that each unit stores by itself, (N,): of its private noise."""
        return np.full(self.units, self.channels, np.int64)

    def largest_accumulators(self, formats: Formats) -> dict[str, int]:
        """Largest magnitude that each kind of accumulator can reach, whatever words and activations come.

        Exact, in Python's integers.
        """
        word, activation = 2 ** (formats.word_bits - 1), 2 ** (formats.activation_bits - 1)
        found = {"carried": _most(_sums(self.inward) * word, self.down)}
        if self.signal:
            found["read"] = _most(_sums(self.reading) * activation, self.sunk)
        drawn = _sums(self.factor) * formats.normal_limit + _halves(self.deep)
        found["private"] = int(max(drawn.flat))
        held = word if self.rank else activation
        links = (_sums(self.past) * word) * _powers(self.lift[..., NEAR])
        links = links + (_sums(self.read) * held) * _powers(self.lift[..., READ])
        private = (drawn // _powers(self.deep))[self.levels]
        total = np.abs(self.bias).astype(object) * 2 ** int(self.shifts[OFFSET])
        total = total + self.s.astype(object) * private * _powers(self.own)[:, None] + 2**self.point
        if self.rank:
            found["mixed"] = _most(links, self.fraction)
            back = np.maximum(np.abs(self.inward.astype(np.int64)), 1).astype(object) * word
            total = total + (back * _powers(self.up)[:, None]).sum(axis=0)
        else:
            total = total + links[self.kinds]
        return found | {"word": int(max(total.flat))}

    def predicted(self, d: npt.NDArray[np.int64], h: npt.NDArray[np.int64] | None, formats: Formats) -> Any:
        """Return what the units say of displacement words d (T, m, N), and activation words h; (T, m, N) int64."""
        x: Any = np.moveaxis(d, 2, 0)  # (N, T, m)
        a: Any = None if h is None else np.moveaxis(h, 2, 0)
        if self.rank:
            x = _dropped(x @ self.inward.T.astype(np.int64), self.down, formats)
            a = None if a is None else _dropped(a @ self.reading.T.astype(np.int64), self.sunk, formats)
        out = np.empty((self.units, len(d), self.channels), np.int64)
        for u in range(self.units):
            c = self.kinds[u]
            said = _linked(self.past[c], self.parents[u], x) << self.lift[c, :, NEAR].astype(np.int64)
            if a is not None:
                said = said + (_linked(self.read[c], self.readers[u], a) << self.lift[c, :, READ].astype(np.int64))
            if self.rank:
                mixed = _dropped(said, self.fraction[c], formats)
                said = (mixed << self.up.astype(np.int64)) @ self.inward.astype(np.int64)
            if a is not None:
                said = said + (self.bias[u].astype(np.int64) << int(self.shifts[OFFSET]))
            out[u] = said
        top, half = formats.word_limit, 1 << self.point >> 1
        return np.moveaxis(np.clip((out + half) >> self.point, -top - 1, top), 0, 2)


def _linked(weights: Words, slots: Words, x: npt.NDArray[np.int64]) -> Any:
    """Products (T, q) of weights (q, slots q) with the words (N, T, q) of the existing neighbors."""
    q, total = len(weights), np.zeros((x.shape[1], len(weights)), np.int64)
    for k in np.flatnonzero(slots >= 0):
        total += x[slots[k]] @ weights[:, k * q : (k + 1) * q].T.astype(np.int64)
    return total


def _dropped(acc: npt.NDArray[np.int64], bits: Words, formats: Formats) -> Any:
    """Round half up by `bits`, a number a column, and make words."""
    by, top = bits.astype(np.int64), formats.word_limit + 1
    value = (acc + (1 << by >> 1)) >> by
    return (value + top) % (2 * top) - top if formats.overflow == "wrap" else np.clip(value, -top, top - 1)


def _sums(weights: Words) -> Any:
    """Sum of magnitudes of each row, Python's integers."""
    return np.abs(weights.astype(np.int64)).sum(axis=-1).astype(object)


def _powers(bits: Words) -> Any:
    return 1 << bits.astype(object)


def _halves(bits: Words) -> Any:
    return _powers(bits) // 2


def _most(sums: Any, bits: Words) -> int:
    return int(max((sums + _halves(bits)).flat, default=0))
