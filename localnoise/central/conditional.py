"""Signal-dependent noise with dense maps: what the grid's signal-dependent field would be without locality."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.central.noise import CentralNoise
from localnoise.noise_files import save
from localnoise.validate import Array, Start, as_activity


class AffineNoise:
    """eta = a + G h + L xi, xi ~ N(0, I): every neuron reads all activations, and all noise is correlated. float32.

    The interface is that of a `UnitGrid` with signal="local". A draw costs O(n^2).

    Attributes
    ----------
    a, G : (n,), (n, n) float32
        Affine map from the activation to the mean displacement, n in C order of (C, H, W).
    residual : CentralNoise
        What the map leaves: zero mean, covariance L L'.
    """

    kind = "affine"

    def __init__(self, a: Array, G: Array, residual: CentralNoise) -> None:
        self.a, self.G, self.residual = a, G, residual
        self.channels, self.shape, self.seen = residual.channels, residual.shape, residual.seen
        self.provenance: dict[str, Any] = {}

    @property
    def neurons(self) -> int:
        """n = C H W."""
        return self.residual.neurons

    @property
    def parameters(self) -> int:
        """n for a, n^2 for G, n (n + 1) / 2 for the residual covariance."""
        return self.neurons * (self.neurons + 1) + self.residual.parameters

    @property
    def bytes_per_unit(self) -> float:
        """Mean bytes of float32 parameters per grid position."""
        return self.parameters * 4 / (self.shape[0] * self.shape[1])

    def sample(self, count: int, seed: int = 0, start: Start = 0) -> Array:
        """Draw the zero-mean part L xi; sample t depends on (seed, start + t) alone. O(n^2) a sample.

        Parameters
        ----------
        count : int
            Samples.
        seed : int
            Of the stream.
        start : int or (count,) whole numbers
            Position of the first sample in the stream, or of each.

        Returns
        -------
        ndarray of float32, (count, C, H, W)
            In activation units.
        """
        return self.residual.sample(count, seed, start)

    def perturb(self, h: npt.ArrayLike, seed: int = 0, start: Start = 0) -> Array:
        """Draw one displacement for each activation: mean(h) + noise; the noise is that of `sample`.

        Batches of another size give the same draws to within float32 rounding: the mean is a product of matrices.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.
        seed, start
            As in `sample`.

        Returns
        -------
        ndarray of float32, (T, C, H, W)
            Displacements, in activation units.
        """
        mean = self.mean(h)
        return mean + self.sample(len(mean), seed, start)

    def mean(self, h: npt.ArrayLike) -> Array:
        """Return the mean displacement a + G h. O(T n^2).

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.

        Returns
        -------
        ndarray of float32, (T, C, H, W)
            In activation units.
        """
        return self._shaped(self._flat("h", h) @ self.G.T + self.a)

    def pull_back(self, gradient: npt.ArrayLike) -> Array:
        """Return the adjoint of the mean's linear part, G' gradient. Exact.

        Parameters
        ----------
        gradient : (T, C, H, W)
            By the displacement.

        Returns
        -------
        ndarray of float32, (T, C, H, W)
            By the activation, through the mean alone.
        """
        return self._shaped(self._flat("gradient", gradient, finite=False) @ self.G)

    def covariance(self, max_bytes: int = 4 * 2**30) -> npt.NDArray[np.float64]:
        """Return Sigma = L L', the covariance given h.

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
            It would take more than `max_bytes`; the message says how much.
        """
        return self.residual.covariance(max_bytes)

    def mahalanobis(self, delta: npt.ArrayLike, *, through_mean: bool = False) -> npt.NDArray[np.float64]:
        """Return the squared norm delta' Sigma^-1 delta of each displacement.

        Parameters
        ----------
        delta : (T, C, H, W)
            Displacements, in activation units.
        through_mean : bool
            Whether delta is a shift of the *activation*: the noisy network then sees delta + G delta.

        Returns
        -------
        ndarray of float64, (T,)
            In variances of the noise.
        """
        shift = self._flat("delta", delta)
        return self.residual.mahalanobis(self._shaped(shift + shift @ self.G.T if through_mean else shift))

    def log_density(self, eta: npt.ArrayLike, h: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the log density of displacements, each given its activation.

        Parameters
        ----------
        eta : (T, C, H, W)
            Displacements, in activation units.
        h : (T, C, H, W)
            Activations.

        Returns
        -------
        ndarray of float64, (T,)
            In nats.
        """
        return self.residual.log_density(self._shaped(self._flat("eta", eta)) - self.mean(h))

    def save(self, path: str | Path, *, state: bool = True) -> Path:
        """Write the noise to HDF5, aside and renamed; `localnoise.load` reads it.

        Parameters
        ----------
        path : str or Path
            The file; one that is there is replaced.
        state : bool
            Changes nothing: it has no running statistics.

        Returns
        -------
        Path
            The file.
        """
        return save(self, path, state=state)

    def _flat(self, argument: str, value: npt.ArrayLike, *, finite: bool = True) -> Array:
        flat = as_activity(argument, value, self.channels, self.shape, np.float32, finite=finite)
        return flat.reshape(-1, self.neurons)

    def _shaped(self, flat: Array) -> Array:
        return flat.reshape(-1, self.channels, *self.shape)

    def __repr__(self) -> str:
        return f"AffineNoise({self.channels} x {self.shape[0]} x {self.shape[1]}, {self.seen} seen)"
