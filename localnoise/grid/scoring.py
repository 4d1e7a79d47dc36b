"""A grid scores: how well its law explains displacements, and the law itself."""

from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise import gain, scoring
from localnoise.dense import log_density, permute, refuse_if_larger
from localnoise.errors import ArgumentError
from localnoise.grid.holding import Holding
from localnoise.narrow import NarrowField
from localnoise.streams import Progress, chunk_size, presentations
from localnoise.surprise import Surprise
from localnoise.surprise.detector import learned
from localnoise.validate import Array, as_activity, as_presentations, check_positive, is_iterator


class Scoring(Holding):
    """The part of a `UnitGrid` that scores displacements and states its covariance."""

    def innovations(self, d: npt.ArrayLike, h: npt.ArrayLike | None = None) -> Array:
        """Return what each unit's neighborhood does not explain, whitened: S_u^-1 (d_u / gain_u - W_u z_u).

        z_u = [1; h_R(u); d_P(u) / gain_P(u)] is what the unit reads, W_u = [a_u G_u B_u]. Standard normal where the
        field is true; its square is the unit's surprise. Cost O(T n m (K + R)).

        Parameters
        ----------
        d : (T, C, H, W)
            Displacements, in activation units.
        h : (T, C, H, W), with signal="local"
            The activations that were displaced.

        Returns
        -------
        ndarray of the grid's dtype, (T, C, H, W)
            In standard deviations.
        """
        return self._now()._innovations("d", d, h)

    def mahalanobis(self, delta: npt.ArrayLike, *, through_mean: bool = False) -> npt.NDArray[np.float64]:
        """Return the squared norm delta' Sigma^-1 delta of each displacement, a sum of unit terms. Cost O(T n m K).

        Parameters
        ----------
        delta : (T, C, H, W)
            Displacements, in activation units.
        through_mean : bool
            Whether delta is a shift of the *activation*: the noisy network then sees delta plus the shift of the
            noise's mean, diag(gain) (I - B)^-1 G delta. The two are equal without signal dependence.

        Returns
        -------
        ndarray of float64, (T,)
            In variances of the noise.
        """
        from localnoise.kernels.score import squared_norms

        d3, now = as_activity("delta", delta, *self._layout, finite=False), self._now()
        if through_mean and self.field.signal:
            self.config.refuse_second("through_mean=True")
            shift = now._draw(np.empty_like(d3), d3, 0, 0, signal=True, white=False, affine=False)
            d3 = d3 + shift.reshape(d3.shape)
        out, f = np.empty(len(d3)), now.field
        if isinstance(f, NarrowField):
            e = scoring.whitened(now.config, f, d3, None, affine=False)
            return np.asarray(np.square(e, dtype=np.float64).sum(axis=(1, 2)))
        tile, ring = scoring.shared(now.config, f, len(d3))
        squared_norms(out, d3, f.parents, f.readers, *f.whitening, tile, ring, parts=-(-len(d3) // tile))
        if not np.isfinite(out).all():  # where a number was none, so is the sum: looked for only then
            as_activity("delta", delta, *self._layout)
        return out

    def log_density(self, eta: npt.ArrayLike, h: npt.ArrayLike | None = None) -> npt.NDArray[np.float64]:
        """Return the log density of displacements under the field. Cost O(T n m (K + R)).

        Parameters
        ----------
        eta : (T, C, H, W)
            Displacements, in activation units.
        h : (T, C, H, W), with signal="local"
            The activations that were displaced.

        Returns
        -------
        ndarray of float64, (T,)
            In nats.
        """
        now = self._now()
        return log_density(now._innovations("eta", eta, h), scoring.log_scale(now.field))

    def score(self, d: Any, h: Any = None) -> float:
        """Mean log density of displacements, per presentation, in nats: scikit-learn's `score`.

        Of displacements that were not learned it says how good the field is: learn from some, score others, and compare
        numbers of parents, ridges, orders. Comparable for one layer and one set of displacements only.

        Parameters
        ----------
        d : (T, C, H, W), or an iterator
            As in `learn`, streamed: also pairs (d, h), whose h is left out without signal dependence.
        h : (T, C, H, W), with signal="local"
            The activations that were displaced.

        Returns
        -------
        float
            In nats.
        """
        now = self._now()
        signal, size = now.field.signal, chunk_size(*now._layout)
        d = scoring.pairs_for(d, signal=signal)
        if not is_iterator(d):
            d = as_presentations("d", d, *now._layout[:2])
            h = now._activation(h, d)
        return scoring.mean_log_density(
            now.config,
            now.field,
            presentations(d, h, *now._layout, signal=signal, size=size, read=now.field.wires.activations),
        )

    def surprise(
        self, clean: Any, *, neighbors: int = 1, ridge: float = 1e-3, held: Any = None, progress: Progress | None = None
    ) -> Surprise:
        """Return a detector of what clean activations are not: unit by unit, and as a whole, calibrated.

        It learns a law of its own, of a blank grid with this one's wires; the grid itself stays as it is. A grid
        without parents, `parents=[[-1]] * units`, makes PaDiM (Defard et al. 2021): every unit by itself.

        Parameters
        ----------
        clean : (T, C, H, W)
            Activations of clean inputs: an array, a torch tensor or an HDF5 data set.
        neighbors : int
            Chebyshev distance up to which the surprise of units is averaged.
        ridge : float
            Added to the law's variances, in shares of the activations' own.
        held : (T, C, H, W), optional
            Clean activations for the calibration, at most 4,096; None: the last quarter of `clean`, at most as many.
        progress : callable
            Told (activations learned, None).

        Returns
        -------
        Surprise
            Called with activations, it says how surprising they are.

        Raises
        ------
        ArgumentError
            Wrong shape or dtype, NaN; too few activations: how many are needed; a grid that reads the activation.
        """
        if self.field.signal:
            raise ArgumentError("signal='local': expected signal='none', since the activation itself is what is judged")
        check_positive("ridge", ridge)
        blank: Any = self.blank()  # type: ignore[attr-defined]
        return learned(blank, clean, neighbors, ridge, held, progress)

    def covariance(self, max_bytes: int = 4 * 2**30) -> npt.NDArray[np.float64]:
        """Return Sigma = L L', L = diag(gain) (I - B)^-1 S. Small grids only: O(n^2) memory, O(n^3) time.

        Parameters
        ----------
        max_bytes : int
            That it may take.

        Returns
        -------
        ndarray of float64, (n, n)
            In squared activation units, n in C order of (C, H, W).

        Raises
        ------
        TooLargeError
            If it would take more than `max_bytes`; the message says how much.
        """
        refuse_if_larger("covariance()", 3 * 8 * self.config.neurons**2, max_bytes, "sample() or variance()")
        L = permute(gain.factor(self.field.at_once()), self.config.channels)
        return np.asarray(L @ L.T)

    def variance(self) -> npt.NDArray[np.float64]:
        """Return the variance of each neuron's noise; exact up to 4,096 neurons, then from 4,096 draws.

        Returns
        -------
        ndarray of float64, (C, H, W)
            In squared activation units.
        """
        variance = gain.marginal_variance(self.field.at_once()).T
        return np.asarray(variance.reshape(self.config.channels, *self.config.shape), np.float64)

    def _innovations(self, argument: str, d: npt.ArrayLike, h: npt.ArrayLike | None) -> Array:
        d3 = as_activity(argument, d, *self._layout)
        h3 = self._activation(h, d3)
        h3 = None if h3 is None else as_activity("h", h3, *self._read)
        return self._shaped(scoring.innovations(self.config, self.field, d3, h3))
