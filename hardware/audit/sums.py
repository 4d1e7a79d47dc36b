"""Running sums over a device's draws, from which every test is made: memory O(units x parents), however many draws."""

from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.hardware.audit.residuals import Floats, Residuals

LAGS = 4  # draws back to which the noise of a channel is held against itself
KEPT, KEPT_NUMBERS = 1024, 2**26  # draws of which e is kept, to hold units against each other; numbers at most
REMEMBERED = 2**20  # draws of which a hash is kept, 8 bytes each


class Sums:
    """Sums of e, its squares, its products with what a unit reads, with its own past, and the hashes of whole draws.

    Parameters
    ----------
    residuals : Residuals

    Attributes
    ----------
    count : int
        Draws, T.
    total, square, predicted, prediction_square : (m, N)
        Sums over draws of e, e^2, e A and A^2; A the prediction in the measure of e.
    lagged : (LAGS, m, N)
        Sums of e(t) e(t - lag).
    cut : (m, N)
        Draws whose word stood at its limit.
    cross, power : list of (m, L), list of (L,)
        Of each unit: sums of e z and of z^2, for the L numbers z that it reads.
    kept : (k, m, N) float32
        e of the first k draws.
    repeats : list of (int, int)
        Pairs (t, s), s < t: draw t is draw s again; the first few.
    """

    def __init__(self, residuals: Residuals) -> None:
        self.residuals, f = residuals, residuals.field
        m, units = f.channels, f.units
        self.count = 0
        self.total, self.square, self.predicted, self.prediction_square = (np.zeros((m, units)) for _ in range(4))
        self.cut = np.zeros((m, units), np.int64)
        self.lagged = np.zeros((LAGS, m, units))
        widths = [len(residuals.links(u)) for u in range(units)]
        self.cross: list[Floats] = [np.zeros((m, width)) for width in widths]
        self.power: list[Floats] = [np.zeros(width) for width in widths]
        self._kept: list[npt.NDArray[np.float32]] = []
        self._last = np.zeros((0, m, units))
        self._seen: dict[bytes, int] = {}
        self.repeats: list[tuple[int, int]] = []
        self.repeated = 0

    @property
    def kept(self) -> npt.NDArray[np.float32]:
        """Of the first draws, (k, m, N) float32."""
        shape = (0, *self.total.shape)
        return np.concatenate([np.zeros(shape, np.float32), *self._kept])

    @property
    def most_kept(self) -> int:
        """Return of how many draws e is kept."""
        return int(min(KEPT, max(KEPT_NUMBERS // self.total.size, 64)))

    def add(self, words: Any, h: Any) -> None:
        """Add draws in the order in which they came: words (t, m, N) int64, activation words (t, m, N) or None."""
        e = np.empty(words.shape)
        for unit, (own, predicted, z) in enumerate(self.residuals.of(words, h)):
            e[:, :, unit] = own
            self.predicted[:, unit] += (own * predicted).sum(axis=0)
            self.prediction_square[:, unit] += np.square(predicted).sum(axis=0)
            self.cross[unit] += own.T @ z
            self.power[unit] += np.square(z).sum(axis=0)
        self.total += e.sum(axis=0)
        self.square += np.square(e).sum(axis=0)
        limit = self.residuals.chip.formats.word_limit
        self.cut += ((words >= limit) | (words <= -limit - 1)).sum(axis=0)
        joined = np.concatenate([self._last, e])
        for lag in range(1, LAGS + 1):
            first = max(len(self._last), lag)
            if len(joined) > first:
                self.lagged[lag - 1] += (joined[first:] * joined[first - lag : len(joined) - lag]).sum(axis=0)
        self._last = joined[-LAGS:]
        missing = self.most_kept - sum(map(len, self._kept))
        if missing > 0:
            self._kept.append(e[:missing].astype(np.float32))
        self._remember(words, h)
        self.count += len(words)

    def _remember(self, words: Any, h: Any) -> None:
        """Find draws that were there before, word for word, and for the same activation."""
        for t, draw in enumerate(words):
            key = np.ascontiguousarray(draw, np.int32).tobytes()
            if h is not None:
                key += np.ascontiguousarray(h[t], np.int32).tobytes()
            digest = blake2b(key, digest_size=8).digest()
            before = self._seen.get(digest)
            if before is not None:
                self.repeated += 1
                if len(self.repeats) < 8:
                    self.repeats.append((self.count + t, before))
            elif len(self._seen) < REMEMBERED:
                self._seen[digest] = self.count + t
