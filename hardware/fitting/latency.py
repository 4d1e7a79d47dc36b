"""How long a draw takes: the chain of parents that must wait for each other, or one engine for all units.

A cycle does one multiplication with its addition, adds one random byte, or rounds one word: a unit of w weights and m
channels takes w + m (k + 1) cycles, k random bytes a word. That is what an engine without stalls needs, so the least.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from localnoise.hardware.chips.profile import Profile
from localnoise.hardware.fitting.wiring import Wiring
from localnoise.hardware.formats import Formats


@final
@dataclass(frozen=True, kw_only=True)
class Latency:
    """Time of a draw.

    Attributes
    ----------
    depth : int
        Units in the longest chain of parents: the sweep's steps where every unit has its own engine.
    parallel_cycles : int
        Cycles of the slowest chain, one engine a unit.
    serial_cycles : int
        Cycles of one engine for all units.
    clock : float or None
        Hz; None where unknown.
    """

    depth: int
    parallel_cycles: int
    serial_cycles: int
    clock: float | None

    @property
    def parallel_seconds(self) -> float | None:
        """`parallel_cycles` at the chip's clock."""
        return None if self.clock is None else self.parallel_cycles / self.clock

    @property
    def serial_seconds(self) -> float | None:
        """`serial_cycles` at the chip's clock."""
        return None if self.clock is None else self.serial_cycles / self.clock


def latency_of(wiring: Wiring, formats: Formats, profile: Profile) -> Latency:
    """Latency of one draw. Cost O(N K)."""
    cycles = wiring.products + wiring.channels * (formats.random_bytes + 1)
    depth, done = np.zeros(wiring.units, np.int64), np.zeros(wiring.units, np.int64)
    for unit in wiring.order:
        above = wiring.parents[unit]
        above = above[above >= 0]
        depth[unit] = 1 + depth[above].max(initial=0)
        done[unit] = cycles[unit] + done[above].max(initial=0)
    clock = profile.clock.number
    return Latency(
        depth=int(depth.max()),
        parallel_cycles=int(done.max()),
        serial_cycles=int(cycles.sum()),
        clock=clock if clock != float("inf") else None,
    )
