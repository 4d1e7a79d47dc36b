"""A grid draws: its noise, one displacement for each activation, their mean, and the mean's adjoint."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.grid.holding import Holding
from localnoise.narrow import NarrowField
from localnoise.streams import Progress, chunk_size, fill, positions, presentations
from localnoise.validate import (
    Array,
    Start,
    as_activity,
    as_count,
    as_out,
    as_positions,
    as_presentations,
    is_iterator,
    is_stored,
)


class Drawing(Holding):
    """The part of a `UnitGrid` that draws."""

    def sample(
        self, count: int, seed: int = 0, start: Start = 0, out: Any = None, progress: Progress | None = None
    ) -> Any:
        """Draw samples of the zero-mean noise, of covariance `covariance()`. Cost O(n m (K + R)) a sample.

        Sample t depends on (seed, start + t) alone: the same for any thread count, chunk, or length of the draw.

        Parameters
        ----------
        count : int
            Samples.
        seed : int
            Of the stream.
        start : int or (count,) whole numbers
            Position of the first sample in the stream, or of each.
        out : (count, C, H, W), optional
            Written and returned: an array, since new memory can cost as much as the draw, or an HDF5 data set, filled
            chunk by chunk. None: new memory.
        progress : callable
            Told (samples drawn, count), with a data set as `out`.

        Returns
        -------
        ndarray of the grid's dtype, (count, C, H, W)
            In activation units; or `out`.
        """
        count = as_count("count", count)
        if is_stored(out):
            as_presentations("out", out, *self._layout[:2])
            cuts, now = positions(start, count, chunk_size(*self._layout)), self._now()
            return fill(out, (now.sample(len(cut), seed, cut) for cut in cuts), count, progress)
        eta = as_out(out, count, *self._layout)
        return self._now()._draw(eta, eta, seed, start, signal=False, white=True)

    def perturb(
        self, h: Any, seed: int = 0, start: Start = 0, out: Any = None, progress: Progress | None = None
    ) -> Any:
        """Draw one displacement for each activation: mean(h) + noise; the noise is that of `sample`.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations. With an HDF5 data set as `out` it may be one, too, or an iterator of arrays.
        seed, start
            As in `sample`; with an HDF5 data set as `out`, `start` is a whole number.
        out : (T, C, H, W), optional
            As in `sample`; it shares no memory with h.
        progress : callable
            Told (activations displaced, T or None where it is not known), with a data set as `out`.

        Returns
        -------
        ndarray of the grid's dtype, (T, C, H, W)
            Displacements, in activation units; or `out`.

        Raises
        ------
        ArgumentError
            Wrong shape or dtype, NaN, or memory that h and `out` share.
        """
        if is_stored(out):
            as_presentations("out", out, *self._layout[:2])
            first = int(as_positions(start, 1)[0])
            parts = presentations(h, None, *self._read, signal=False, size=chunk_size(*self._layout))
            return fill(out, self._now()._perturbed(parts, seed, first), None if is_iterator(h) else len(h), progress)
        h3 = as_activity("h", h, *self._read)
        eta = as_out(out, len(h3), *self._layout)
        if np.shares_memory(eta, h3):
            raise ArgumentError("out shares memory with h: expected an array of its own; use np.empty_like(h)")
        return self._now()._draw(eta, h3, seed, start, signal=self.field.signal, white=True)

    def _perturbed(self, parts: Iterator[tuple[Array, Array | None]], seed: int, start: int) -> Iterator[Array]:
        for part, _ in parts:
            yield self.perturb(part.reshape(len(part), self._read[0], *self._read[1]), seed, start)
            start += len(part)

    def mean(self, h: npt.ArrayLike) -> Array:
        """Return the mean of `perturb(h)`: diag(gain) (I - B)^-1 (a + G h); zero without signal dependence.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.

        Returns
        -------
        ndarray of the grid's dtype, (T, C, H, W)
            In activation units.
        """
        h3, c = as_activity("h", h, *self._read), self.config
        out = np.empty((len(h3), c.channels, c.units), h3.dtype)
        return self._now()._draw(out, h3, 0, 0, signal=self.field.signal, white=False)

    def pull_back(self, gradient: npt.ArrayLike) -> Array:
        """Return the adjoint of the mean's linear part: G' (I - B)^-T diag(gain) gradient. Exact, by one reverse sweep.

        Parameters
        ----------
        gradient : (T, C, H, W)
            By the displacement.

        Returns
        -------
        ndarray of the grid's dtype, (T, C, H, W)
            By the activation, through the mean alone; 0 without signal dependence.

        Raises
        ------
        ArgumentError
            The units read a second activation, of which the mean is no linear map of the first.
        """
        self.config.refuse_second("pull_back")
        from localnoise.kernels.sweep import pull_back

        g = as_activity("gradient", gradient, *self._layout, finite=False)
        f = self.field.at_once()
        if not f.signal:  # the mean does not depend on h
            return self._shaped(np.zeros_like(g))
        out, wires = np.empty_like(g), f.wires
        if isinstance(f, NarrowField):
            f.pull_back(out, g)
            return self._shaped(out)
        pull_back(out, g, wires.order, wires.parents, wires.readers, f.G, f.B, f.gain)
        return self._shaped(out)
