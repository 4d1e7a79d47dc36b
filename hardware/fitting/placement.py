"""Units onto cores: contiguous blocks of the grid, and the words that then cross from core to core.

Algorithm: a core holds at most c = min(neurons per core / m, memory per core / bytes of the largest unit) units. For
each block height b <= c the block is min(W, c / b) wide; both sides are then evened out, so that the grid is cut into
as many blocks with the last ones less ragged. Taken is the cut of fewest cores, among these the squarest, among these
the lowest. Cores are numbered block by block, row by row, and lie on a square mesh of side ceil(sqrt(cores)), row by
row. Cost O(H + N K).
"""

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from localnoise.hardware.chips.profile import Profile
from localnoise.hardware.fitting.memory import shared_bits, unit_bits
from localnoise.hardware.fitting.wiring import Ints, Wiring
from localnoise.hardware.formats import Formats
from localnoise.validate import as_count


@final
@dataclass(frozen=True, kw_only=True)
class Placement:
    """A placement of units, and what crosses between cores.

    Attributes
    ----------
    core : (N,) int
        Each unit's core.
    block : tuple of int
        Height and width of a block, in units.
    side : int
        Of the square mesh of cores.
    multicast, unicast : int
        Words per draw that leave a core: a parent's m words, or as many as a rank carries, once to each other core
        that holds a child, or once to each child. Words of activation that units read are among them.
    hops : int
        Manhattan steps on the mesh of all multicast words, each copy travelling by itself.
    longest : int
        Hops of the longest link.
    axons_in : int
        Most neurons that one core reads, its own that it reads itself included.
    axons_out : int
        Most pairs (neuron of a core, core that reads it), the core itself included.
    """

    core: Ints
    block: tuple[int, int]
    side: int
    multicast: int
    unicast: int
    hops: int
    longest: int
    axons_in: int
    axons_out: int

    @property
    def cores(self) -> int:
        """Cores in use."""
        return int(self.core.max()) + 1


def capacity(wiring: Wiring, formats: Formats, profile: Profile, learner: str = "none") -> int | None:
    """Units that one core holds, 0 if not even one; None where neither neurons nor memory per core are published."""
    if profile.one_memory or profile.kind == "ideal":
        return wiring.units
    largest = -(-int(unit_bits(wiring, formats, learner=learner).max()) // 8)
    neurons, memory = profile.limit("neurons_per_core"), profile.limit("memory_per_core")
    counts = [] if neurons is None else [neurons // wiring.channels]
    shared = -(-shared_bits(wiring, formats) // 8)
    counts += [] if memory is None else [max(memory - shared, 0) // largest]
    return int(min(*counts, wiring.units)) if counts else None


def place(wiring: Wiring, units_per_core: int) -> Placement:
    """Cut the grid into blocks of at most `units_per_core` units, as the module states, and count what crosses."""
    most = as_count("units_per_core", units_per_core, 1)
    height, width = wiring.shape
    cuts = []
    for high in range(1, min(height, most) + 1):
        rows, columns = -(-height // high), -(-width // min(width, most // high))
        b, w = -(-height // rows), -(-width // columns)
        cuts.append((rows * columns, b + w, b, w))
    _, _, high, wide = min(cuts)
    y, x = np.divmod(np.arange(wiring.units), width)
    core = y // high * -(-width // wide) + x // wide
    return _crossings(wiring, core, (high, wide))


def distances(side: int, cores: int) -> Ints:
    """Manhattan hops between cores on the mesh, (cores, cores)."""
    y, x = np.divmod(np.arange(cores), side)
    return np.asarray(abs(y[:, None] - y) + abs(x[:, None] - x))


def _crossings(wiring: Wiring, core: npt.NDArray[Any], block: tuple[int, int]) -> Placement:
    cores, m = int(core.max()) + 1, wiring.carried
    side = math.isqrt(cores - 1) + 1
    routes, unicast = [], 0
    for kind, links in enumerate((wiring.parents, wiring.readers)):  # noise and activation are different words
        child, slot = np.nonzero(links >= 0)
        source = links[child, slot]
        unicast += int((core[child] != core[source]).sum())
        pairs = np.unique(np.stack([source, core[child]]), axis=1)
        routes.append(np.concatenate([pairs, np.full((1, pairs.shape[1]), kind)]))
    source, target, _ = np.concatenate(routes, axis=1)
    steps = distances(side, cores)[core[source], target]
    unit = np.arange(wiring.units if wiring.own_words else 0)  # a channel reads its own unit's earlier ones
    axons = np.unique(np.concatenate([np.stack([source, target]), np.stack([unit, core[unit]])], axis=1), axis=1)
    return Placement(
        core=core,
        block=block,
        side=side,
        multicast=int((steps > 0).sum()) * m,
        unicast=unicast * m,
        hops=int(steps.sum()) * m,
        longest=int(steps.max(initial=0)),
        axons_in=int(np.bincount(axons[1], minlength=1).max()) * m,
        axons_out=int(np.bincount(core[axons[0]], minlength=1).max()) * m,
    )
