"""A device's audit of itself, in integers: what `ln_selftest` does in C, to the bit.

One unit at a time is judged, from T draws that the device put out. With r = word 2^fraction - A what is left of a
word (`hardware.audit.residuals`), cut to 8 deviations,

    e = ((r >> down) factor + 2^(shift - 1)) >> shift,    e of one deviation is 256

and where a word stands at its limit, r counts if it points beyond it, and is 0 otherwise. Sums over the draws:

    square   sum of e^2             gain of the noise, generators that are stuck or wild
    signed   sum of e sign(z)       z = 1: offsets; z = A: a unit's gain; z = e of the draw before: noise that is not
                                    white; z each word that the unit reads: wrong weights, dead links

In a sound device e is of variance 1 and independent of every z, so that each signed sum has at most the variance
T 256^2, whatever the activations were: its limit is one number, made at export. All tests of a whole device share the
level equally (Bonferroni).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from localnoise.errors import ArgumentError
from localnoise.hardware.audit.residuals import Residuals, as_level, refuse_other
from localnoise.hardware.words import NEAR, READ
from localnoise.validate import as_array, as_count

ONE = 256  # e of one deviation
FURTHEST = 8  # deviations beyond which e is cut
LEAST, MOST = 256, 2**16  # draws: fewer have no normal sums, more leave 32 bits
OFFSET, GAIN, BEFORE, LINKS = 0, 1, 2, 3  # places of the signed sums; links from the last on
_FACTOR_BITS, _RESIDUAL_BITS, _WIDEST = 15, 30, 61

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class UnitSums:
    """Sums of a unit's self-test, m channels.

    Attributes
    ----------
    square : (m,) int64
    signed : (m, 3 + (R + K + 1) m) int64
        For 1, A, e of the draw before; then for the words of each reader, parent, and of its own channels, m each: 0 of
        links that are not there, and of a channel's own and later channels.
    """

    square: Ints
    signed: Ints


@dataclass(frozen=True, kw_only=True)
class Fault:
    """The statistic of a unit that is furthest beyond its limit.

    channel : int
    what : int
        -1: the square; else the signed sum's place.
    value : int
        The sum.
    """

    channel: int
    what: int
    value: int


class SelfTest:
    """The self-test of a chip grid: its constants, and its arithmetic.

    Parameters
    ----------
    chip : ChipGrid
    draws : int
        T, of each unit, 256 to 65,536.
    level : float
        Chance that a sound device is called unsound by a test of all its units, at most.

    Raises
    ------
    ArgumentError
        Draws or level out of range; a bank or a grid with `share` or `rank`; accumulators beyond 61 bits.
    """

    def __init__(self, chip: Any, draws: int = 4096, level: float = 0.01) -> None:
        self.chip = refuse_other(chip)
        self.draws = as_count("draws", draws, LEAST)
        if self.draws > MOST:
            raise ArgumentError(f"draws={draws!r}: expected at most {MOST:,}, for which sums of 32 bits suffice")
        self.level = as_level(level)
        r = Residuals(self.chip)
        f, formats = self.chip.field, self.chip.formats
        widest = max(int(f.fraction.max()) + formats.word_bits, formats.accumulator_bits)
        if widest > _WIDEST:
            raise ArgumentError(
                f"chip has accumulators of {widest} bits: expected at most {_WIDEST} for a self-test, which takes the "
                "private noise out of them in 64 bits; quantise with fewer accumulator_bits"
            )
        self.down = np.maximum(np.ceil(np.log2(FURTHEST * r.deviation)).astype(np.int64) - _RESIDUAL_BITS, 0)
        deviation = r.deviation / np.exp2(self.down)
        self.most = np.floor(FURTHEST * deviation).astype(np.int64)
        self.shift = (_FACTOR_BITS - 1 + np.floor(np.log2(deviation / ONE))).astype(np.int64)
        self.factor = np.rint(np.exp2(self.shift) * ONE / deviation).astype(np.int64)
        m, K, R = f.channels, f.parents.shape[1], f.readers.shape[1]
        self.places = LINKS + (R + K + 1) * m
        links = int(sum(r.causes(unit).sum() for unit in range(f.units)))
        share = self.level / (4 * f.units * m + links)
        self.limit = int(np.ceil(stats.norm.isf(share / 2) * ONE * self.draws**0.5))
        degrees = self.draws / (1 + r.kurtosis / 2)
        scale = ONE**2 * self.draws / degrees
        edges = stats.chi2.ppf(share / 2, degrees), stats.chi2.isf(share / 2, degrees)
        low, high = (np.rint(scale * edge) for edge in edges)
        self.low = np.where(r.tested, low, 0).astype(np.int64)
        self.high = np.where(r.tested, high, FURTHEST**2 * ONE**2 * self.draws).astype(np.int64)

    def residuals(self, unit: int, words: Any, h: Any = None) -> tuple[Ints, Ints]:
        """Return e and A of a unit, (T, m) each, of words (T, m, N) and activation words h; None: at mean zero."""
        f, formats, top = self.chip.field, self.chip.formats, self.chip.formats.word_limit
        words = as_array("words", words).astype(np.int64)
        prediction = self._sum(f.B[unit], f.parents[unit], words)
        prediction += np.einsum("ij,tj->ti", f.L[unit].astype(np.int64), words[:, :, unit])
        prediction <<= int(f.lift[unit, NEAR])
        if h is not None and f.signal:
            read = as_array("h", h).astype(np.int64)
            prediction += (self._sum(f.G[unit], f.readers[unit], read) << int(f.lift[unit, READ])) + f.bias[unit]
        y, bits = words[:, :, unit], int(f.fraction[unit])
        r = (y << bits) - prediction
        if formats.overflow == "wrap":
            whole = 1 << (formats.word_bits + bits)
            r = ((r + whole // 2) & (whole - 1)) - whole // 2
        else:
            r = np.where(y == top, np.maximum(r, 0), np.where(y == -top - 1, np.minimum(r, 0), r))
        most, shift = self.most[:, unit], self.shift[:, unit]
        near = np.clip(r >> self.down[:, unit], -most, most)
        return (near * self.factor[:, unit] + (np.int64(1) << (shift - 1))) >> shift, prediction

    def sums(self, unit: int, words: Any, h: Any = None) -> UnitSums:
        """Sum up the first T of the draws `words` (t, m, N), made for activation words h; None: at mean zero."""
        f, m = self.chip.field, self.chip.field.channels
        words = as_array("words", words[: self.draws]).astype(np.int64)
        read = np.zeros_like(words) if h is None else as_array("h", h[: self.draws]).astype(np.int64)
        e, prediction = self.residuals(unit, words, None if h is None else read)
        signed = np.zeros((m, self.places), np.int64)
        signed[:, OFFSET] = e.sum(axis=0)
        signed[:, GAIN] = (e * np.sign(prediction)).sum(axis=0)
        signed[:, BEFORE] = (e[1:] * np.sign(e[:-1])).sum(axis=0)
        slots = [(read, p) for p in f.readers[unit]] + [(words, p) for p in f.parents[unit]] + [(words, unit)]
        for place, (source, p) in enumerate(slots):
            if p >= 0:
                at = LINKS + place * m
                signed[:, at : at + m] = e.T @ np.sign(source[:, :, p])
        signed[:, -m:] *= np.tri(m, m, -1, dtype=np.int64)
        return UnitSums(square=np.square(e).sum(axis=0), signed=signed)

    def judged(self, unit: int, sums: UnitSums) -> tuple[int, Fault | None]:
        """Return how many of a unit's statistics are beyond their limits, and the furthest; signed ones come first."""
        off = np.abs(sums.signed) > self.limit
        low, high = self.low[:, unit], self.high[:, unit]
        wide = (sums.square < low) | (sums.square > high)
        count = int(off.sum() + wide.sum())
        if off.any():
            channel, what = divmod(int(np.abs(sums.signed).argmax()), self.places)
            return count, Fault(channel=channel, what=what, value=int(sums.signed[channel, what]))
        if wide.any():
            channel = int(wide.argmax())
            return count, Fault(channel=channel, what=-1, value=int(sums.square[channel]))
        return 0, None

    def verdict(self, words: Any, h: Any = None) -> list[tuple[int, Fault]]:
        """Judge every unit by the same draws (>= T, C, H, W); returns the units that are off, with what is.

        Raises
        ------
        ArgumentError
            Fewer draws than are judged.
        """
        if len(words) < self.draws:
            raise ArgumentError(f"words has {len(words)} draws: expected the {self.draws:,} that are judged")
        flat = as_array("words", words)[: self.draws].reshape(-1, self.chip.config.channels, self.chip.config.units)
        read = None if h is None else as_array("h", h)[: self.draws].reshape(flat.shape)
        found = ((unit, self.judged(unit, self.sums(unit, flat, read))[1]) for unit in range(self.chip.config.units))
        return [(unit, fault) for unit, fault in found if fault is not None]

    def named(self, unit: int, fault: Fault) -> str:
        """Return a fault in a sentence that names the unit and the link."""
        f, m, width = self.chip.field, self.chip.field.channels, self.chip.config.shape[1]

        def place(one: int) -> str:
            return f"unit ({one // width}, {one % width})"

        at = f"{place(unit)}, channel {fault.channel}"
        if fault.what < 0:
            return f"{at} draws noise of {(fault.value / self.draws) ** 0.5 / ONE:.2f} deviations"
        by = fault.value / (ONE * self.draws**0.5)
        if fault.what < LINKS:
            said = ("has an offset", "has a gain that is off", "draws noise that is not white")[fault.what]
            return f"{at} {said} ({by:+.1f} standard errors)"
        slot, channel = divmod(fault.what - LINKS, m)
        R, K = f.readers.shape[1], f.parents.shape[1]
        if slot < R:
            read = place(int(f.readers[unit, slot]))
            return f"{at} reads the activation of {read}, channel {channel} wrongly ({by:+.1f} standard errors)"
        other = unit if slot == R + K else int(f.parents[unit, slot - R])
        return f"{at} has a wrong link from {place(other)}, channel {channel} ({by:+.1f} standard errors)"

    @property
    def state_bytes(self) -> int:
        """Bytes that the test of one unit takes in C."""
        m = self.chip.field.channels
        return int(8 * m + -(-4 * (m * self.places + m + 2) // 8) * 8)

    @property
    def table_bytes(self) -> int:
        """Bytes of the test's tables in C: the copy of the weights and wires, and 26 bytes a neuron."""
        f, formats = self.chip.field, self.chip.formats
        weight, index, wide = 1 + (formats.weight_bits > 8), 2 + 2 * (f.units >= 2**16), 4 + 4 * formats.wide
        wires = (f.parents.shape[1] + f.readers.shape[1]) * index + 8  # and where weights begin, lifts, fraction
        biases = wide * f.channels if f.signal else 0
        return int(f.weights.sum() * weight + f.units * (wires + 26 * f.channels + biases))

    @staticmethod
    def _sum(weights: Any, slots: Any, words: Ints) -> Ints:
        """Products (T, m) of weights (m, k m) with the words (T, m, N) of those of the k slots that are there."""
        near = np.where((slots >= 0)[None, None], words[:, :, np.maximum(slots, 0)], 0)
        return np.asarray(
            np.einsum("ij,tj->ti", weights.astype(np.int64), near.transpose(0, 2, 1).reshape(len(words), -1))
        )
