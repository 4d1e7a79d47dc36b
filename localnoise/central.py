"""Central baselines: covariances that need all pairs of neurons, or none, behind the grid's sampling interface.

`full`, `diagonal`, `identity`, `none` take displacements d (T, C, H, W) and return a `CentralNoise`. Sigma is the second
moment about zero, E[d d'] (+ ridge I), scaled to trace(Sigma) = trace n (Preble et al. 2026, arXiv 2606.13801, Methods);
`centred=True` subtracts the mean displacement first.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.dense import log_density, permute, refuse_if_larger
from localnoise.errors import ArgumentError
from localnoise.validate import Array, Start, as_activity, as_count, as_positions, as_seed, as_trace

_CHUNK = 1024  # samples mixed at a time


class CentralNoise:
    """Zero-mean Gaussian noise with a dense, diagonal, isotropic or zero factor. float32 draws.

    Attributes
    ----------
    factor : (n, n) lower triangular, (n,) standard deviations, or None for no noise.
    """

    def __init__(self, kind: str, factor: npt.NDArray[Any] | None, channels: int, shape: tuple[int, int], seen: int) -> None:
        self.kind, self.factor, self.channels, self.shape, self.seen = kind, factor, channels, shape, seen
        self.provenance: dict[str, Any] = {}

    @property
    def neurons(self) -> int:
        """n = C H W."""
        return self.channels * self.shape[0] * self.shape[1]

    @property
    def parameters(self) -> int:
        """Numbers that the covariance needs: n (n + 1) / 2, n, 1 or 0."""
        n = self.neurons
        return {"full": n * (n + 1) // 2, "diagonal": n, "identity": 1, "none": 0}[self.kind]

    @property
    def bytes_per_unit(self) -> float:
        """Mean bytes of float32 parameters per grid position."""
        return self.parameters * 4 / (self.shape[0] * self.shape[1])

    def sample(self, count: int, seed: int = 0, start: Start = 0) -> Array:
        """Draw `count` samples, (count, C, H, W); sample t depends on (seed, start + t) alone. Cost O(n^2) each for full.

        Equal to the last bit for the same call; between calls of other lengths, up to the rounding of the matrix product.
        """
        from localnoise.kernels.normals import fill_normals

        count, key = as_count("count", count), as_seed(seed)
        positions = as_positions(start, count)
        out = np.zeros((count, self.neurons), np.float32)
        for first in range(0, count if self.factor is not None else 0, _CHUNK):
            part = positions[first : first + _CHUNK]
            white = np.empty((4 * ((self.neurons + 3) // 4), len(part)), np.float32)
            fill_normals(white, key, part)
            xi = white[: self.neurons].T
            out[first : first + len(part)] = xi @ self.factor.T if self.factor.ndim == 2 else xi * self.factor  # type: ignore[union-attr]
        return out.reshape(count, self.channels, *self.shape)

    def perturb(self, h: npt.ArrayLike, seed: int = 0, start: Start = 0) -> Array:
        """One draw for each activation (T, C, H, W); the activation does not change its law."""
        return self.sample(len(as_activity("h", h, self.channels, self.shape, np.float32)), seed, start)

    def mean(self, h: npt.ArrayLike) -> Array:
        """Zero for every activation."""
        flat = as_activity("h", h, self.channels, self.shape, np.float32)
        return np.zeros((len(flat), self.channels, *self.shape), np.float32)

    def pull_back(self, gradient: npt.ArrayLike) -> Array:
        """Gradient of the mean: zero."""
        return self.mean(gradient)

    def covariance(self, max_bytes: int = 4 * 2**30) -> npt.NDArray[np.float64]:
        """Sigma, (n, n) float64, n in C order of (C, H, W)."""
        refuse_if_larger("covariance()", 2 * 8 * self.neurons**2, max_bytes, "sample()")
        if self.factor is None:
            return np.zeros((self.neurons, self.neurons))
        L = self.factor.astype(np.float64)
        return np.asarray(L @ L.T) if L.ndim == 2 else np.diag(L**2)

    def mahalanobis(self, delta: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Squared norm delta' Sigma^-1 delta, (T,)."""
        return np.asarray(np.square(self._whiten(delta)).sum(axis=1))

    def log_density(self, eta: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Log density at eta, (T,), natural logarithm."""
        e = self._whiten(eta)
        diagonal = self.factor if self.factor.ndim == 1 else np.diagonal(self.factor)  # type: ignore[union-attr, arg-type]
        return log_density(e, float(np.log(diagonal.astype(np.float64)).sum()))

    def _whiten(self, value: npt.ArrayLike) -> npt.NDArray[np.float64]:
        if self.factor is None:
            raise ArgumentError("kind='none': no noise has no density; expected full, diagonal or identity noise")
        flat = as_activity("delta", value, self.channels, self.shape, np.float64).reshape(-1, self.neurons)
        if self.factor.ndim == 1:
            return np.asarray(flat / self.factor)
        return np.asarray(np.linalg.solve(self.factor.astype(np.float64), flat.T).T)

    def __repr__(self) -> str:
        return f"CentralNoise({self.kind}, {self.channels} x {self.shape[0]} x {self.shape[1]}, {self.seen} seen)"


def full(d: npt.ArrayLike, ridge: float = 1e-4, trace: float | None = 2.0, *, centred: bool = False) -> CentralNoise:
    """Full covariance E[d d'] + ridge I by a dense Cholesky factor. O(T n^2 + n^3) time, O(n^2) memory.

    trace : variance per neuron on average after scaling; None keeps the natural scale.
    """
    flat, channels, shape = _flat(d)
    if not ridge >= 0:
        raise ArgumentError(f"ridge={ridge!r}: expected a number >= 0")
    n = flat.shape[1]
    C = np.zeros((n, n))
    for first in range(0, len(flat), 4096):
        part = flat[first : first + 4096]
        C += part.T @ part
    C /= len(flat)
    if centred:
        mean = flat.mean(axis=0, dtype=np.float64)
        C -= np.outer(mean, mean)
    C[np.diag_indices(n)] += ridge
    if trace is not None:
        C *= as_trace(trace) * n / np.trace(C)
    try:
        factor = np.linalg.cholesky(C)
    except np.linalg.LinAlgError:
        raise ArgumentError(
            f"ridge={ridge:g}: the second moment of {len(flat)} displacements of {n} neurons is singular; "
            "expected positive definite; use a larger ridge, such as 1e-4, or more samples"
        ) from None
    return CentralNoise("full", factor.astype(np.float32), channels, shape, len(flat))


def diagonal(d: npt.ArrayLike, ridge: float = 1e-4, trace: float | None = 2.0) -> CentralNoise:
    """Each neuron's own variance, no correlation."""
    flat, channels, shape = _flat(d)
    variance = np.square(flat, dtype=np.float64).mean(axis=0) + ridge
    if not (variance > 0).all():
        raise ArgumentError(f"ridge={ridge:g}: some neuron never moves, so its variance is zero; use ridge=1e-4")
    if trace is not None:
        variance *= as_trace(trace) / variance.mean()
    return CentralNoise("diagonal", np.sqrt(variance).astype(np.float32), channels, shape, len(flat))


def identity(d: npt.ArrayLike, trace: float | None = 2.0) -> CentralNoise:
    """Isotropic noise: every neuron alike, independent. trace=None: the displacements' mean variance."""
    flat, channels, shape = _flat(d)
    variance = float(np.square(flat, dtype=np.float64).mean()) if trace is None else as_trace(trace)
    return CentralNoise("identity", np.full(flat.shape[1], np.sqrt(variance), np.float32), channels, shape, len(flat))


def none(d: npt.ArrayLike) -> CentralNoise:
    """No noise, for the layout of d."""
    flat, channels, shape = _flat(d)
    return CentralNoise("none", None, channels, shape, len(flat))


def dense(grid: Any) -> CentralNoise:
    """The dense counterpart of a grid: the same covariance, one Cholesky factor. An oracle for small grids."""
    from localnoise.gain import factor

    refuse_if_larger("dense(grid)", 3 * 8 * grid.config.neurons**2, 4 * 2**30, "the grid itself")
    L = permute(factor(grid.field), grid.config.channels)
    return CentralNoise("full", np.linalg.cholesky(L @ L.T).astype(np.float32), grid.config.channels, grid.config.shape, 0)


def _flat(d: npt.ArrayLike) -> tuple[Array, int, tuple[int, int]]:
    array = np.asarray(d)
    if array.ndim != 4 or len(array) == 0:
        raise ArgumentError(f"d has shape {array.shape}: expected (T, C, H, W) with at least one displacement")
    channels, shape = array.shape[1], (array.shape[2], array.shape[3])
    return as_activity("d", array, channels, shape, np.float32).reshape(len(array), -1), channels, shape
