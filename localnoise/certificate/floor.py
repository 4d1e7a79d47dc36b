"""Noise for certificates: displacements' covariance with a floor, as a local field, and how much it covers.

Noise like the displacements certifies none of them: a typical one lies sqrt(n) standard deviations out, and no
certificate reaches beyond 4. With a floor,

    Sigma = scale^2 (Sigma_d + floor I),    |d|^2 = sum_k (v_k' d)^2 / (scale^2 (lambda_k + floor)),

directions in which nothing much moves cost |d| next to nothing, and those that move are covered by the scale.
"""

import math
from typing import Any

import numpy as np

from localnoise.cautions import warn_of_few
from localnoise.central import CentralNoise
from localnoise.errors import ArgumentError
from localnoise.grid import UnitGrid
from localnoise.lesson import learn
from localnoise.rules import Moments
from localnoise.rules.base import begun
from localnoise.scoring import log_scale
from localnoise.streams import presentations
from localnoise.validate import as_presentations, check_positive

_CHUNK = 1024


def with_floor(d: Any, *, scale: float, floor: float, parents: int = 8, **options: Any) -> UnitGrid:
    """Return a local field of covariance scale^2 (E d d' + floor I), the KL-nearest one with these parents.

    The floor is a ridge: added to the diagonal of every unit's own moments, before anything is solved, it is white
    noise added to the displacements, to the last term. Every unit does so on its own. No mean is taken out of d: where
    displacements have one, it is a direction like any other.

    Parameters
    ----------
    d : (T, C, H, W)
        Displacements.
    scale : float
        Times the displacements' own size.
    floor : float
        Variance per neuron of the white part, before `scale`.
    parents, options
        Of the grid, as `UnitGrid` takes them.

    Returns
    -------
    UnitGrid
        Learned, its gain `scale` in every unit.

    Raises
    ------
    ArgumentError
        Displacements of another shape; scale or floor not > 0; signal dependence.
    """
    check_positive("scale", scale)
    check_positive("floor", floor)
    if options.get("signal", "none") != "none":
        raise ArgumentError(
            f"signal={options['signal']!r}: expected 'none', since a certificate's covariance must not depend on the "
            "activation; leave it out"
        )
    array = d if hasattr(d, "shape") else np.asarray(d)
    if len(array.shape) != 4:
        raise ArgumentError(f"d has shape {tuple(array.shape)}: expected displacements (T, C, H, W)")
    channels, shape = int(array.shape[1]), (int(array.shape[2]), int(array.shape[3]))
    given = as_presentations("d", d, channels, shape)
    grid = UnitGrid(shape, channels, parents=parents, **options)
    chunks = presentations(given, None, channels, shape, grid.config.dtype, signal=False, size=_CHUNK)
    rule = Moments(ridge=float(floor))  # not grid.learn, which warns of a ridge that is a good part of the noise
    field = learn(grid.field, rule, begun(rule, grid.field), chunks).field
    warn_of_few(field, len(given), stacklevel=2)
    grid.field = field.with_gain(np.full(grid.config.units, float(scale)), f"scale={scale!r}")
    grid.provenance |= {"scale": float(scale), "floor": float(floor)}
    return grid


def log_volume(noise: Any, radius: float) -> float:
    """Return the log volume, per neuron, of the ellipsoid delta' Sigma^-1 delta < radius^2; less the unit ball's.

    Its exponential is the radius of a ball as large (ANCER, Eiras et al. 2022, arXiv 2107.04570): for isotropic noise
    of deviation s it is s radius.

    Parameters
    ----------
    noise : UnitGrid or CentralNoise
        Of full rank.
    radius : float
        In the Sigma^-1 norm; >= 0.

    Returns
    -------
    float
        Natural logarithm, of activation units; -inf at radius 0.

    Raises
    ------
    ArgumentError
        Noise without such an ellipsoid: none, a bank, one whose covariance depends on the activation.
    """
    check_positive("radius", radius, zero=True)
    if radius == 0:
        return -math.inf
    if isinstance(noise, UnitGrid):
        return math.log(radius) + log_scale(noise.field) / noise.config.neurons
    if not isinstance(noise, CentralNoise) or noise.factor is None:
        raise ArgumentError(f"noise is {noise!r}: expected a UnitGrid or CentralNoise of full rank")
    factor = np.asarray(noise.factor, np.float64)
    diagonal = factor if factor.ndim == 1 else np.diagonal(factor)
    return math.log(radius) + float(np.log(diagonal).mean())
