"""When a sweep visits each unit, and in which rows of its buffer a unit lies: as few rows as the wires allow.

A unit's noise is needed until its last child has been drawn and its line of the output has been written. Units leave in
groups of neighbors in memory, group after group. Each unit is visited for the first group in which it, or anything that
descends from it, leaves, after its parents; and its rows are given to another unit as soon as nobody needs them. In row
order that is a ring of the last rows of units. In multiscale order coarse units run ahead by as much as their
descendants reach, which is little: a grid's buffer grows with its width, not with its area.
"""

from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from localnoise.pairs import activations

Ints = npt.NDArray[np.int32]

_HELD = 15  # units before the end of a group that may wait for the next one, to fill a cache line


class Visits(NamedTuple):
    """The schedule of a sweep over N units of m channels.

    Attributes
    ----------
    visits : (N,) int32
        Units in the order in which they are visited.
    starts : (groups + 1,) int32
        Group g visits the units visits[starts[g] : starts[g + 1]], and then leaves.
    rows : (N,) int32
        Unit u lies in the m rows of the buffer from rows[u] m on.
    fresh : (blocks,) int32
        The visit for which each block of four normals is drawn; empty where a unit's blocks are its own.
    held : int
        Units that the buffer holds.
    """

    visits: Ints
    starts: Ints
    rows: Ints
    fresh: Ints
    held: int

    @classmethod
    def of(cls, order: Ints, parents: Ints, channels: int) -> Self:
        """Make the schedule of these wires. Cost O(N (K + log N))."""
        from localnoise.kernels.visits import GROUP, allot, spans

        units = np.arange(len(order), dtype=np.int32)
        groups = -(-len(order) // GROUP)
        wanted, last = units // GROUP, np.minimum((units + _HELD) // GROUP, groups - 1)
        spans(wanted, last, order, parents)
        visits, starts = _grouped(order, wanted, groups)
        fresh, born = _shared(visits, wanted, channels)
        rows = np.empty_like(units)
        held = allot(rows, *_grouped(visits, born, groups), *_grouped(visits, last, groups))
        return cls(visits, starts, rows, fresh, int(held))


class Reading(NamedTuple):
    """The schedule of what a sweep reads: parts of `STEP` units, from the first group that reads one to the last.

    Attributes
    ----------
    parts : (n,) int32
        Parts in the order in which they enter; those that no unit reads are left out.
    arrivals : (groups + 1,) int32
        Before group g is visited, parts[arrivals[g] : arrivals[g + 1]] enter.
    slots : (A N / STEP,) int32
        Part p lies in the STEP units of the buffer from slots[p] STEP on.
    places : (A N,) int32
        Unit u's activation lies in the m rows from places[u] m on, and its second one, where A = 2 are read, in those
        from places[N + u] m on.
    kept : int
        Parts that the buffer holds.
    """

    parts: Ints
    arrivals: Ints
    slots: Ints
    places: Ints
    kept: int

    @classmethod
    def of(cls, schedule: Visits, readers: Ints) -> Self:
        """Make the schedule of these wires. Cost O(N R)."""
        from localnoise.kernels.tiles import STEP
        from localnoise.kernels.visits import allot

        units, groups = len(readers), len(schedule.starts) - 1
        when = np.empty(units, np.int64)
        when[schedule.visits] = np.repeat(np.arange(groups), np.diff(schedule.starts))
        items = max(activations(readers), 1) * units
        read, there = readers // STEP, readers >= 0  # -1: missing
        group = np.broadcast_to(when[:, None], read.shape)[there]
        born, last = np.full(-(-items // STEP), groups), np.full(-(-items // STEP), -1)
        np.minimum.at(born, read[there], group)
        np.maximum.at(last, read[there], group)
        parts = np.flatnonzero(last >= 0).astype(np.int32)
        arriving, arrivals = _grouped(parts, born, groups)
        slots = np.zeros(len(born), np.int32)
        kept = allot(slots, arriving, arrivals, *_grouped(parts, last, groups))
        own = np.arange(items)
        return cls(arriving, arrivals, slots, (slots[own // STEP] * STEP + own % STEP).astype(np.int32), int(kept))


def _grouped(units: Ints, keys: Ints, groups: int) -> tuple[Ints, Ints]:
    """Sort units by their groups, stably; return them, and where each group begins."""
    ends = np.cumsum(np.bincount(keys[units], minlength=groups))
    return units[np.argsort(keys[units], kind="stable")], np.append(0, ends).astype(np.int32)


def _shared(visits: Ints, wanted: Ints, channels: int) -> tuple[Ints, Ints]:
    """Return the visit for which each block of normals is drawn, and the group from which on each unit holds some."""
    if channels % 4 == 0:
        return np.empty(0, np.int32), wanted
    neurons = len(visits) * channels
    owners = np.minimum(np.arange(-(-neurons // 4) * 4), neurons - 1) // channels  # of each block's four neurons
    place = np.empty_like(visits)
    place[visits] = np.arange(len(visits), dtype=np.int32)
    fresh = place[owners].reshape(-1, 4).min(axis=1)
    first = np.repeat(wanted[owners].reshape(-1, 4).min(axis=1), 4)[:neurons]
    return fresh, first.reshape(-1, channels).min(axis=1)
