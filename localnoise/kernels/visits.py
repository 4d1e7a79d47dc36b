"""When a sweep visits each unit, and in which rows of its buffer a unit lies: as few rows as the wires allow.

A unit's noise is needed until its last child has been drawn and its line of the output has been written. Units leave in
groups of neighbors in memory, group after group. Each unit is visited for the first group in which it, or anything that
descends from it, leaves, after its parents; and its rows are given to another unit as soon as nobody needs them. In row
order that is a ring of the last rows of units. In multiscale order coarse units run ahead by as much as their
descendants reach, which is little: a grid's buffer grows with its width, not with its area.
"""

import numpy as np

from localnoise.kernels.flags import entry, kernel

GROUP, HELD = 32, 15  # units that leave together; units before a line's end that wait for the next whole cache line


@kernel
def ranked(out, starts, keys):
    """Sort the units in `out` by small keys, stably: those of key k become out[starts[k] : starts[k + 1]]."""
    starts[:] = 0
    for i in range(keys.shape[0]):
        starts[keys[i] + 1] += 1
    for k in range(1, starts.shape[0]):
        starts[k] += starts[k - 1]
    before, place = out.copy(), starts.copy()
    for i in range(before.shape[0]):
        u = before[i]
        out[place[keys[u]]] = u
        place[keys[u]] += 1


@entry
def schedule(visits, starts, rows, fresh, order, parents, m):
    """Fill visits (N,), starts (groups + 1,), rows (N,) and fresh; return how many rows there are.

    Group g visits the units visits[starts[g] : starts[g + 1]], and unit u lies in the m rows of the buffer from
    rows[u] m on. A block of four normals is drawn when the first unit that shares it is visited: block b for the visit
    fresh[b]; fresh is empty where a unit's blocks are its own. Cost O(N K).
    """
    N = order.shape[0]
    groups = starts.shape[0] - 1
    wanted, born, last = np.empty(N, np.int32), np.empty(N, np.int32), np.empty(N, np.int32)
    for u in range(N):
        wanted[u] = u // GROUP
        last[u] = min((u + HELD) // GROUP, groups - 1)
    for v in range(N - 1, -1, -1):
        u = order[v]
        for k in range(parents.shape[1]):
            p = parents[u, k]
            if p >= 0:
                wanted[p] = min(wanted[p], wanted[u])
                last[p] = max(last[p], wanted[u])
    visits[:] = order
    ranked(visits, starts, wanted)
    born[:] = wanted
    if fresh.shape[0] > 0:
        fresh[:] = N
        for v in range(N):
            u = visits[v]
            for b in range(u * m // 4, (u * m + m - 1) // 4 + 1):
                if fresh[b] == N:
                    fresh[b] = v
                    for w in range(4 * b // m, min(N - 1, (4 * b + 3) // m) + 1):
                        born[w] = min(born[w], wanted[u])
    arriving, leaving = visits.copy(), visits.copy()
    arrivals, departures = np.empty_like(starts), np.empty_like(starts)
    ranked(arriving, arrivals, born)
    ranked(leaving, departures, last)
    free, head, tail, most = np.empty(N, np.int32), 0, 0, 0
    for g in range(groups):
        for i in range(arrivals[g], arrivals[g + 1]):
            if head < tail:
                rows[arriving[i]] = free[head]
                head += 1
            else:
                rows[arriving[i]] = most
                most += 1
        for i in range(departures[g], departures[g + 1]):
            free[tail] = rows[leaving[i]]
            tail += 1
    return most
