"""Gains: how loud the field is. Global as in the paper, or homeostatic, unit by unit."""

import numpy as np

from localnoise.field import Field, Floats
from localnoise.narrow import NarrowField

EXACT_NEURONS = 4096
_PROBES = 4096


def marginal_variance(field: Field) -> Floats:
    """Variance of every neuron's noise, (N, m) float64, unit-major.

    Exact (a sweep of each column of the factor, O(n^2 m K)) up to 4,096 neurons; beyond, the mean square of 4,096
    draws of a fixed seed, relative standard error 2.2 %.
    """
    from localnoise.drawing import sweep

    units, m = field.a.shape
    if units * m <= EXACT_NEURONS:
        return np.asarray(np.square(factor(field)).sum(axis=1).reshape(units, m))
    total = np.zeros((m, units))
    chunk = 64
    for start in range(0, _PROBES, chunk):
        eta = np.empty((chunk, m, units), field.gain.dtype)
        positions = np.arange(start, start + chunk, dtype=np.uint64)
        if isinstance(field, NarrowField):
            field.draw(eta, eta, field.a, np.uint64(0), positions, False, True, 32)
        else:
            sweep(eta, None, field, field.a, np.uint64(0), positions, white=True)
        total += np.square(eta, dtype=np.float64).sum(axis=0)
    return np.asarray(total.T / _PROBES)


def factor(field: Field) -> Floats:
    """Dense L = diag(gain) (I - B)^-1 S in float64, (n, n), unit-major: Sigma = L L'."""
    from localnoise.kernels.sweep import factor_columns

    plain = field.widened() if isinstance(field, NarrowField) else field
    double, wires = plain.astype(np.float64), field.wires
    n = double.a.size
    L = np.empty((n, n))
    factor_columns(L, wires.order, wires.parents, double.a, double.G, double.B, double.S, double.gain, 64)
    return L


def normalised(field: Field, variance: float, scope: str) -> Field:
    """Return the field with the gain at which its noise has variance `variance` per neuron on average.

    global : trace(Sigma) = variance n, one gain for all units: a sum over the grid, hence central (the paper's form).
    local : trace(Sigma_uu) = variance m for each unit, from its own variance alone: homeostatic.
    """
    own = marginal_variance(field).mean(axis=1)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        louder = np.sqrt(variance / (own.mean() if scope == "global" else own))
        return field.with_gain(field.gain * louder, f"variance={variance:g}")
