"""Loops of a sweep's schedule, see `localnoise.visits`. Without slices, which take long to compile."""

from localnoise.kernels.flags import entry

GROUP = 32  # units that leave a sweep's buffer together, neighbors in memory


@entry
def spans(wanted, last, order, parents):
    """Turn the groups with which units leave into the first and the last group that need them.

    A unit is wanted as soon as any unit that descends from it, and read last by the last of its children. Cost O(N K).
    """
    for v in range(order.shape[0] - 1, -1, -1):
        u = order[v]
        for k in range(parents.shape[1]):
            p = parents[u, k]
            if p >= 0:
                wanted[p] = min(wanted[p], wanted[u])
                last[p] = max(last[p], wanted[u])


@entry
def allot(rows, arriving, arrivals, leaving, departures):
    """Give rows to the units that arrive with each group, the longest free ones first; return how many there are.

    Group g takes the units arriving[arrivals[g] : arrivals[g + 1]], and frees leaving[departures[g] : ...] at its end.
    """
    head, tail, most = 0, 0, 0  # leaving[head : tail] hold rows that are free
    for g in range(arrivals.shape[0] - 1):
        for i in range(arrivals[g], arrivals[g + 1]):
            if head < tail:
                rows[arriving[i]] = rows[leaving[head]]
                head += 1
            else:
                rows[arriving[i]] = most
                most += 1
        tail = departures[g + 1]
    return most
