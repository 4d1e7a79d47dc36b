"""Quantise a narrow grid: one scale of words, a scale of each direction, and weights rounded class by class.

The last accumulator has as many bits below a word as its bound allows. A weight's group is rounded under the largest
power of two that its bits hold: a row of a class (read and past apart), of a factor, of a direction; s of a unit.
With feedback a row's errors compensate each other, weighed by the second moments of its regressors, pooled over the
class: those of draws of the float grid, up to `DRAWS` of them, one an activation with signal dependence.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from localnoise import UnitGrid
from localnoise.errors import ArgumentError
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.fixedpoint import to_words
from localnoise.hardware.formats import Formats
from localnoise.hardware.narrow import BIAS_BITS, NarrowWords
from localnoise.hardware.quantiser.feedback import factors_of, round_row
from localnoise.hardware.quantiser.target import HEADROOM, Floats
from localnoise.narrow import NarrowField
from localnoise.streams import Progress

DRAWS = 1024  # of the float grid: what words and projections hold
_NUMBERS = 2**24  # of draws that are held at a time
_LEAST = -16  # fraction bits of a weight: below zero it counts in larger steps than one
_FINEST = 24  # bits below a word, at most
_PRIVATE = 512  # steps of a standard deviation of the private noise, at least


def narrow_words(
    grid: UnitGrid, formats: Formats, h3: Any, power: Floats, feedback: bool, progress: Progress | None
) -> ChipGrid:
    """Return a grid with `share` or `rank` in integers, its words holding `power`, (N, m) mean squares.

    Raises
    ------
    ArgumentError
        Units have different gains; or words, weights or accumulators are too narrow: which.
    """
    narrow: Any = grid.field
    f: NarrowField = narrow.astype(np.float64)
    gain = f.gain[0]
    if (f.gain != gain).any():
        raise ArgumentError(
            f"grid has gains of {f.gain.min():.3g} to {f.gain.max():.3g}, and units that share weights have one on a "
            "chip: expected equal gains; use normalise(scope='global'), or quantise grid.widened()"
        )
    loudest = float(np.sqrt(power.max()))
    if not (np.isfinite(loudest) and loudest > 0):
        raise ArgumentError(
            f"grid has noise of standard deviation {loudest:g}: expected a finite number > 0, for a word needs a scale"
        )
    scale = int(np.floor(np.log2(formats.word_limit / (HEADROOM * loudest))))
    activation = 0
    if h3 is not None:
        most = max(float(np.abs(h3).max()), float(np.finfo(np.float32).tiny))
        activation = int(np.floor(np.log2((formats.activation_limit + 1) / most)))
    some = None if h3 is None else h3[: _held(grid)]
    words = np.ldexp(_draws(grid, some), scale)  # (N, T, m), in words
    read = None
    if some is not None:
        taken = to_words(some, activation, formats.activation_bits)
        read = np.ascontiguousarray(taken.transpose(2, 0, 1), np.float64)
    parts = _Parts(f, formats, words, read, float(np.ldexp(gain, scale)), float(np.ldexp(gain, scale - activation)))
    for point in range(min(_FINEST, formats.accumulator_bits - 2), -1, -1):
        arrays = parts.at(point)
        if arrays is not None:
            break
    else:
        raise ArgumentError(
            f"accumulator_bits={formats.accumulator_bits}: no bits below a word are left: expected more, or fewer "
            "word_bits or activation_bits"
        )
    field = NarrowWords(
        **arrays, scale=np.full(len(f.order), scale, np.int32), activation_scale=activation,
        **{name: getattr(f, name) for name in ("order", "parents", "readers", "kinds", "levels")},
    )  # fmt: skip
    if feedback:
        field = parts.compensated(field, progress)
    chip = ChipGrid(grid.config, formats, field)
    chip.provenance = dict(grid.provenance)
    return chip


def _draws(grid: UnitGrid, h3: Any) -> Floats:
    """Draws of the grid, (N, T, m) float64."""
    m, shape = grid.config.channels, grid.config.shape
    drawn = grid.sample(_held(grid), seed=0) if h3 is None else grid.perturb(h3.reshape(len(h3), m, *shape), seed=0)
    return np.ascontiguousarray(drawn.reshape(len(drawn), m, -1).transpose(2, 0, 1), np.float64)


def _held(grid: UnitGrid) -> int:
    """Presentations that are looked at: 1,024, or as many as 128 MiB hold."""
    return int(np.clip(_NUMBERS // grid.config.neurons, 64, DRAWS))


def _bits(largest: Any, formats: Formats) -> Any:
    """Largest fraction bits under which a weight of this magnitude keeps its width; many where there is none."""
    with np.errstate(divide="ignore"):
        f = np.floor(np.log2((formats.weight_limit + 0.5) / largest) - 1e-12)
    return np.where(np.isfinite(f), f, 62).astype(np.int64)


class _Parts:
    """The float field in words, and its integers at a number of bits below a word."""

    def __init__(
        self, f: NarrowField, formats: Formats, words: Floats, read: Floats | None, gain: float, read_gain: float
    ) -> None:
        self.f, self.formats, self.x, self.h, self.gain, self.read_gain = f, formats, words, read, gain, read_gain
        self.rank = len(f.inward)
        self.held = _holding(words @ f.inward.T, formats, rms=True)  # fraction bits of what is carried, beyond a word's
        self.taken = None if read is None else _holding(read @ f.reading.T, formats, rms=False)

    def at(self, point: int) -> dict[str, Any] | None:
        """Arrays of `NarrowWords`, rounded to the nearest; None where an accumulator could overflow."""
        f, formats, limit = self.f, self.formats, self.formats.weight_limit
        arrays: dict[str, Any] = {}
        past, read = f.past, f.read * self.read_gain  # words on activation words
        inward, finest = _rows(f.inward, formats)
        reading, finest_read = _rows(f.reading, formats)
        down = sunk = up = np.zeros(self.rank, np.int64)
        if self.rank:
            held = np.minimum(self.held, np.minimum(finest, point - finest))
            if (finest + held < 0).any() or (point - finest - held < 0).any():
                return None
            down, up = finest - held, point - finest - held
            past = np.ldexp(past, held[:, None] - np.tile(held, f.parents.shape[1]))
            if self.taken is not None:
                taken = np.minimum(self.taken, finest_read)
                sunk = finest_read - taken
                read = np.ldexp(read, held[:, None] - np.tile(taken, f.readers.shape[1]))
        self.past, self.read = past, read
        near, far = (_bits(np.abs(w).max(axis=2, initial=0), formats) for w in (past, read))
        if min(near.min(), far.min()) < _LEAST:
            most = max(np.abs(past).max(initial=0), np.abs(read).max(initial=0))
            raise ArgumentError(
                f"weight_bits={formats.weight_bits}: a weight of {most:.3g} between words does not fit: expected more "
                "bits, or fewer word_bits"
            )
        top = np.minimum(30 if self.rank else point, formats.accumulator_bits - 2)
        near, far = np.minimum(near, top), np.minimum(far, top)
        if self.rank and not self._mixing(past, read, near, far):
            return None
        fraction = _positive(near, far) if self.rank else np.full(near.shape, point)
        if self.rank:  # a group without weights follows the other
            near, far = (
                np.where(np.abs(w).max(axis=2, initial=0) > 0, b, fraction) for w, b in ((past, near), (read, far))
            )
        self.near, self.far = near, far
        keep = int(np.clip(np.ceil(np.log2(_PRIVATE / formats.normal_deviation)), 0, 16))
        finer = np.minimum(_bits(np.abs(f.L).max(axis=2), formats), formats.accumulator_bits - 2)
        keep = min(keep, int(finer.min()))
        factor = _nearest(f.L, finer[..., None], limit)
        diagonal = np.arange(f.L.shape[1])
        factor[:, diagonal, diagonal] = np.maximum(factor[:, diagonal, diagonal], 1)
        s = f.scale * self.gain / formats.normal_deviation * 2.0**-keep
        fine = np.minimum(_bits(s.max(axis=1), formats), point)
        if (fine < point - formats.accumulator_bits + 1).any():
            return None
        a = f.a * self.gain
        loud = float(np.abs(a).max())
        most = 2 ** (BIAS_BITS - 1) - 1
        bias = int(np.clip(np.floor(np.log2(most / loud)), 0, point)) if loud > 0 else point
        arrays = {
            "bias": np.clip(np.rint(np.ldexp(a, bias)), -most, most),
            "s": np.clip(np.rint(np.ldexp(s, fine[:, None])), 1, limit),
            "own": point - fine, "factor": factor, "deep": finer - keep, "inward": inward, "reading": reading,
            "down": down, "sunk": sunk, "up": up, "past": _nearest(past, near[..., None], limit),
            "read": _nearest(read, far[..., None], limit), "lift": np.stack([fraction - far, fraction - near], axis=2),
            "fraction": fraction if self.rank else np.zeros((len(past), 0)), "shifts": np.array([point, point - bias]),
        }  # fmt: skip
        arrays = {name: np.ascontiguousarray(value, np.int32) for name, value in arrays.items()}
        tried = NarrowWords(
            **arrays, scale=np.zeros(len(f.order), np.int32), activation_scale=0,
            **{name: getattr(f, name) for name in ("order", "parents", "readers", "kinds", "levels")},
        )  # fmt: skip
        room = 2 ** (formats.accumulator_bits - 1) - 1
        reached = tried.largest_accumulators(formats)
        for what in ("carried", "read", "private"):
            if reached.get(what, 0) > room:
                raise ArgumentError(
                    f"accumulator_bits={formats.accumulator_bits}: that of {what} values can reach "
                    f"{reached[what].bit_length() + 1}: expected as many, or fewer weight_bits or word_bits"
                )
        return arrays if reached["word"] * (1 if self.rank else 1.25) <= room else None

    def _mixing(self, past: Any, read: Any, near: Any, far: Any) -> bool:
        """Coarsen the finer group of a row while its accumulator could overflow; in place."""
        word = 2.0 ** (self.formats.word_bits - 1)
        sums = [np.abs(w).sum(axis=2) for w in (past, read)]
        counts = [w.shape[2] / 2 for w in (past, read)]
        room = 2.0 ** (self.formats.accumulator_bits - 1)
        while True:
            fraction = _positive(near, far)
            reached = (
                sum((1.25 * s + n * 0.5**b) * word for s, n, b in zip(sums, counts, (near, far), strict=True))
                * 2.0**fraction
                + 2.0**fraction
            )  # feedback moves weights
            high = reached >= room
            if not high.any():
                return True
            if fraction[high].min() <= 0:
                return False
            near[high & (near == fraction)] -= 1
            far[high & (far == fraction)] -= 1

    def compensated(self, field: NarrowWords, progress: Progress | None) -> NarrowWords:
        """Return the field with the rows of each class rounded again, so that their errors compensate each other."""
        f, limit = self.f, self.formats.weight_limit
        x, h = self.x, self.h
        if self.rank:
            x = x @ np.ldexp(field.inward.T.astype(float), -field.down)
            h = None if h is None else h @ np.ldexp(field.reading.T.astype(float), -field.sunk)
        past, read = field.past.copy(), field.read.copy()
        members = np.argsort(f.kinds, kind="stable")
        ends = np.cumsum(np.bincount(f.kinds))
        reach, links = read.shape[2], field.links
        q = past.shape[1]
        for c, units in enumerate(np.split(members, ends[:-1])):
            there = np.concatenate([np.repeat(part[c], q) for part in links])
            columns = np.flatnonzero(there)
            if not len(columns):
                continue
            H = np.zeros((len(columns), len(columns)))
            for u in units:
                seen = [x[k] for k in f.parents[u][f.parents[u] >= 0]]
                if h is not None:
                    seen = [h[k] for k in f.readers[u][f.readers[u] >= 0]] + seen
                z = np.concatenate(seen, axis=1)
                H += z.T @ z
            H /= len(units) * x.shape[1]
            of_read = columns < reach
            wanted = np.concatenate([self.read[c], self.past[c]], axis=1)[:, columns]
            factors: dict[int, Any] = {}
            for j in range(q):
                bits = np.where(of_read, self.far[c, j], self.near[c, j])
                unit = np.ldexp(1.0, -bits)
                key = int(self.far[c, j] - self.near[c, j]) if of_read.any() and not of_read.all() else 0
                scaled = H * unit * unit[:, None] / unit[-1] ** 2
                if key not in factors:
                    factors[key] = factors_of(scaled)
                row = round_row(np.ldexp(wanted[j], bits), scaled, limit, factors[key])
                both = np.zeros(len(there), np.int32)
                both[columns] = row
                read[c, j], past[c, j] = both[:reach], both[reach:]
            if progress is not None:
                progress(int(ends[c]), len(f.kinds))
        moved = replace(field, past=past, read=read)
        room = 2 ** (self.formats.accumulator_bits - 1) - 1
        return moved if max(moved.largest_accumulators(self.formats).values()) <= room else field


def _positive(near: Any, far: Any) -> Any:
    """Bits that the sum of both groups drops: as many as the finer one has, if it has any."""
    return np.maximum(np.maximum(near, far), 0)


def _rows(basis: Any, formats: Formats) -> tuple[Any, Any]:
    """Round the directions, and return the fraction bits of each."""
    bits = np.minimum(_bits(np.abs(basis).max(axis=1, initial=0), formats), 15)
    return _nearest(basis, bits[:, None], formats.weight_limit), bits


def _nearest(weights: Any, bits: Any, limit: int) -> Any:
    return np.clip(np.rint(np.ldexp(weights, bits)), -limit, limit)


def _holding(values: Floats, formats: Formats, *, rms: bool) -> Any:
    """Fraction bits at which a word holds each direction of values (N, T, r): HEADROOM deviations, or all of them."""
    size = HEADROOM * np.sqrt(np.square(values).mean(axis=1).max(axis=0)) if rms else np.abs(values).max(axis=(0, 1))
    with np.errstate(divide="ignore"):
        bits = np.floor(np.log2(formats.word_limit / size))
    return np.where(np.isfinite(bits), bits, 0).astype(np.int64)
