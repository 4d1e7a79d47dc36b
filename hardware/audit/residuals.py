"""The private noise of a chip's words, taken back out of them.

A unit's word is round(acc 2^-f), acc = A + s xi 2^lift: A is known from the words of its parents, its own earlier
channels and the activation words. So word 2^f - A is the private noise and what rounding did, and

    e = (word 2^f - A) / sqrt(v + r),   v = (s 2^lift)^2 Var xi,   r = (2^f)^2 / 12 (stochastic rounding: / 6)

is of mean 0 and variance 1, independent over draws, channels and units, if the device is sound.
"""

from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.generators.moments import excess_kurtosis
from localnoise.hardware.narrow import NarrowWords
from localnoise.hardware.words import NEAR, OWN, READ, IntegerField

Floats = npt.NDArray[np.float64]
_EXACT = 2.0**52  # larger sums leave float64's integers


def refuse_other(chip: Any) -> ChipGrid:
    """Return the chip grid; refuse what has no units that read words alone."""
    if isinstance(chip, ChipBank):
        raise ArgumentError(
            "grid is a bank, whose members draw in turn: expected one chip grid; audit each member's words by itself, "
            "as chip.members[j]"
        )
    if not isinstance(chip, ChipGrid):
        raise ArgumentError(f"grid is of type {type(chip).__name__}: expected a ChipGrid, as `quantise` makes it")
    if isinstance(chip.field, NarrowWords):
        raise ArgumentError(
            "grid shares or reduces its weights (share=, rank=): expected one without; its units' private noise is "
            "rounded before it is added, and is not taken out yet"
        )
    return chip


def as_level(level: Any) -> float:
    """Return the chance of a false alarm as a float, 0 < level <= 0.5."""
    if not isinstance(level, Real) or not 0 < float(level) <= 0.5:
        raise ArgumentError(f"level={level!r}: expected a chance of a false alarm in (0, 0.5], such as 0.01")
    return float(level)


class Residuals:
    """Take the private noise of a chip grid out of its words.

    Parameters
    ----------
    chip : ChipGrid

    Attributes
    ----------
    deviation : (m, N) float64
        sqrt(v + r), in steps of the accumulator.
    kurtosis : (m, N) float64
        Excess kurtosis of e.
    tested : (m, N) bool
        Where the private noise is no less than what rounding adds, so that its variance can be judged.
    """

    def __init__(self, chip: ChipGrid) -> None:
        self.chip, f, formats = chip, chip.field, chip.formats
        self.field: IntegerField = f
        noise = np.square(f.s.T * np.exp2(f.lift[:, OWN].astype(float)) * formats.normal_deviation)
        step = np.square(np.exp2(f.fraction.astype(float)))
        rounding = np.where(f.fraction > 0, step / (6 if formats.rounding == "stochastic" else 12), 0.0)
        total = noise + rounding
        self.deviation: Floats = np.sqrt(total)
        own = float(excess_kurtosis(formats.normal_bytes, formats.normal))
        self.kurtosis: Floats = (own * noise**2 - 1.2 * rounding**2) / total**2
        self.tested = noise >= rounding
        self._largest = max(map(float, f.largest_accumulators(formats).tolist()))
        self._near, self._read = ([slots[u][slots[u] >= 0] for u in range(f.units)] for slots in (f.parents, f.readers))

    def links(self, unit: int) -> list[tuple[str, int, int]]:
        """Return what each regressor of a unit is: (kind, unit, channel), kind "parent", "own" or "activation"."""
        channels = range(self.field.channels)
        named = [("parent", int(p), j) for p in self._near[unit] for j in channels]
        named += [("own", unit, j) for j in channels]
        return named + [("activation", int(r), j) for r in self._read[unit] for j in channels]

    def causes(self, unit: int) -> npt.NDArray[np.bool_]:
        """Return which regressors each channel may be held against, (m, regressors): not its own and later channels.

        Those follow from its private noise, and go with it in a sound device as well.
        """
        m = self.field.channels
        near, read = len(self._near[unit]) * m, len(self._read[unit]) * m
        earlier = np.tri(m, m, -1, dtype=bool)
        return np.concatenate([np.ones((m, near), bool), earlier, np.ones((m, read), bool)], axis=1)

    def weights(self, unit: int) -> npt.NDArray[np.int64]:
        """Return the weights of a unit, (m, regressors), in the order of `links`."""
        f, m = self.field, self.field.channels
        B, G = (w[unit][:, np.repeat(slots[unit] >= 0, m)] for w, slots in ((f.B, f.parents), (f.G, f.readers)))
        return np.asarray(np.concatenate([B, f.L[unit], G], axis=1), np.int64)

    def lifts(self, unit: int) -> Floats:
        """Return what one step of each weight of a unit is worth in the accumulator, (regressors,)."""
        m, lift = self.field.channels, np.exp2(self.field.lift[unit].astype(float))
        near = len(self._near[unit]) * m + m
        return np.repeat([lift[NEAR], lift[READ]], [near, len(self._read[unit]) * m])

    def regressors(self, unit: int, words: Any, h: Any) -> Floats:
        """Return what a unit reads, (T, regressors) float64, of words (T, m, N) and activation words or None."""
        parts = [words[:, :, self._near[unit]].transpose(0, 2, 1).reshape(len(words), -1), words[:, :, unit]]
        if len(self._read[unit]):
            read = np.zeros_like(words) if h is None else h
            parts.append(read[:, :, self._read[unit]].transpose(0, 2, 1).reshape(len(words), -1))
        return np.asarray(np.concatenate(parts, axis=1), np.float64)

    def of(self, words: Any, h: Any) -> Iterator[tuple[Floats, Floats, Floats]]:
        """Yield for each unit e (T, m), the prediction A in the same measure (T, m), and the regressors.

        Words at their limits may have been cut: there e is 0, as if nothing were known. Cost O(T m^2 (K + R)) a unit.
        """
        f, formats = self.field, self.chip.formats
        top, wraps = formats.word_limit, formats.overflow == "wrap"
        for unit in range(f.units):
            z = self.regressors(unit, words, h)
            W = self.weights(unit)
            scaled = W * self.lifts(unit).astype(np.int64)
            if self._largest < _EXACT:
                A = z @ scaled.T.astype(np.float64)
            else:
                A = (z.astype(np.int64) @ scaled.T).astype(np.float64)
            if h is not None:
                A += f.bias[unit]
            y = words[:, :, unit]
            r = y * 2.0 ** int(f.fraction[unit]) - A
            if wraps:
                whole = (2.0 * (top + 1)) * 2.0 ** int(f.fraction[unit])
                r = (r + whole / 2) % whole - whole / 2
            else:
                r[(y >= top) | (y <= -top - 1)] = 0.0
            deviation = self.deviation[:, unit]
            yield r / deviation, A / deviation, z
