"""The signal-dependent field's central counterpart, by ridge least squares of the displacement on the activation."""

import numpy as np
import numpy.typing as npt

from localnoise.cautions import warn_of_ridge
from localnoise.central.conditional import AffineNoise
from localnoise.central.moments import (
    MAX_BYTES,
    Matrix,
    as_moderate,
    factored,
    flattened,
    larger,
    refuse_dense,
    refuse_overflow,
)
from localnoise.dense import tolerance
from localnoise.errors import ArgumentError
from localnoise.renamed import renamed
from localnoise.validate import Array, check_positive

_SUM = 1024  # presentations whose products are summed in float32, as the local rule sums them


@renamed(trace="variance")
def affine(
    d: npt.ArrayLike,
    h: npt.ArrayLike,
    ridge: float = 1e-4,
    variance: float | None = None,
    *,
    signal_ridge: float | None = None,
    max_bytes: int = MAX_BYTES,
) -> AffineNoise:
    """d = a + G h + e with e ~ N(0, Sigma): G = C_dh (C_hh + r I)^-1, a = E d - G E h, C the centred moments.

    Sigma = C_dd + ridge I - G C_hd, the residual's full covariance. With r = ridge this is the conditional Gaussian of
    (d, h) whose covariance is C + ridge I: the field that `Moments` learns at the same ridge when every unit reads all
    activations and all units before it are its parents. Local and central then differ in locality alone.

    Where C_hh has no full rank (T <= n, or neurons that never move) r decides: directions in which h does not vary get
    no weight. With few presentations a map of n regressors fits their chance too: at r = 0, Sigma comes out too small
    by the factor 1 - n / T. So give T >> n, or choose a larger r (`signal_ridge`) on presentations held out; it
    shrinks the map, and lets Sigma grow by what the map no longer explains, without more white noise.

    Time O(T n^2 + n^3), memory 56 n^2 bytes (0.5 GiB for 3,136 neurons) and no float64 copy of the data.

    Parameters
    ----------
    d, h : (T, C, H, W)
        Displacements, and the activations that were displaced, in activation units.
    ridge : float
        Added to the variance of every displacement, in squared activation units; also r, unless that is given.
    signal_ridge : float or None
        r, added to the variance of every activation. None: `ridge`.
    variance : float or None
        None keeps the natural scale; else mean and noise are scaled together, so that the noise has variance `variance`
        per neuron on average, as `UnitGrid.normalise` does.
    max_bytes : int
        That the matrices may take.

    Returns
    -------
    AffineNoise
        The map a + G h, and the residual's covariance.

    Raises
    ------
    ArgumentError
        Wrong shapes, unequal lengths, NaN, a ridge < 0, a variance not > 0, or singular moments without a ridge.
    TooLargeError
        It would take more than `max_bytes`; the message says how much.
    """
    moved, channels, shape = flattened(d)
    signal, *layout = flattened(h, "h")
    if (channels, shape) != tuple(layout) or len(moved) != len(signal):
        raise ArgumentError(f"h has shape {np.shape(h)}, d has {np.shape(d)}: expected the same shape")
    shrink = ridge if signal_ridge is None else signal_ridge
    check_positive("ridge", ridge, zero=True)
    check_positive("signal_ridge", shrink, zero=True)
    scale = None if variance is None else as_moderate(variance)
    n = moved.shape[1]
    refuse_dense("affine(d, h)", n, 7, max_bytes)
    mean_d, mean_h = (x.mean(axis=0, dtype=np.float64) for x in (moved, signal))
    A, C_hd, Sigma = _moments(moved, signal, mean_d, mean_h)
    refuse_overflow(np.trace(A) + np.trace(Sigma))
    A[np.diag_indices(n)] += shrink
    warn_of_ridge(float(np.trace(Sigma) / n), ridge, stacklevel=4)
    G = _solved(A, C_hd, shrink, len(moved)).T
    Sigma -= G @ C_hd
    Sigma = (Sigma + Sigma.T) / 2
    Sigma[np.diag_indices(n)] += ridge
    a = mean_d - G @ mean_h
    if scale is not None:
        louder = scale * n / np.trace(Sigma)
        Sigma *= louder
        a, G = np.sqrt(louder) * a, np.sqrt(louder) * G
    residual = factored("full", Sigma, ridge, channels, shape, len(moved))
    with np.errstate(over="ignore", under="ignore"):
        return AffineNoise(a.astype(np.float32), np.ascontiguousarray(G, np.float32), residual)


def _moments(d: Array, h: Array, mean_d: Array, mean_h: Array) -> tuple[Matrix, Matrix, Matrix]:
    """Centred moments C_hh, C_hd, C_dd, each (n, n) float64."""
    n = d.shape[1]
    C_hh, C_hd, C_dd = (np.zeros((n, n)) for _ in range(3))
    origin_d, origin_h = mean_d.astype(np.float32), mean_h.astype(np.float32)
    for first in range(0, len(d), _SUM):
        with np.errstate(over="ignore", invalid="ignore"):
            x, y = h[first : first + _SUM] - origin_h, d[first : first + _SUM] - origin_d
            C_hh += x.T @ x
            C_hd += x.T @ y
            C_dd += y.T @ y
    for C in (C_hh, C_hd, C_dd):
        C /= len(d)
    return C_hh, C_hd, C_dd


def _solved(A: Matrix, b: Matrix, ridge: float, seen: int) -> Matrix:
    """A^-1 b, A positive definite."""
    try:
        if ridge == 0:
            pivots = np.diagonal(np.linalg.cholesky(A)) ** 2
            if (pivots <= tolerance(np.float32) * np.diagonal(A)).any():
                raise np.linalg.LinAlgError
        return np.asarray(np.linalg.solve(A, b))
    except np.linalg.LinAlgError:
        raise ArgumentError(
            f"signal_ridge={ridge:g}: the second moment of {seen} activations of {len(A)} neurons is singular; "
            f"expected positive definite; use a larger ridge, such as {larger(ridge):g}, or more samples"
        ) from None
