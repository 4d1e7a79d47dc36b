"""Which engine draws which unit, and when: the order dealt to the engines, and the clocks that a draw takes."""

from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.generators import GENERATORS

Ints = npt.NDArray[np.integer[Any]]
NOBODY = -1  # an engine that has no unit left in a level skips


def plan(chip: ChipGrid, engines: int) -> list[tuple[Ints, Ints]]:
    """Return the units of each engine in its order, -1 to skip, and after which it waits for the others.

    Raises
    ------
    ArgumentError
        More engines than the widest level has units.
    """
    f = chip.field
    if engines == 1:
        return [(f.order.astype(np.int64), np.zeros(f.units, np.int64))]
    depth = np.zeros(f.units, np.int64)
    for u in f.order:
        above = f.parents[u]
        depth[u] = 1 + depth[above[above >= 0]].max(initial=0)
    levels = [f.order[depth[f.order] == level] for level in range(1, int(depth.max()) + 1)]
    widest = max(map(len, levels))
    if engines > widest:
        raise ArgumentError(
            f"engines={engines}: of this grid at most {widest} units can be drawn at a time; expected no more engines"
        )
    units: list[list[int]] = [[] for _ in range(engines)]
    stops: list[list[int]] = [[] for _ in range(engines)]
    for level, members in enumerate(levels):
        rounds = -(-len(members) // engines)
        dealt = np.full((rounds, engines), NOBODY)
        dealt.reshape(-1)[: len(members)] = members
        for engine in range(engines):
            units[engine] += dealt[:, engine].tolist()
            stops[engine] += [0] * (rounds - 1) + [int(level + 1 < len(levels))]
    return [(np.array(u), np.array(s)) for u, s in zip(units, stops, strict=True)]


def clocks(chip: ChipGrid) -> int:
    """Clocks of a draw of one engine whose reader is always ready, from go to the last word.

    One for each weight; 8 for each word, to fill and empty the pipeline, round and hand over; 4 for
    each unit and one for each step of its generator.
    """
    f, formats = chip.field, chip.formats
    a_byte = GENERATORS[formats.generator].kind != 0
    steps = formats.normal_bytes if a_byte else -(-formats.normal_bytes // 4)
    steps += (4 if a_byte else 1) * (formats.rounding == "stochastic")
    return int(f.weights.sum() + 8 * f.units * f.channels + f.units * (4 + f.channels * steps))
