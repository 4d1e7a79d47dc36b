"""Which units a unit is wired to: its parents, the nearest ones earlier in the order; hubs; those that it reads.

Cost O(N K) in time and memory.
"""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]
_HUBS = 4  # stride of the hubs' sublattice, through the central unit
MOST_HUBS = 25
"""Hubs around a unit that it may choose from: the most that `far` may be."""
_DIRECT = 2048  # units placed first whose parents are found by looking at all placed units


def neighbours(height: int, width: int, radius: int, periodic: bool) -> Ints:
    """Return all units within the Chebyshev radius of each unit, itself first, then by distance, each once. O(N R).

    Parameters
    ----------
    height, width : int
        H and W, of the grid.
    radius : int
        >= 0, in units' pitch.
    periodic : bool
        Whether the edges are joined; else they clip.

    Returns
    -------
    ndarray of int32, (N, R)
        Units, -1 where clipped; R counts the offsets that some unit has.
    """
    columns: dict[tuple[int, int], Ints] = {}
    at = np.divmod(np.arange(height * width), width)
    for dy, dx in _offsets(radius, height, width):
        # on a small torus several offsets reach the same unit
        column = _shift(height, width, dy, dx, periodic, *at)
        if (column >= 0).any():
            columns.setdefault((dy % height, dx % width) if periodic else (dy, dx), column)
    return np.stack(list(columns.values()), axis=1)


def parents(order: Ints, height: int, width: int, *, count: int | None, radius: int | None, periodic: bool) -> Ints:
    """Return the nearest units earlier in the order. O(N K).

    Distance is Euclidean; ties go to the shorter wire (Manhattan), then to row order.

    Parameters
    ----------
    order : (N,) int32
        Units in the order of the sweep.
    height, width : int
        H and W, of the grid.
    count : int or None
        Most parents a unit; None: all within the radius.
    radius : int or None
        Chebyshev radius, in units' pitch; None: no limit.
    periodic : bool
        Whether the edges are joined; else they clip.

    Returns
    -------
    ndarray of int32, (N, K)
        Units, nearest first, -1 where missing.
    """
    units = height * width
    place = np.empty(units, dtype=np.int64)
    place[order] = np.arange(units)
    reach = max(height, width) - 1
    limit = max(1, reach if radius is None else min(radius, reach))
    wanted = slots(height, width, count, limit)
    chosen = np.full((units, wanted), -1, dtype=np.int32)
    early = order[:_DIRECT] if radius is None else order[:0]
    for unit in early:  # coarse units: few are placed, and far apart, so that a look at all of them is cheapest
        near = _nearest(unit, order[: place[unit]], height, width, wanted, periodic)
        chosen[unit, : near.size] = near
    pending, ring = np.setdiff1d(np.arange(units), early), 1 if radius is None else limit
    while pending.size:  # the others find theirs within a few rings, widened for those that have not
        ring = min(ring, limit)
        found = np.zeros(pending.size, dtype=np.int64)
        picked = np.full((pending.size, chosen.shape[1]), -1, dtype=np.int32)
        at = np.divmod(pending, width)
        settled_radius = ring if ring < limit else np.inf  # beyond the ring a nearer unit may hide in a corner
        for dy, dx in _offsets(ring, height, width)[1:]:
            if dy * dy + dx * dx > settled_radius**2:
                break
            other = _shift(height, width, dy, dx, periodic, *at)
            earlier = (other >= 0) & (place[other] < place[pending]) & (found < wanted)
            if periodic:  # on a small torus two offsets can reach the same unit
                earlier &= ~(picked == other[:, None]).any(axis=1)
            rows = np.flatnonzero(earlier)
            picked[rows, found[rows]] = other[rows]
            found[rows] += 1
        done = (found >= np.minimum(wanted, place[pending])) | (ring >= limit)
        chosen[pending[done]] = picked[done]
        pending, ring = pending[~done], 2 * ring
    return np.ascontiguousarray(chosen[:, : max(1, int((chosen >= 0).sum(axis=1).max()))])


def slots(height: int, width: int, count: int | None, radius: int | None) -> int:
    """Return the most parents that a unit of the grid can have, at least 1.

    Parameters
    ----------
    height, width : int
        H and W, of the grid.
    count : int or None
        Most that are asked for; None: no limit.
    radius : int or None
        Chebyshev radius, in units' pitch; None: no limit.

    Returns
    -------
    int
        Columns of an array of parents.
    """
    limit = max(height, width) if radius is None else radius
    around = min(2 * limit + 1, 2 * height - 1) * min(2 * limit + 1, 2 * width - 1) - 1
    return max(1, min(around, height * width, around if count is None else count))


def with_hubs(near: Ints, order: Ints, height: int, width: int, *, far: int, periodic: bool) -> Ints:
    """Append to each unit's parents the nearest hubs earlier in the order that are not its parents yet. O(N (K + 25)).

    Hubs are the units of the sublattice of stride 4: through them a unit sees correlations beyond its nearest units,
    on wires of at most a dozen units, whatever the grid.

    Parameters
    ----------
    near : (N, K) int32
        Parents, -1 where there is none.
    order : (N,) int32
        Units in the order of the sweep.
    height, width : int
        H and W, of the grid.
    far : int
        Hubs a unit, at most 25.
    periodic : bool
        Whether the edges are joined; else they clip.

    Returns
    -------
    ndarray of int32, (N, K + far)
        Parents and hubs, -1 where there are fewer.
    """
    units = np.arange(height * width)
    place = np.empty(units.size, dtype=np.int64)
    place[order] = units
    y, x = np.divmod(units, width)
    cells = np.stack(np.meshgrid(range(-2, 3), range(-2, 3), indexing="ij"), axis=-1).reshape(-1, 2)
    hub_y = (np.rint((y - height // 2) / _HUBS).astype(int)[:, None] + cells[:, 0]) * _HUBS + height // 2
    hub_x = (np.rint((x - width // 2) / _HUBS).astype(int)[:, None] + cells[:, 1]) * _HUBS + width // 2
    distance = np.square(hub_y - y[:, None]) + np.square(hub_x - x[:, None])
    wire = abs(hub_y - y[:, None]) + abs(hub_x - x[:, None])
    inside = (hub_y >= 0) & (hub_y < height) & (hub_x >= 0) & (hub_x < width)
    wrapped_y, wrapped_x = hub_y % height, hub_x % width  # round a side that 4 does not divide lies no hub
    real = ((wrapped_y - height // 2) % _HUBS == 0) & ((wrapped_x - width // 2) % _HUBS == 0)
    hub = np.where(real & (inside | periodic), wrapped_y * width + wrapped_x, -1)
    usable = (hub >= 0) & (place[hub] < place[:, None]) & ~(hub[:, :, None] == near[:, None, :]).any(axis=2)
    ranked = np.lexsort((hub, wire, distance, ~usable), axis=1)[:, :far]
    picked = np.where(np.take_along_axis(usable, ranked, 1), np.take_along_axis(hub, ranked, 1), -1).astype(np.int32)
    for column in range(1, far):  # on a small torus two offsets can reach the same hub
        again = (picked[:, column, None] == picked[:, :column]).any(axis=1)
        picked[again, column] = -1
    both = np.concatenate([near, picked], axis=1)
    return np.ascontiguousarray(np.take_along_axis(both, np.argsort(both < 0, axis=1, kind="stable"), 1))


def _nearest(unit: int, earlier: Ints, height: int, width: int, wanted: int, periodic: bool) -> Ints:
    dy = earlier // width - unit // width
    dx = earlier % width - unit % width
    if periodic:
        dy = (dy + height // 2) % height - height // 2
        dx = (dx + width // 2) % width - width // 2
    return np.asarray(earlier[np.lexsort((dx, dy, abs(dy) + abs(dx), dy * dy + dx * dx))[:wanted]])


def _offsets(radius: int, height: int, width: int) -> list[tuple[int, int]]:
    """Offsets (dy, dx) within the radius that some two units of the grid have, by distance; (0, 0) first."""
    reach_y, reach_x = min(radius, height - 1), min(radius, width - 1)
    all_of_them = ((y, x) for y in range(-reach_y, reach_y + 1) for x in range(-reach_x, reach_x + 1))
    return sorted(all_of_them, key=lambda o: (o[0] ** 2 + o[1] ** 2, abs(o[0]) + abs(o[1]), o))


def _shift(height: int, width: int, dy: int, dx: int, periodic: bool, y: Places, x: Places) -> Ints:
    """Units at an offset from those at (y, x), -1 where there is none."""
    y, x = y + dy, x + dx
    if periodic:
        return np.asarray((y % height) * width + x % width, np.int32)
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return np.asarray(np.where(inside, y * width + x, -1), np.int32)
