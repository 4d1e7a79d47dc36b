"""Pruning: fewer or shorter links, chosen by what each parent contributes to its child's prediction.

The fan-in and the radius are local: a unit drops its own parents, from its own moments. A budget over the whole grid
(wire length, hops) is central: it compares all links' contributions per length, which no unit could do by itself.
"""

import heapq
from pathlib import Path
from typing import Any, NoReturn, final

import numpy as np
import numpy.typing as npt

from localnoise import UnitGrid
from localnoise.errors import ArgumentError
from localnoise.field import Field
from localnoise.hardware.fitting.contribution import Predictor
from localnoise.hardware.fitting.placement import Placement, distances
from localnoise.hardware.fitting.wiring import Ints, Wiring
from localnoise.rules import Moments
from localnoise.rules.base import State, chosen_ridge
from localnoise.validate import as_count


@final
class PrunedGrid(UnitGrid):
    """A grid whose units lack some of the parents that its configuration implies; otherwise a `UnitGrid`.

    It draws, scores, learns on and is quantised as any grid. It cannot be saved as a grid: a grid's file implies its
    wires by its configuration.
    """

    def save(self, path: str | Path, *, state: bool = True) -> NoReturn:
        """Refuse: save the grid before it is pruned."""
        raise ArgumentError(
            f"path={str(path)!r}: a pruned grid lacks parents that the configuration in a grid's file implies: "
            "expected a grid with all of them; save the grid before pruning and prune it again after loading"
        )


def prune(
    grid: UnitGrid,
    *,
    fan_in: int | None = None,
    radius: int | None = None,
    wire_budget: int | None = None,
    hop_budget: int | None = None,
    placement: Placement | None = None,
) -> PrunedGrid:
    """Drop parents, all m channels of one at a time, and solve the remaining weights anew from the same moments.

    In this order: parents beyond `radius`; then, in every unit, backward elimination down to `fan_in` parents, each
    time of the parent whose loss raises the unit's innovation variance least; then, over the grid, of the link that
    contributes least per length until the budgets are met. Links of length zero (within a core) are never dropped for
    a budget. The grid given stays as it is; of the new one, moments, weights and innovations are those that learning
    with these parents from the same data gives. Its gain is 1: normalise afterwards. Cost O(N K (K m)^2 m).

    Parameters
    ----------
    grid : UnitGrid
        Learned with rule="moments", its state still there.
    fan_in : int
        Most parents per unit.
    radius : int
        Largest Chebyshev length of a link.
    wire_budget : int
        Largest sum of the links' Manhattan lengths, in units' pitch, as `UnitGrid.wire_length`.
    hop_budget : int
        Largest sum of the links' hops between cores; needs `placement`.
    placement : Placement
        Where the units are.

    Returns
    -------
    PrunedGrid
        A `UnitGrid` with fewer parents, which cannot be saved.

    Raises
    ------
    ArgumentError
        No moments, a bound that is no whole number, a hop budget without a placement, or a grid whose units share
        weights or whose links are of a low rank.
    """
    if grid.config.narrow:
        raise ArgumentError(
            f"grid has share={grid.config.share!r} and rank={grid.config.rank!r}: expected a grid without, since links "
            "are dropped unit by unit; learn UnitGrid(...) without them"
        )
    rule, state = _moments(grid)
    if hop_budget is not None and placement is None:
        raise ArgumentError(f"hop_budget={hop_budget!r}: expected placement=place(...) too, which says where units lie")
    wiring = _wiring(grid)
    straight, square = wiring.lengths()
    parents = grid.field.parents
    kept = parents >= 0
    if radius is not None:
        kept &= square <= as_count("radius", radius, 1)
    units = _predictors(grid.field, rule, state, kept)
    if fan_in is not None:
        most = as_count("fan_in", fan_in)
        for unit, predictor in enumerate(units):
            while len(predictor.blocks) > most:
                slot, _ = predictor.least()
                predictor.drop(slot)
                kept[unit, slot] = False
    if wire_budget is not None:
        _spend(units, kept, straight, as_count("wire_budget", wire_budget))
    if hop_budget is not None and placement is not None:
        hops = distances(placement.side, placement.cores)[placement.core[:, None], placement.core[parents]]
        _spend(units, kept, np.where(kept, hops, 0), as_count("hop_budget", hop_budget))
    return _pruned(grid, rule, state, kept)


def _moments(grid: UnitGrid) -> tuple[Moments, State]:
    if not isinstance(grid.rule, Moments) or grid.state is None:
        found = "nothing learned" if grid.rule is None else f"rule {grid.rule.name!r}"
        lost = ", without its state" if grid.rule is not None and grid.state is None else ""
        raise ArgumentError(
            f"grid has {found}{lost}: expected the second moments that rule='moments' keeps; call "
            "grid.learn(d, rule='moments') first, or load a file that was saved with its state"
        )
    return grid.rule, grid.state


def _wiring(grid: UnitGrid) -> Wiring:
    f, c = grid.field, grid.config
    wires: dict[str, Any] = {"order": f.order, "parents": f.parents, "readers": f.readers}
    return Wiring(**wires, channels=c.channels, shape=c.shape, periodic=c.boundary == "periodic")


def _predictors(field: Field, rule: Moments, state: State, kept: npt.NDArray[np.bool_]) -> list[Predictor]:
    p, many = field.regressors, field.parents.shape[1]
    penalty = np.full(p, chosen_ridge(rule.ridge))
    if field.signal:
        penalty[0] = 0
    out = []
    for unit, slots in enumerate(kept):
        M = np.asarray(rule.moments(field, state, slice(unit, unit + 1))[0], np.float64) / state["seen"]
        out.append(Predictor(M[:p, :p] + np.diag(penalty), M[:p, p:], np.flatnonzero(slots), many))
    return out


def _spend(units: list[Predictor], kept: npt.NDArray[np.bool_], length: Ints, budget: int) -> None:
    """Drop the link of least contribution per length, over the whole grid, until the lengths sum to the budget."""

    def cheapest(unit: int) -> tuple[float, int, int] | None:
        found = units[unit].contributions()
        worth = [(value / length[unit, k], unit, -k) for k, value in found.items() if length[unit, k] > 0]
        return min(worth, default=None)

    total = int(length[kept].sum())
    heap = [entry for unit in range(len(units)) if (entry := cheapest(unit)) is not None]
    heapq.heapify(heap)
    while total > budget:
        _, unit, slot = heapq.heappop(heap)
        units[unit].drop(-slot)
        kept[unit, -slot] = False
        total -= int(length[unit, -slot])
        if (entry := cheapest(unit)) is not None:
            heapq.heappush(heap, entry)


def _pruned(grid: UnitGrid, rule: Moments, state: State, kept: npt.NDArray[np.bool_]) -> PrunedGrid:
    old = grid.field
    first = np.argsort(~kept, axis=1, kind="stable")  # kernels expect missing parents last
    masked = np.take_along_axis(np.where(kept, old.parents, -1), first, 1)
    parents = np.ascontiguousarray(masked[:, : max(1, int(kept.sum(1).max(initial=0)))], np.int32)
    field = Field.initial(old.order, parents, old.readers, grid.config.channels, grid.config.dtype)
    out = PrunedGrid.of_field(grid.config, field)
    new: dict[str, Any] = rule.start(out.field)
    new |= {"seen": state["seen"], "sums": state["sums"].copy()}
    new["pairs"] = state["pairs"][np.searchsorted(_keys(old), _keys(out.field))]
    rule.settle(out.field, new)
    out.rule, out.state, out.provenance = (
        rule,
        new,
        grid.provenance | {"pruned": int((old.parents >= 0).sum() - kept.sum())},
    )
    return out


def _keys(field: Field) -> npt.NDArray[np.int64]:
    """One ascending number a pair of items; a pruned field's pairs are among those of the field that it came from."""
    pairs, items = field.pairs, len(field.pairs.first) - 1
    item = np.repeat(np.arange(items), np.diff(pairs.first))
    return np.asarray(item * items + pairs.other, np.int64)
