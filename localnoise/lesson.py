"""One lesson of a grid: the rule sees the displacements; a ridge, and how many parents, are chosen on held-out ones.

The last fifth of what is given is held out, at most as many as a chunk holds (2,048, or 256 MiB). It takes no part
until the choice is made, and is then learned, too. Nothing of it is random.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError
from localnoise.field import Field
from localnoise.rules.base import AUTO, Rule, State, begun
from localnoise.scoring import mean_log_density
from localnoise.streams import mean_square
from localnoise.topology import initial
from localnoise.validate import Array
from localnoise.wiring import Wires

Chunks = Iterable[tuple[Array, Array | None]]
SHARE = 5  # one presentation in so many is held out
RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)  # of the displacements' mean square


@dataclass(frozen=True, kw_only=True)
class Learned:
    """The outcome of a lesson.

    Attributes
    ----------
    field, rule, state
        Learned from all presentations, the held-out ones included.
    power : float
        Mean square of the first displacements.
    score : float
        Mean log density of the held-out displacements before they were learned; NaN where none were held out.
    print : float
        A sum over the held-out displacements: equal where they were the same ones in the same order.
    """

    field: Field
    rule: Rule
    state: State
    power: float
    score: float = math.nan
    print: float = 0.0


def learn(field: Field, rule: Rule, state: State, chunks: Chunks) -> Learned:
    """Let the rule see all chunks (d, h), and settle; `field` and `state` are changed."""
    power: float | None = None
    for d, h in chunks:
        power = mean_square(d) if power is None else power
        _observe(rule, field, state, d, h)
    rule.settle(field, state)
    return Learned(field=field, rule=rule, state=state, power=power or 0.0)


def observed(field: Field, rule: Rule, state: State, chunks: Chunks) -> State:
    """Let the rule see all chunks, and return its statistics, which are changed; nothing is solved."""
    for d, h in chunks:
        _observe(rule, field, state, d, h)
    return state


def learn_and_choose(
    config: GridConfig, field: Field, rule: Rule, state: State, chunks: Chunks, most: int, argument: str
) -> Learned:
    """Learn, with a score on held-out displacements, on which ridge="auto" is chosen.

    Cost: that of `learn`, and 10 solutions and scorings of the held-out part for a ridge. `state` must not depend on
    the ridge, as no rule of ours makes it: the displacements are read once.

    Parameters
    ----------
    most : int
        Presentations held out at most.
    argument : str
        What is chosen, for messages: "ridge" or "parents".

    Raises
    ------
    ArgumentError
        Fewer than 5 displacements; a rule without a solution at any ridge.
    """
    held, power = Held(chunks, most), None
    for d, h in held.earlier():
        power = mean_square(d) if power is None else power
        _observe(rule, field, state, d, h)
    if not held.parts or power is None:
        raise ArgumentError(
            f"{argument}={AUTO!r} is chosen on the last fifth of the displacements, and d has {held.seen}: expected at "
            f"least {SHARE}; give more, or a number"
        )
    fixed, unit = getattr(rule, "ridge", None) != AUTO, power or 1.0
    tried = [rule] if fixed else [_with(rule, unit * share) for share in RIDGES]
    best: tuple[float, Rule] | None = None
    for each in tried:
        trial = field.copy()
        try:
            each.settle(trial, state)
        except ArgumentError:
            if each is tried[-1] and best is None:
                raise
            continue
        score = mean_log_density(config, trial, held.parts)
        if best is None or score > best[0]:
            best = score, each
    if best is None:
        raise ArgumentError(f"{argument}={AUTO!r}: no candidate has a solution; expected more displacements")
    for d, h in held.parts:
        _observe(best[1], field, state, d, h)
    best[1].settle(field, state)
    said = float(sum(np.square(d, dtype=np.float64).sum() for d, _ in held.parts))
    return Learned(field=field, rule=best[1], state=state, power=power, score=best[0], print=said)


def choose_parents(
    d: Any, options: dict[str, Any], rule: Rule, lesson: Callable[[GridConfig, Field, State, str], Learned]
) -> tuple[tuple[GridConfig, Wires | None], Learned]:
    """Learn with 1, 2, 4, ... parents as long as the held-out score rises; return the best wiring, and its lesson.

    Cost: that of learning with each, about twice the largest one's. Hubs count as parents, so that the first number is
    one more than `far`.

    Parameters
    ----------
    d : object
        The displacements, as they were given.
    options : dict
        Of the grid, but for the parents.
    lesson : callable
        (configuration, field, state, argument) -> what was learned from the displacements, the same ones each time.

    Raises
    ------
    ArgumentError
        A generator, which cannot be read twice; displacements in another order the second time.
    """
    if hasattr(d, "__next__"):
        raise ArgumentError(
            f"parents={AUTO!r} reads d once for each number of parents, and a generator is read once: expected an "
            "array, an HDF5 data set or a DataLoader; use parents=8, or another number"
        )
    best: tuple[tuple[GridConfig, Wires | None], Learned] | None = None
    count, links = int(options["far"] or 0) + 1, 0
    while True:
        config, field, implied = initial(options | {"parents": count})
        more = int((field.parents >= 0).sum())
        if best is not None and more == links:  # no unit has as many
            return best
        found = lesson(config, field, begun(rule, field), "parents")
        if best is not None and found.print != best[1].print:
            raise ArgumentError(
                f"parents={AUTO!r} reads d once for each number of parents, and d came in another order the second "
                "time: expected the same one; use an array, or a DataLoader with shuffle=False"
            )
        if best is not None and found.score <= best[1].score:
            return best
        best, count, links = ((config, implied), found), 2 * count, more


class Held:
    """Chunks that come once: all but the last fifth as they come, the last fifth kept.

    Attributes
    ----------
    parts : list of (d, h)
        The last fifth, at most `most` presentations, once `earlier` has come to its end.
    seen : int
        All presentations so far.
    """

    def __init__(self, chunks: Chunks, most: int) -> None:
        self.chunks, self.most, self.seen = chunks, most, 0
        self.parts: deque[tuple[Array, Array | None]] = deque()

    def earlier(self) -> Iterator[tuple[Array, Array | None]]:
        """Yield what is not held out, in order."""
        kept = 0
        for d, h in self.chunks:
            self.parts.append((d.copy(), None if h is None else h.copy()))  # the source may use its memory again
            self.seen, kept = self.seen + len(d), kept + len(d)
            excess = kept - min(self.seen // SHARE, self.most)
            while excess > 0:
                first, other = self.parts.popleft()
                if len(first) > excess:
                    self.parts.appendleft((first[excess:], None if other is None else other[excess:]))
                    first, other = first[:excess], None if other is None else other[:excess]
                kept, excess = kept - len(first), excess - len(first)
                yield first, other


def _observe(rule: Rule, field: Field, state: State, d: Array, h: Array | None) -> None:
    rule.observe(field, state, d, d[:, :, :0] if h is None else h)


def _with(rule: Any, ridge: float) -> Rule:
    other: Rule = replace(rule, ridge=ridge)
    return other
