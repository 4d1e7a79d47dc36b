"""Any noise, louder or quieter: its mean variance per neuron, and the same noise at another one."""

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np

from localnoise.bank import Bank
from localnoise.central import AffineNoise, CentralNoise
from localnoise.errors import ArgumentError
from localnoise.grid import UnitGrid
from localnoise.validate import as_variance


def mean_variance(noise: Any) -> float:
    """Return the variance per neuron of a noise given the activation; of a bank that of all its presentations."""
    if isinstance(noise, Bank):
        each = np.array([mean_variance(member) for member in noise.members])
        return float((1 - noise.clean) * (np.asarray(noise.shares) @ each))
    if isinstance(noise, AffineNoise):
        return mean_variance(noise.residual)
    if isinstance(noise, CentralNoise):
        if noise.factor is None:
            return 0.0
        return float(np.square(noise.factor, dtype=np.float64).sum() / noise.neurons)
    if isinstance(noise, UnitGrid):
        return float(noise.variance().mean())
    raise ArgumentError(f"noise is {type(noise).__name__}: expected a grid, a central noise or a Bank of them")


def with_variance(noise: Any, variance: float, own: float | None = None) -> Any:
    """Return a noise scaled as a whole, its mean included, to a variance per neuron; the noise itself is unchanged.

    Parameters
    ----------
    own : float or None
        Its variance now, where that is known: a grid's costs O(n^2 m K).

    Raises
    ------
    ArgumentError
        It has no variance to scale.
    """
    now = mean_variance(noise) if own is None else own
    if not now > 0:
        raise ArgumentError(f"noise={noise!r} has no variance: expected noise that draws something")
    return _louder(noise, float(np.sqrt(as_variance(variance) / now)))


def _louder(noise: Any, factor: float) -> Any:
    if isinstance(noise, Bank):
        bank = Bank([_louder(member, factor) for member in noise.members], noise.clean, _list(noise.shares))
        bank.provenance = dict(noise.provenance)
        return bank
    if isinstance(noise, AffineNoise):
        affine = AffineNoise(
            (noise.a * factor).astype(np.float32),
            (noise.G * factor).astype(np.float32),
            _louder(noise.residual, factor),
        )
        affine.provenance = dict(noise.provenance)
        return affine
    if isinstance(noise, CentralNoise):
        scaled = None if noise.factor is None else noise.factor * factor
        central = CentralNoise(noise.kind, scaled, noise.channels, noise.shape, noise.seen)
        central.provenance = dict(noise.provenance)
        return central
    grid: UnitGrid = copy(noise)
    grid.field = noise.field.with_gain(
        noise.field.gain.astype(np.float64) * factor, f"variance scaled by {factor**2:g}"
    )
    return grid


def _list(shares: Any) -> Sequence[float]:
    return [float(share) for share in shares]
