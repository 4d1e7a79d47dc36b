"""Which cells one worker runs in turn: those that share the expensive steps, so that none is taken twice."""

from collections.abc import Iterable
from typing import Any

from localnoise.sims.defenses import DEFENSES
from localnoise.sims.experiments.cell import Cell


def grouped(cells: Iterable[Cell], seed: int) -> list[list[Cell]]:
    """Return the cells of a seed in groups, in each of them the threats of one trained network together.

    Cells of the same sources share displacements. An arm that trains all layers needs none: it is a group of its own,
    with what is made of its network, so that as many workers as there are such arms train at a time.
    """
    groups: dict[Any, list[Cell]] = {}
    for cell in cells:
        if cell.seed == seed:
            shared = tuple(source.moved for source in cell.sources) or (cell.arm, cell.variance)
            groups.setdefault((shared, _trained_apart(cell.arm)), []).append(cell)
    for group in groups.values():
        order = {cell.trained: place for place, cell in reversed(list(enumerate(group)))}
        group.sort(key=lambda cell: order[cell.trained])
    return list(groups.values())


def _trained_apart(arm: str) -> str:
    """Return the arm that trains all layers, be it this one or the one that it rests on; "": there is none."""
    own = DEFENSES[arm]
    root = own.twin or (own.repair.after if own.repair is not None else "") or arm
    return root if DEFENSES[root].whole else ""
