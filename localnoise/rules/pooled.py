"""The closed form of a narrow field: maps that places share, then what each unit adds in a few directions.

This is no local rule. A map that places share is learned from all of them: their moments are summed over the grid, as a
convolution's gradient is, or the map is broadcast while it is learned. Directions of the channels are pooled likewise.
Own weights, offsets, scales and gains need no more than a unit's own moments.
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

    With A_u, b_u the moments of z_u with itself and with d_u, a class' map is (mean A_u + lambda I)^-1 mean b_u over
    its units. Directions are leading eigenvectors: `inward` of the displacements' moment summed over all units,
    `reading` of the activations', `outward` of what the shared map leaves. A unit's own weights are the least squares
    of what the map leaves, in these directions. scale_u is the residual's standard deviation, channel by channel, and
    L_c L_c' the mean correlation that is left in the class. Cost O(N p^2 (m + r)) beside one pass over the moments for
    each of three steps; the moments are those of `Moments`, not of the size of the field.

    sums : moments' sums of some units, (units, p + m, p + m) float64, p with the constant;  seen : presentations.

    Raises
    ------
    ArgumentError
        The moments overflow, or are singular.
    """
    N, m = field.a.shape
    readers, slots = field.readers.shape[1], field.readers.shape[1] + field.parents.shape[1]
    classes, p, r = len(field.L), slots * m, len(field.inward)
    count = np.bincount(field.kinds, minlength=classes)
    shared = len(field.common_past) > 0

    A, b = np.zeros((classes if shared else 0, p, p)), np.zeros((classes if shared else 0, p, m))
    moved, read = np.zeros((m, m)), np.zeros((m, m))
    for unit in _units(field, sums, seen):
        moved += unit.power
        read += unit.A[:m, :m] if readers else 0
        if shared:
            A[field.kinds[unit.index]] += unit.A
            b[field.kinds[unit.index]] += unit.b
    maps = np.zeros((len(A), m, p))
    for c in range(len(maps)):
        maps[c] = _solved(A[c] / count[c], b[c] / count[c], ridge, field).T

    inward, reading = _leading(moved, r), _leading(read, r)
    outward = inward
    if shared and r:
        left = np.zeros((m, m))
        for unit in _units(field, sums, seen):
            left += _residual(unit, maps[field.kinds[unit.index]])
        outward = _leading(left, r)

    Z = np.zeros((p, slots * r))
    for k in range(slots):
        Z[k * m : k * m + m, k * r : k * r + r] = (reading if k < readers else inward).T
    local, a, scale = np.zeros((N, r, slots * r)), np.zeros((N, m)), np.zeros((N, m))
    correlation = np.zeros((classes, m, m))
    for unit in _units(field, sums, seen):
        u, c = unit.index, field.kinds[unit.index]
        W = maps[c] if shared else np.zeros((m, p))
        if r:
            open_ = (unit.b - unit.A @ W.T) @ outward.T
            local[u] = _solved(Z.T @ unit.A @ Z, Z.T @ open_, ridge, field).T
            W = W + outward.T @ local[u] @ Z.T
        residual = _residual(unit, W) + ridge * np.eye(m)
        variance = np.diagonal(residual)
        if (variance <= 0).any():
            raise ArgumentError(
                f"ridge={ridge:g}: a channel of unit {u} (in row order) moves exactly as its neighbours say, or not at "
                f"all; expected a positive residual; use ridge={max(1e-4, 10 * ridge):g} or more samples"
            )
        scale[u] = np.sqrt(variance)
        correlation[c] += residual / np.outer(scale[u], scale[u]) / count[c]
        if field.signal:
            a[u] = unit.mean[p:] - W @ unit.mean[:p]
    L = residual_factor(correlation, np.ones((classes, m)), 0.0, field.a.dtype)
    R, r0 = readers * m, readers * r
    field.take(
        a=a, scale=scale, L=L, common_read=maps[:, :, :R], common_past=maps[:, :, R:], inward=inward, reading=reading,
        outward=outward.T, own_read=local[:, :, :r0], own_past=local[:, :, r0:],
    )  # fmt: skip


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


def _residual(unit: _Unit, W: Floats) -> Floats:
    Wb = W @ unit.b
    return np.asarray(unit.power - Wb - Wb.T + W @ unit.A @ W.T)


def _solved(A: Floats, b: Floats, ridge: float, field: NarrowField) -> Floats:
    """Solve with a ridge; what never moves gets weight zero."""
    penalty = ridge + (np.diagonal(A) + ridge == 0)
    return np.asarray(solved((A + np.diag(penalty))[None], b[None], ridge, field.a.dtype)[0])
