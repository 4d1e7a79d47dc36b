"""The closed form of a narrow field: weights that places share, or that carry a few directions of the channels.

This is no local rule. Weights that places share are learned from all of them: their moments are summed over the grid,
as a convolution's gradient is, or the weights are broadcast while they are learned. Directions of the channels and the
factors of a level are pooled likewise. Offsets, scales and gains, and weights that are not shared, need no more than a
unit's own moments.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.field import Floats
from localnoise.narrow import NarrowField
from localnoise.rules.base import refuse_overflow, residual_factor, solved

_HELD = 2**24  # numbers of moments at a time


@dataclass
class _Unit:
    """Second moments of one unit, about its means with signal dependence, less the constant: A, b, power."""

    index: int
    A: Floats
    b: Floats
    power: Floats
    mean: Floats  # of [z; d]


def settle_narrow(field: NarrowField, sums: Callable[[slice], Floats], seen: int, ridge: float) -> None:
    """Write the weights that these moments imply into `field`.

    With A_u, b_u the moments of z_u with itself and with d_u, in the directions that links carry, a class' weights are
    (mean A_u + lambda I)^-1 mean b_u over its units. Directions are leading eigenvectors of the displacements' moment
    summed over all units, and of the activations'. scale_u is the residual's standard deviation, channel by channel,
    and L_l L_l' the mean correlation that is left in the level. Cost O(N p^2 (m + r)) and a pass over the
    moments for each of three steps; the moments are those of `Moments`, not of the size of the field.

    sums : moments' sums of some units, (units, p + m, p + m) float64, p with the constant;  seen : presentations.

    Raises
    ------
    ArgumentError
        The moments overflow, or are singular.
    """
    N, m = field.a.shape
    readers, slots = field.readers.shape[1], field.readers.shape[1] + field.parents.shape[1]
    r, q = len(field.inward), field.carried
    inward: Floats = np.zeros((0, m))
    reading: Floats = np.zeros((0, m))
    Z = np.eye(slots * m)
    if r:
        moved, read = np.zeros((m, m)), np.zeros((m, m))
        for unit in _units(field, sums, seen):
            moved += unit.power
            read += unit.A[:m, :m] if readers else 0
        inward, reading, Z = _leading(moved, r), _leading(read, r), np.zeros((slots * m, slots * r))
        for k in range(slots):
            Z[k * m : k * m + m, k * r : k * r + r] = (reading if k < readers else inward).T
    V = inward if r else np.eye(m)

    count = np.bincount(field.kinds)
    A, b = np.zeros((len(count), slots * q, slots * q)), np.zeros((len(count), slots * q, q))
    for unit in _units(field, sums, seen):
        A[field.kinds[unit.index]] += Z.T @ unit.A @ Z if r else unit.A
        b[field.kinds[unit.index]] += Z.T @ unit.b @ V.T if r else unit.b
    weights = np.stack([_solved(A[c] / n, b[c] / n, ridge, field).T for c, n in enumerate(count)])

    a, scale, of = np.zeros((N, m)), np.zeros((N, m)), np.bincount(field.levels)
    correlation = np.zeros((len(of), m, m))
    for unit in _units(field, sums, seen):
        u, level = unit.index, field.levels[unit.index]
        W = V.T @ weights[field.kinds[u]] @ Z.T if r else weights[field.kinds[u]]
        residual = _residual(unit, W, ridge)
        variance = np.diagonal(residual)
        if (variance <= 0).any():
            raise ArgumentError(
                f"ridge={ridge:g}: a channel of unit {u} (in row order) moves exactly as its neighbors say, or not at "
                f"all; expected a positive residual; use ridge={max(1e-4, 10 * ridge):g} or more samples"
            )
        scale[u] = np.sqrt(variance)
        correlation[level] += residual / np.outer(scale[u], scale[u]) / of[level]
        if field.signal:
            a[u] = unit.mean[slots * m :] - W @ unit.mean[: slots * m]
    L = residual_factor(correlation, np.ones((len(of), m)), 0.0, field.a.dtype)
    cut = readers * q
    field.take(
        a=a, scale=scale, L=L, inward=inward, reading=reading, past=weights[:, :, cut:], read=weights[:, :, :cut]
    )


def _units(field: NarrowField, sums: Callable[[slice], Floats], seen: int) -> Iterator[_Unit]:
    m = field.channels
    p = (field.readers.shape[1] + field.parents.shape[1]) * m
    step = max(1, _HELD // (p + m + 1) ** 2)
    for first in range(0, len(field.a), step):
        every = sums(slice(first, first + step)) / seen
        refuse_overflow(every, field.a.dtype)
        for index, M in enumerate(every, first):
            mean = np.zeros(p + m)
            if field.signal:
                mean = M[0, 1:]
                M = M[1:, 1:] - np.outer(mean, mean)
            yield _Unit(index, M[:p, :p], M[:p, p:], M[p:, p:], mean)


def _leading(moment: Floats, rank: int) -> Floats:
    """Return the leading eigenvectors as rows, (rank, m), each with its largest entry positive."""
    vectors = np.linalg.eigh(moment)[1][:, ::-1][:, :rank].T
    largest = np.abs(vectors).argmax(axis=1)
    return np.asarray(vectors * np.sign(vectors[np.arange(rank), largest])[:, None])


def _residual(unit: _Unit, W: Floats, ridge: float) -> Floats:
    """Return what W leaves of the second moment + ridge I, as in `Moments`."""
    Wb = W @ unit.b
    return np.asarray(unit.power - Wb - Wb.T + W @ unit.A @ W.T + ridge * (np.eye(len(W)) + W @ W.T))


def _solved(A: Floats, b: Floats, ridge: float, field: NarrowField) -> Floats:
    """Solve with a ridge; what never moves gets weight zero."""
    penalty = ridge + (np.diagonal(A) + ridge == 0)
    return np.asarray(solved((A + np.diag(penalty))[None], b[None], ridge, field.a.dtype)[0])
