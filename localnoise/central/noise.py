"""Zero-mean Gaussian noise behind the grid's sampling interface, whatever its covariance was made from."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.dense import log_density, refuse_if_larger
from localnoise.errors import ArgumentError
from localnoise.noise_files import save
from localnoise.validate import Array, Start, as_activity, as_count, as_positions, as_seed, room

_BLOCK = 512  # samples mixed at a time
_BAND = 392  # rows of a triangular factor multiplied at a time: what lies right of the diagonal is never read


class CentralNoise:
    """Zero-mean Gaussian noise with a dense, diagonal, isotropic or zero factor. float32 draws; n = C H W neurons.

    Parameters
    ----------
    kind : str
        What it was made by: "full", "diagonal", "identity", "none", "mix", "shuffled", "spectrum-matched".
    factor : (n, n) lower triangular, (n,) standard deviations, or None for no noise
        In activation units; kept as float32.
    channels : int
        C.
    shape : tuple of int
        (H, W).
    seen : int
        Displacements that it was made from.

    Raises
    ------
    ArgumentError
        The factor leaves the range of float32.
    """

    def __init__(
        self, kind: str, factor: npt.NDArray[Any] | None, channels: int, shape: tuple[int, int], seen: int
    ) -> None:
        if factor is not None:
            with np.errstate(over="ignore", under="ignore"):
                factor = factor.astype(np.float32)
            scales = factor if factor.ndim == 1 else np.diagonal(factor)
            if not (np.isfinite(factor).all() and (scales > 0).all()):
                raise ArgumentError(
                    f"the {kind} covariance leaves the range of float32: expected noise of moderate size; use "
                    "another variance"
                )
        self.kind, self.factor, self.channels, self.shape, self.seen = kind, factor, channels, shape, seen
        self.provenance: dict[str, Any] = {}
        self._kept: tuple[tuple[int, int], Array] | None = None

    @property
    def neurons(self) -> int:
        """n = C H W."""
        return self.channels * self.shape[0] * self.shape[1]

    @property
    def parameters(self) -> int:
        """Numbers that the covariance needs: n (n + 1) / 2, n, 1 or 0."""
        n = self.neurons
        return {"diagonal": n, "identity": 1, "none": 0}.get(self.kind, n * (n + 1) // 2)

    @property
    def bytes_per_unit(self) -> float:
        """Mean bytes of float32 parameters per grid position."""
        return self.parameters * 4 / (self.shape[0] * self.shape[1])

    def sample(self, count: int, seed: int = 0, start: Start = 0) -> Array:
        """Draw zero-mean noise; sample t depends on (seed, start + t) alone.

        Cost O(n^2) a sample for full, O(n) else. Draws are mixed in blocks aligned to their position: however a stream
        is cut, the numbers are the same, and a dense factor is read once per block. The last block is kept.

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
        count, key = as_count("count", count), as_seed(seed)
        out = room((count, self.neurons), np.float32)
        out[:] = 0
        block, within = np.divmod(as_positions(start, count), np.uint64(_BLOCK))
        if self.factor is not None:
            for index in np.unique(block):
                rows = block == index
                out[rows] = self._mixed(int(key), int(index))[within[rows]]
        return out.reshape(count, self.channels, *self.shape)

    def _mixed(self, seed: int, block: int) -> Array:
        from localnoise.kernels.normals import fill_normals

        if self._kept is None or self._kept[0] != (seed, block):
            positions = np.arange(block * _BLOCK, (block + 1) * _BLOCK, dtype=np.uint64)
            white = np.empty((4 * ((self.neurons + 3) // 4), _BLOCK), np.float32)
            fill_normals(white, np.uint64(seed), positions)
            xi, factor = white[: self.neurons], np.asarray(self.factor)
            mixed = _times_lower(xi.T, factor) if factor.ndim == 2 else np.ascontiguousarray((factor[:, None] * xi).T)
            self._kept = ((seed, block), mixed)
        return self._kept[1]

    def perturb(self, h: npt.ArrayLike, seed: int = 0, start: Start = 0) -> Array:
        """Draw one displacement for each activation, which does not change its law.

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
        return self.sample(len(as_activity("h", h, self.channels, self.shape, np.float32)), seed, start)

    def mean(self, h: npt.ArrayLike) -> Array:
        """Return the mean displacement: zero for every activation.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.

        Returns
        -------
        ndarray of float32, (T, C, H, W)
            Zeros.
        """
        flat = as_activity("h", h, self.channels, self.shape, np.float32)
        return np.zeros((len(flat), self.channels, *self.shape), np.float32)

    def pull_back(self, gradient: npt.ArrayLike) -> Array:
        """Return the gradient by the activation through the mean: zero.

        Parameters
        ----------
        gradient : (T, C, H, W)
            By the displacement.

        Returns
        -------
        ndarray of float32, (T, C, H, W)
            Zeros.
        """
        flat = as_activity("gradient", gradient, self.channels, self.shape, np.float32, finite=False)
        return np.zeros((len(flat), self.channels, *self.shape), np.float32)

    def covariance(self, max_bytes: int = 4 * 2**30) -> npt.NDArray[np.float64]:
        """Return Sigma. O(n^3) time where the factor is dense.

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
        refuse_if_larger("covariance()", 2 * 8 * self.neurons**2, max_bytes, "sample()")
        if self.factor is None:
            return np.zeros((self.neurons, self.neurons))
        L = self.factor.astype(np.float64)
        return np.asarray(L @ L.T) if L.ndim == 2 else np.diag(L**2)

    def mahalanobis(self, delta: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the squared norm delta' Sigma^-1 delta of each displacement.

        Parameters
        ----------
        delta : (T, C, H, W)
            Displacements, in activation units.

        Returns
        -------
        ndarray of float64, (T,)
            In variances of the noise.

        Raises
        ------
        ArgumentError
            The noise is none, which has no density.
        """
        return np.asarray(np.square(self._whiten(delta, "delta")).sum(axis=1))

    def log_density(self, eta: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the log density of displacements.

        Parameters
        ----------
        eta : (T, C, H, W)
            Displacements, in activation units.

        Returns
        -------
        ndarray of float64, (T,)
            In nats.

        Raises
        ------
        ArgumentError
            The noise is none, which has no density.
        """
        e, factor = self._whiten(eta, "eta"), np.asarray(self.factor, np.float64)
        diagonal = factor if factor.ndim == 1 else np.diagonal(factor)
        return log_density(e, float(np.log(diagonal).sum()))

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

    def _whiten(self, value: npt.ArrayLike, argument: str) -> npt.NDArray[np.float64]:
        if self.factor is None:
            raise ArgumentError("kind='none': no noise has no density; expected full, diagonal or identity noise")
        flat = as_activity(argument, value, self.channels, self.shape, np.float64).reshape(-1, self.neurons)
        if self.factor.ndim == 1:
            return np.asarray(flat / self.factor)
        return np.asarray(np.linalg.solve(self.factor.astype(np.float64), flat.T).T)

    def __repr__(self) -> str:
        return f"CentralNoise({self.kind}, {self.channels} x {self.shape[0]} x {self.shape[1]}, {self.seen} seen)"


def _times_lower(xi: Array, factor: Array) -> Array:
    """White samples (T, n) times a lower triangular factor (n, n), transposed: little over half a square's cost."""
    out = np.empty((len(xi), len(factor)), np.float32)
    for first in range(0, len(factor), _BAND):
        last = first + _BAND
        np.matmul(xi[:, :last], factor[first:last, :last].T, out=out[:, first:last])
    return out
