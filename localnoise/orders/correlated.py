"""An order, and parents, from the displacements themselves: for neurons that have no place, as those of a dense layer.

Maximin order in the distance 1 - |correlation| instead of a distance between places (Kang, Katzfuss 2023, Statistics
and Computing 33, 56, arXiv 2112.14591); parents chosen one after the other, each given those before (Huan, Guinness,
Katzfuss, Owhadi, Schafer 2023, arXiv 2307.11648).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from localnoise.dense import refuse_if_larger
from localnoise.errors import ArgumentError
from localnoise.orders.base import Ints
from localnoise.validate import as_array, as_count, is_iterator

_BYTES = 4 * 2**30
_STEP = 2048  # presentations summed at a time
_SINGULAR = 1e-9  # share of a unit's variance that is no more than rounding


class Wiring(NamedTuple):
    """An order (N,) and each unit's parents (N, K), for `UnitGrid(order=..., parents=...)`."""

    order: Ints
    parents: Ints


def by_correlation(d: Any, parents: int = 8, *, max_bytes: int = _BYTES) -> Wiring:
    """Return an order and parents of units from how their displacements correlate.

    The first unit is the one that correlates most with all others. Each next one is the unit whose largest correlation
    with those placed is the smallest: coarse to fine, as "multiscale" is on a lattice. With one channel a unit's
    parents are the earlier units that explain most of it: the most correlated one, then whichever explains most of
    what is left, as long as its squared partial correlation is more than 2 ln(N) / T, which chance reaches. With
    more channels they are the most correlated ones. Cost O(T n^2 + N^2 K), memory O(n^2).

    Parameters
    ----------
    d : (T, C, H, W), or an iterator
        Displacements, or an iterator of them or of pairs (d, h). Units have C channels; the correlation of two of them
        is the root of the mean square over their channels'.
    parents : int
        K, most parents a unit.
    max_bytes : int
        Of the correlations: 8 n^2 bytes, twice.

    Returns
    -------
    Wiring
        A named tuple (order, parents).

    Raises
    ------
    ArgumentError
        Wrong shape, NaN, or fewer than two displacements.
    TooLargeError
        The correlations take more than `max_bytes`.

    Examples
    --------
    >>> import numpy as np, localnoise as ln
    >>> d = np.random.default_rng(0).normal(size=(500, 1, 1, 20))
    >>> order, parents = ln.orders.by_correlation(d, parents=3)
    >>> ln.UnitGrid((1, 20), order=order, parents=parents).learn(d).config.order
    'own'
    """
    count, T, moment = as_count("parents", parents, 1), 0, np.zeros((0, 0))
    m = units = 0
    for part in _parts(d):
        if not T:
            m, units = part.shape[1], part.shape[2] * part.shape[3]
            refuse_if_larger("by_correlation()", 2 * 8 * (m * units) ** 2, max_bytes, "order='multiscale'")
            moment = np.zeros((m * units, m * units))
        flat = np.asarray(part, np.float64).reshape(len(part), -1)
        if flat.shape[1] != len(moment):
            raise ArgumentError(f"d has a part of shape {part.shape}: expected (t, C, H, W) of one layout")
        moment += flat.T @ flat
        T += len(part)
    if T < 2:
        raise ArgumentError(f"d has {T} displacements: expected two or more")
    if not np.isfinite(moment).all():
        raise ArgumentError("d has values that are NaN or infinite, or whose squares are: expected finite numbers")
    wanted = min(count, max(units - 1, 1))
    scale = np.sqrt(np.maximum(np.diagonal(moment), np.finfo(float).tiny))
    moment /= scale[:, None] * scale
    if m == 1:
        order = maximin(np.abs(moment))
        return Wiring(order, telling(moment, order, wanted, 2 * np.log(max(units, 2)) / T))
    near = np.sqrt(np.square(moment).reshape(m, units, m, units).mean(axis=(0, 2)))
    order = maximin(near)
    return Wiring(order, nearest(near, order, wanted))


def _parts(d: Any) -> Iterator[npt.NDArray[Any]]:
    """Yield displacements (t, C, H, W), a part at a time."""
    for part in d if is_iterator(d) else [d]:
        pair = is_iterator(d) and isinstance(part, (tuple, list)) and len(part) == 2
        array = as_array("d", part[0] if pair else part)
        if array.ndim != 4:
            raise ArgumentError(f"d has shape {array.shape}: expected (T, C, H, W); use d.reshape(len(d), 1, 1, -1)")
        for first in range(0, len(array), _STEP):
            yield array[first : first + _STEP]


def maximin(near: npt.NDArray[np.float64]) -> Ints:
    """Return the units, (N,) int32, each as unlike those before it as can be; near : (N, N) likeness. Cost O(N^2)."""
    units = len(near)
    order = np.empty(units, np.int32)
    closest, unit = np.zeros(units), int(np.argmax(near.sum(axis=1)))
    for place in range(units):
        order[place] = unit
        np.maximum(closest, near[unit], out=closest)
        closest[unit] = np.inf
        unit = int(np.argmin(closest))
    return order


def nearest(near: npt.NDArray[np.float64], order: Ints, count: int) -> Ints:
    """Return the most alike of the earlier units, (N, K) int32, -1 where there are fewer. Cost O(N^2)."""
    chosen = np.full((len(near), count), -1, np.int32)
    for place, unit in enumerate(order[1:], 1):
        earlier = order[:place]
        some = np.argsort(-near[unit, earlier], kind="stable")[:count]
        chosen[unit, : len(some)] = earlier[some]
    return chosen


def telling(C: npt.NDArray[np.float64], order: Ints, count: int, least: float) -> Ints:
    """Return earlier units that say most of each, one after the other given those before, (N, K) int32. Cost O(N^2 K).

    It ends where the best squared partial correlation is below `least`: more parents would fit chance. C : (N, N)
    correlations.
    """
    chosen = np.full((len(C), count), -1, np.int32)
    for place, unit in enumerate(order[1:], 1):
        earlier = order[:place]
        shared, left, own = C[unit, earlier], C[earlier, earlier].copy(), float(C[unit, unit])
        factor = np.empty((place, count))  # of the chosen columns: a partial Cholesky factor
        for k in range(min(count, place)):
            told = np.square(shared) / np.maximum(left, _SINGULAR)
            told[left < _SINGULAR] = 0  # chosen, or a copy of what is chosen
            best = int(np.argmax(told))
            if told[best] <= least * own:
                break
            column = C[earlier, earlier[best]] - factor[:, :k] @ factor[best, :k]
            factor[:, k] = column / np.sqrt(left[best])
            shared, own = shared - factor[:, k] * (shared[best] / np.sqrt(left[best])), own - told[best]
            left = left - np.square(factor[:, k])
            chosen[unit, k] = earlier[best]
    return chosen
