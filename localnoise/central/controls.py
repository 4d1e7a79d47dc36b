"""Controls: noise that shares part of the full covariance's law and nothing of its structure.

A defense that owes its robustness to *which* neurons move together must beat both at the same variance; one that owes
it to the variances or to the spectrum alone does not.
"""

import numpy as np
import numpy.typing as npt

from localnoise.central.moments import MAX_BYTES, factored, flattened, refuse_dense, second_moment
from localnoise.central.noise import CentralNoise
from localnoise.renamed import renamed
from localnoise.validate import as_seed


@renamed(trace="variance")
def shuffled(
    d: npt.ArrayLike, seed: int = 0, ridge: float = 1e-4, variance: float | None = 2.0, *, max_bytes: int = MAX_BYTES
) -> CentralNoise:
    """Sigma = P Sigma_full P', P a uniform permutation of all n neurons, over channels and places alike.

    Same eigenvalues, same variances, same correlations, but between other neurons. O(T n^2 + n^3) time, 24 n^2 bytes.

    Parameters
    ----------
    d : (T, C, H, W)
        Displacements, in activation units; n = C H W neurons.
    seed : int
        Of the permutation.
    ridge, variance, max_bytes
        As in `full`.

    Returns
    -------
    CentralNoise
        Of kind "shuffled".

    Raises
    ------
    ArgumentError, TooLargeError
        As `full`; or no seed.
    """
    flat, channels, shape = flattened(d)
    n = flat.shape[1]
    refuse_dense("shuffled(d)", n, 3, max_bytes)
    neuron = np.random.default_rng(int(as_seed(seed))).permutation(n)
    C = second_moment(flat, ridge, variance)[np.ix_(neuron, neuron)]
    return factored("shuffled", C, ridge, channels, shape, len(flat))


@renamed(trace="variance")
def spectrum_matched(
    d: npt.ArrayLike, seed: int = 0, ridge: float = 1e-4, variance: float | None = 2.0, *, max_bytes: int = MAX_BYTES
) -> CentralNoise:
    """Sigma = Q diag(eigenvalues of Sigma_full) Q', Q a random orthogonal matrix of the Haar measure.

    Same eigenvalues, uniformly random eigenvectors: the variances are spread evenly over the neurons as well, so that
    Sigma averages (trace(Sigma_full) / n) I over the seeds. O(T n^2 + n^3) time, 48 n^2 bytes.

    Q comes from the QR factors of a matrix of independent normals. The signs that make it exactly Haar (Mezzadri 2007,
    arXiv math-ph/0609050, section 5) cancel in Sigma and are left out.

    Parameters
    ----------
    d : (T, C, H, W)
        Displacements, in activation units; n = C H W neurons.
    seed : int
        Of Q.
    ridge, variance, max_bytes
        As in `full`.

    Returns
    -------
    CentralNoise
        Of kind "spectrum-matched".

    Raises
    ------
    ArgumentError, TooLargeError
        As `full`; or no seed.
    """
    flat, channels, shape = flattened(d)
    n = flat.shape[1]
    refuse_dense("spectrum_matched(d)", n, 6, max_bytes)
    eigenvalues = np.linalg.eigvalsh(second_moment(flat, ridge, variance))
    Q = np.linalg.qr(np.random.default_rng(int(as_seed(seed))).standard_normal((n, n)))[0]
    return factored("spectrum-matched", (Q * eigenvalues) @ Q.T, ridge, channels, shape, len(flat))
