"""Bends: what a unit reads beside the activation, so that its way back need not be affine.

    b_u = |h'_u - c_u|,   c the mean of the first displaced activations that were learned, `Member.centre`

A weight of h and one of b together have one slope below the mean and another one above it: a map that bends once in
each neuron that is read. It is learned as any other, by least squares over [1; h'_R(u); b_S(u)], so that nothing but
the number of regressors changes. Cost of a way back: O(n m (R + S)) for S units within the radius of the bends.
"""

import numpy as np

from localnoise.grid import UnitGrid
from localnoise.validate import Array


def what_is_read(back: UnitGrid, h: Array, centre: Array) -> Array:
    """Return what a way back reads of activations: `h` itself, or with its bends, one after the other.

    Parameters
    ----------
    back : UnitGrid
        The way back.
    h : (T, C, H, W)
        Activations.
    centre : (C, H, W)
        Where they bend.

    Returns
    -------
    ndarray of the dtype of h
        (T, C, H, W), or (T, C, 2H, W).
    """
    return h if back.config.second_radius is None else np.concatenate([h, np.abs(h - centre)], axis=2)
