"""Common parts of the dense baselines: the displacements' second moment, its scale, its Cholesky factor."""

import numpy as np
import numpy.typing as npt

from localnoise.cautions import warn_of_ridge
from localnoise.central.noise import CentralNoise
from localnoise.dense import refuse_if_larger, tolerance
from localnoise.errors import ArgumentError
from localnoise.validate import Array, as_activity, as_array, as_variance, check_positive

Matrix = npt.NDArray[np.float64]

MAX_BYTES = 4 * 2**30
_ROUNDING = 2.0**-24  # of float32
CHUNK = 4096  # presentations whose products are summed in float32 before they join the float64 total


def flattened(d: npt.ArrayLike, argument: str = "d") -> tuple[Array, int, tuple[int, int]]:
    """Displacements as (T, n) float32, and (C, (H, W)). No copy where they are float32 and contiguous already."""
    array = as_array(argument, d)
    if array.ndim != 4 or len(array) == 0:
        raise ArgumentError(f"{argument} has shape {array.shape}: expected (T, C, H, W) with at least one displacement")
    channels, shape = array.shape[1], (array.shape[2], array.shape[3])
    return as_activity(argument, array, channels, shape, np.float32).reshape(len(array), -1), channels, shape


def refuse_dense(what: str, neurons: int, matrices: int, max_bytes: int) -> None:
    """Raise a TooLargeError if `matrices` float64 matrices of all pairs of neurons exceed `max_bytes`."""
    refuse_if_larger(what, matrices * 8 * neurons**2, max_bytes, "diagonal(d) or a UnitGrid")


def second_moment(flat: Array, ridge: float, variance: float | None, *, centred: bool = False) -> Matrix:
    """E[d d'] + ridge I (less the mean's outer product if `centred`), scaled to trace `variance` n; (n, n). O(T n^2).

    Products are float32, summed in float64; float64 where rounding could outweigh the ridge, which keeps C definite.

    Raises
    ------
    ArgumentError
        A ridge or variance that is none, or displacements whose squares overflow.
    """
    check_positive("ridge", ridge, zero=True)
    n = flat.shape[1]
    C = np.zeros((n, n))
    exact = power(flat).sum() * _ROUNDING > ridge  # what float32 leaves of the products, beside the ridge
    for first in range(0, len(flat), CHUNK):
        part = flat[first : first + CHUNK]
        part = part.astype(np.float64) if exact else part
        with np.errstate(over="ignore", invalid="ignore"):
            C += part.T @ part
    C /= len(flat)
    if centred:
        mean = flat.mean(axis=0, dtype=np.float64)
        C -= np.outer(mean, mean)
    warn_of_ridge(float(np.trace(C) / n), ridge, stacklevel=5)
    C[np.diag_indices(n)] += ridge
    total = np.trace(C)
    refuse_overflow(total)
    if variance is not None:
        C *= as_moderate(variance) * n / (total or 1.0)
    return C


def larger(ridge: float) -> float:
    """Return a ridge to try next."""
    return max(1e-4, 10 * ridge)


def as_moderate(variance: float) -> float:
    """Return a variance per neuron; raise an ArgumentError where float32 does not hold such noise."""
    variance, range32 = as_variance(variance), np.finfo(np.float32)
    if not range32.tiny <= np.sqrt(variance) <= range32.max:
        raise ArgumentError(f"variance={variance!r}: expected noise within the range of float32")
    return variance


def power(flat: Array) -> npt.NDArray[np.float64]:
    """Each neuron's second moment, (n,): summed in float64, presentation by presentation, a chunk in memory."""
    total = np.zeros(flat.shape[1])
    for first in range(0, len(flat), CHUNK):
        squares = np.square(flat[first : first + CHUNK], dtype=np.float64)
        squares[0] += total
        total = squares.sum(axis=0)
    return np.asarray(total / len(flat))


def refuse_overflow(total: float) -> None:
    """Raise an ArgumentError if a sum of squares has left the range of float32."""
    if not total <= np.finfo(np.float32).max:
        raise ArgumentError("d: its squares overflow float32: expected displacements below 2e+19; rescale them")


def factored(
    kind: str, C: Matrix, ridge: float, channels: int, shape: tuple[int, int], seen: int, *, regular: bool = False
) -> CentralNoise:
    """Noise of covariance C by its Cholesky factor, O(n^3). `regular`: C is positive definite even without a ridge.

    Raises
    ------
    ArgumentError
        C is singular, within the rounding of float32 where neither the ridge nor `regular` says otherwise.
    """
    try:
        factor = np.linalg.cholesky(C)
        if ridge == 0 and not regular and (np.diagonal(factor) ** 2 <= tolerance(np.float32) * np.diagonal(C)).any():
            raise np.linalg.LinAlgError
    except np.linalg.LinAlgError:
        raise ArgumentError(
            f"ridge={ridge:g}: the second moment of {seen} displacements of {len(C)} neurons is singular; "
            f"expected positive definite; use a larger ridge, such as {larger(ridge):g}, or more samples"
        ) from None
    return CentralNoise(kind, factor, channels, shape, seen)
