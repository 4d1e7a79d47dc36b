"""A repair in integers, as a chip holds it: laws by which members are told apart, ways back, and the gate.

The arithmetic is that of `hardware.repair`. J members, the first one clean; W of the others have a way back, the rest
are recognised alone; N units of m channels, K parents, R readable activations; C sets of weights of a way back, one a
unit or, with share="places", one a class of places.
"""

import math
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError, short
from localnoise.hardware.formats import Formats
from localnoise.validate import whole

Ints = npt.NDArray[np.integer[Any]]
CENTRE_BITS = 15  # of a centre; one bit more holds what is left of an activation when it is subtracted
COARSEST, FINEST = -8, 30  # fraction bits of a row of weights
MULTIPLIER_BITS = 15
WORTH_BITS = 24  # of a weight of a worth, sign and all
_SCALES = (-112, 149)  # words 2^-scale are float32 numbers


@dataclass(frozen=True, kw_only=True)
class RepairWords:
    """Integers of a repair.

    Attributes
    ----------
    parents, readers, kinds : int32
        (N, K), (N, R), -1 where there is none; (N,), which set of weights a unit's ways back have.
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
        ways = (_absolute(self.way).sum(axis=3) * 2 ** (formats.activation_bits - 1)).astype(object)
        law, way = (_extent(*part) for part in ((laws, 0, self.law_bits), (ways, 0, self.way_bits)))
        if self.way_bias.size:
            bias = _absolute(self.way_bias).astype(object)
            way = max(way, _extent(ways[:, self.kinds], bias, self.way_bits[:, self.kinds]))
        return law, way


NUMBERS = ("multiplier", "shift", "activation_scale", "among_multiplier", "among_shift")
ADDED = ("log", "worth", "worth_bias", "among", "among_bias", "among_multiplier", "among_shift")  # since schema 2


def lift_of(formats: Formats) -> int:
    """Left shift of an activation word before a centre is subtracted."""
    return CENTRE_BITS - formats.activation_bits


def fraction_of(formats: Formats) -> int:
    """Fraction bits of an innovation word: one standard deviation is 2^this."""
    return max(formats.word_bits - 6, 0)


def layout(
    config: GridConfig, sizes: tuple[int, int, int, int, int], extra: tuple[int, int, int] = (0, 0, 0)
) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Shape and type of each array for (members, parents, readers, sets of weights, ways back), and `extra`'s."""
    (J, K, R, C, W), (logs, worth, among) = sizes, extra
    N, m = config.units, config.channels
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        "parents": ((N, K), np.int32), "readers": ((N, R), np.int32), "kinds": ((N,), np.int32),
        "centre": ((J, N, m), np.int16), "law": ((J, N, m, (K + 1) * m), np.int16), "law_bits": ((J, N, m), np.int8),
        "backs": ((J,), np.int32), "way": ((W, C, m, R * m), np.int16), "way_bits": ((W, C, m), np.int8),
        "way_bias": ((W, N, m), np.int64),
    }  # fmt: skip
    shapes |= dict.fromkeys(("bias", "low", "high"), ((J,), np.int64))
    shapes |= {"log": ((logs,), np.int64), "worth": ((worth, worth), np.int32), "worth_bias": ((worth,), np.int64)}
    return shapes | {"among": ((among,), np.int32), "among_bias": ((J if among else 0,), np.int64)}


def check_formats(formats: Formats) -> None:
    """Raise an ArgumentError where a repair has another rounding, overflow or range than the formats ask for."""
    for name, only in (("rounding", "half-up"), ("overflow", "saturate")):
        if getattr(formats, name) != only:
            raise ArgumentError(f"{name}={getattr(formats, name)!r}: a repair on a chip has {only!r} alone; leave it")
    if formats.activation_bits >= CENTRE_BITS:
        raise ArgumentError(
            f"activation_bits={formats.activation_bits}: expected at most {CENTRE_BITS - 1} for a repair, whose "
            f"centres have {CENTRE_BITS} bits"
        )


def refuse_unsound(config: GridConfig, formats: Formats, f: RepairWords) -> None:
    """Raise an ArgumentError that names the array, unless nothing can overflow and every index is one."""
    check_formats(formats)
    ways = f.way.shape[:2] if f.way.ndim == 4 else (0, 0)
    sizes = (f.members, f.parents.shape[-1], f.readers.shape[-1], ways[1], ways[0])
    for name, (shape, dtype) in layout(config, sizes, f.extra).items():
        array = f.arrays[name]
        if array.shape != shape or array.dtype != dtype:
            raise ArgumentError(f"{name} is {array.dtype} {array.shape}: expected {np.dtype(dtype)} {shape}")
    if f.members < 2:
        raise ArgumentError(f"{f.members} members: expected the clean one and at least one more")
    limit, acc, top = formats.weight_limit, 2 ** (formats.accumulator_bits - 1) - 1, 2 ** (CENTRE_BITS - 1) - 1
    ranges = {"parents": (-1, f.units - 1), "readers": (-1, f.units - 1), "kinds": (0, sizes[3] - 1)}
    ranges |= {"centre": (-top, top), "law": (-limit, limit), "way": (-limit, limit), "way_bias": (-acc, acc)}
    ranges |= dict.fromkeys(("law_bits", "way_bits"), (COARSEST, min(FINEST, formats.accumulator_bits - 2)))
    ranges |= {"bias": (-(2**62), 2**62), "low": (0, 2**62), "high": (0, 2**62), "log": (-(2**61), 2**61)}
    ranges |= {"worth_bias": (-(2**62), 2**62), "among": (0, 1), "among_bias": (-(2**62), 2**62)}
    worths = 2 ** (WORTH_BITS - 1) - 1
    ranges["worth"] = (-worths, worths)
    for name, (low, high) in ranges.items():
        array = f.arrays[name]
        if array.size and (array.min() < low or array.max() > high):
            raise ArgumentError(
                f"{name} holds {array.min()} to {array.max()}: expected {low} to {high} in these formats"
            )
    for name, least, most in (
        ("multiplier", 0, 2**MULTIPLIER_BITS - 1), ("shift", 0, 62), ("activation_scale", *_SCALES),
        ("among_multiplier", 0, 2**MULTIPLIER_BITS - 1), ("among_shift", 0, 62),
    ):  # fmt: skip
        number = whole(getattr(f, name))
        if number is None or not least <= number <= most:
            raise ArgumentError(f"{name}={getattr(f, name)!r}: expected a whole number of {least} to {most}")
    owners = f.backs[f.backs >= 0]
    if f.backs[0] != -1 or f.backs.min() < -1 or owners.tolist() != list(range(sizes[4])):
        said = short(str(f.backs.tolist()), 60)
        raise ArgumentError(f"backs={said}: expected -1 for the first, then -1, or 0 to {sizes[4] - 1} in order")
    _refuse_links(f)
    largest = max_squares(config, formats) << MULTIPLIER_BITS
    if largest >= 2**62:
        raise ArgumentError(
            f"{config.neurons:,} neurons with word_bits={formats.word_bits}: a score could leave 64 bits; expected "
            f"word_bits of at most {(61 - MULTIPLIER_BITS - math.ceil(math.log2(config.neurons))) // 2}"
        )
    _refuse_worth(config, formats, f)
    for what, found in zip(("laws", "ways back"), f.largest_accumulators(formats), strict=True):
        if found > acc:
            raise ArgumentError(
                f"an accumulator of the {what} can reach {math.log2(found) + 1:.1f} bits, accumulator_bits="
                f"{formats.accumulator_bits}: quantise with more"
            )


def _refuse_worth(config: GridConfig, formats: Formats, f: RepairWords) -> None:
    if bool(f.extra[0]) != bool(f.extra[1]) or f.extra[0] not in (0, f.members):
        raise ArgumentError(
            f"log is of {f.extra[0]} members, worth of {f.extra[1]} sources: expected {f.members} members where a "
            "repair's worth is asked, and neither where not"
        )
    if f.among.size and not f.among[0]:
        raise ArgumentError("among leaves out clean: expected 1 of the first source")
    loudest = max_squares(config, formats) + int(_absolute(f.log).max(initial=0))
    for row, bias in zip(f.worth, f.worth_bias, strict=True):
        if int(_absolute(row).sum()) * loudest + abs(int(bias)) >= 2**62:
            raise ArgumentError("worth could leave 64 bits: expected smaller weights or biases")


def max_squares(config: GridConfig, formats: Formats) -> int:
    """Return the largest sum of squares that a law can give."""
    return int(config.neurons * 4 ** (formats.word_bits - 1))


def _refuse_links(f: RepairWords) -> None:
    m = f.channels
    for name, slots in (("parents", f.parents), ("readers", f.readers)):
        ordered = np.sort(slots, axis=1)
        if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
            raise ArgumentError(f"{name} of a unit name one twice: expected each once")
    absent = np.repeat(f.parents < 0, m, axis=1)
    over = np.triu(np.ones((m, m), bool), 1)
    if f.law[:, :, :, : absent.shape[1]][:, np.broadcast_to(absent[:, None], (f.units, m, absent.shape[1]))].any():
        raise ArgumentError("law: expected no weight where there is no parent")
    if f.law[:, :, :, absent.shape[1] :][:, :, over].any():
        raise ArgumentError("law: expected no weight on later channels of the unit's own")
    blind = np.repeat(f.readers < 0, m, axis=1)
    first = np.full(f.way.shape[1], -1)
    first[f.kinds[::-1]] = np.arange(f.units)[::-1]
    if (first < 0).any() or (blind[first][f.kinds] != blind).any():
        raise ArgumentError("kinds: expected every set of weights used, by units that read as many activations alike")
    if f.way.transpose(1, 3, 0, 2)[blind[first]].any():
        raise ArgumentError("way: expected no weight where nothing is read")


def _absolute(array: Ints) -> npt.NDArray[np.int64]:
    return np.abs(array.astype(np.int64))


def _extent(sums: Any, bias: Any, bits: Ints) -> int:
    """Largest (sums 2^lift + bias + half a step) of rows with these fraction bits."""
    lift, fraction = (
        1 << np.maximum(part, 0).astype(object) for part in (-bits.astype(np.int64), bits.astype(np.int64))
    )
    reached = sums * lift + bias + fraction
    return int(reached.max()) if reached.size else 0
