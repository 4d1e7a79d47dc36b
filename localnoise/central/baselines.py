"""The paper's covariances: full, diagonal, identity, none, and mixtures of full and identity.

Sigma is the second moment about zero, E[d d'] (+ ridge I), scaled to trace(Sigma) = v n, v the variance
(Preble et al. 2026, arXiv 2606.13801, Methods); `centred=True` subtracts the mean displacement first. d is (T, C, H, W)
everywhere.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.cautions import warn_of_ridge, warn_of_singular
from localnoise.central.moments import MAX_BYTES, as_moderate, factored, flattened, power, refuse_dense, second_moment
from localnoise.central.noise import CentralNoise
from localnoise.dense import permute, refuse_if_larger
from localnoise.errors import ArgumentError
from localnoise.renamed import renamed
from localnoise.validate import check_positive


@renamed(trace="variance")
def full(
    d: npt.ArrayLike,
    ridge: float = 1e-4,
    variance: float | None = 2.0,
    *,
    centred: bool = False,
    max_bytes: int = MAX_BYTES,
) -> CentralNoise:
    """Full covariance E[d d'] + ridge I by a dense Cholesky factor. O(T n^2 + n^3) time, 24 n^2 bytes of memory.

    Parameters
    ----------
    d : (T, C, H, W)
        Displacements, in activation units; n = C H W neurons.
    ridge : float
        Added to every variance, in squared activation units; >= 0.
    variance : float or None
        Variance per neuron on average after scaling, trace(Sigma) / n; None keeps the natural scale.
    centred : bool
        Whether the mean displacement is subtracted first.
    max_bytes : int
        That the matrices may take.

    Returns
    -------
    CentralNoise
        Of kind "full".

    Raises
    ------
    ArgumentError
        A wrong shape, ridge or variance, or a singular second moment.
    TooLargeError
        It would take more than `max_bytes`; the message says how much.

    Warns
    -----
    FewDisplacementsWarning
        There are fewer displacements than neurons.
    """
    flat, channels, shape = flattened(d)
    refuse_dense("full(d)", flat.shape[1], 3, max_bytes)
    warn_of_singular(*flat.shape, stacklevel=4)
    return factored("full", second_moment(flat, ridge, variance, centred=centred), ridge, channels, shape, len(flat))


@renamed(trace="variance")
def mix(
    d: npt.ArrayLike,
    alpha: float,
    beta: float,
    ridge: float = 1e-4,
    variance: float | None = 2.0,
    *,
    max_bytes: int = MAX_BYTES,
) -> CentralNoise:
    """Sigma = alpha Sigma_full + beta v I: structured and isotropic noise together (the paper's alpha-beta mixtures).

    Both terms are scaled alike before they are weighed: Sigma_full as `full` gives it, and v = trace(Sigma_full) / n,
    that is `variance`, or the displacements' own mean where it is None. So trace(Sigma) = (alpha + beta) v n,
    and weights that sum to 1 keep the variance. Cost and memory as `full`.

    Parameters
    ----------
    d : (T, C, H, W)
        Displacements, in activation units; n = C H W neurons.
    alpha, beta : float
        Weights >= 0 of the full and of the isotropic term, not both zero.
    ridge, variance, max_bytes
        As in `full`.

    Returns
    -------
    CentralNoise
        Of kind "mix".

    Raises
    ------
    ArgumentError, TooLargeError
        As `full`; or a weight that is negative, or both zero.
    """
    for name, weight in (("alpha", alpha), ("beta", beta)):
        check_positive(name, weight, zero=True, what=", a weight")
    if alpha == beta == 0:
        raise ArgumentError("alpha=0 and beta=0: expected at least one weight > 0; use none(d) for no noise")
    flat, channels, shape = flattened(d)
    n = flat.shape[1]
    refuse_dense("mix(d)", n, 3, max_bytes)
    warn_of_singular(*flat.shape, stacklevel=4)
    C = second_moment(flat, ridge, variance)
    isotropic = beta * np.trace(C) / n
    C *= alpha
    C[np.diag_indices(n)] += isotropic
    return factored("mix", C, ridge, channels, shape, len(flat), regular=beta > 0)


@renamed(trace="variance")
def diagonal(d: npt.ArrayLike, ridge: float = 1e-4, variance: float | None = 2.0) -> CentralNoise:
    """Each neuron's own variance, E[d_i^2] + ridge, and no correlation. O(T n) time.

    Parameters
    ----------
    d : (T, C, H, W)
        Displacements, in activation units.
    ridge, variance
        As in `full`.

    Returns
    -------
    CentralNoise
        Of kind "diagonal".

    Raises
    ------
    ArgumentError
        A wrong shape, ridge or variance; or some neuron never moves, and the ridge is 0.
    """
    flat, channels, shape = flattened(d)
    check_positive("ridge", ridge, zero=True)
    each = power(flat)
    warn_of_ridge(float(each.mean()), ridge, stacklevel=4)
    each += ridge
    if not (each > 0).all():
        raise ArgumentError(
            f"ridge={ridge:g}: some neuron never moves, so its variance is zero; expected a ridge > 0; use ridge=1e-4"
        )
    if variance is not None:
        each *= as_moderate(variance) / each.mean()
    return CentralNoise("diagonal", np.sqrt(each), channels, shape, len(flat))


@renamed(trace="variance")
def identity(d: npt.ArrayLike, variance: float | None = 2.0) -> CentralNoise:
    """Isotropic noise: every neuron alike, independent.

    Parameters
    ----------
    d : (T, C, H, W)
        Displacements: their layout, and their mean variance where `variance` is None.
    variance : float or None
        Of every neuron; None: the displacements' mean E[d_i^2].

    Returns
    -------
    CentralNoise
        Of kind "identity".

    Raises
    ------
    ArgumentError
        A wrong shape or variance; or None, where nothing in d moves.
    """
    flat, channels, shape = flattened(d)
    variance = float(power(flat).mean()) if variance is None else as_moderate(variance)
    if not variance > 0:
        raise ArgumentError(
            "variance=None: nothing in d moves, so its variance is zero; expected a variance > 0, or use none(d)"
        )
    return CentralNoise("identity", np.full(flat.shape[1], np.sqrt(variance)), channels, shape, len(flat))


def none(d: npt.ArrayLike) -> CentralNoise:
    """No noise, for the layout of d.

    Parameters
    ----------
    d : (T, C, H, W)
        Displacements, of which only the layout counts.

    Returns
    -------
    CentralNoise
        Of kind "none": its draws are 0.
    """
    flat, channels, shape = flattened(d)
    return CentralNoise("none", None, channels, shape, len(flat))


def dense(grid: Any) -> CentralNoise:
    """The dense counterpart of a grid: the same covariance, one Cholesky factor. For small grids: O(n^3) time.

    Parameters
    ----------
    grid : UnitGrid
        Its noise less the mean.

    Returns
    -------
    CentralNoise
        Of kind "full".

    Raises
    ------
    TooLargeError
        It would take more than 4 GiB; the message says how much.
    """
    from localnoise.gain import factor

    refuse_if_larger("dense(grid)", 3 * 8 * grid.config.neurons**2, MAX_BYTES, "the grid itself")
    L = permute(factor(grid.field), grid.config.channels)
    lower = np.linalg.cholesky(L @ L.T)
    return CentralNoise("full", lower, grid.config.channels, grid.config.shape, 0)
