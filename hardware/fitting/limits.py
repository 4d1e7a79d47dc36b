"""The use that a grid makes of each limit of a chip, and the units and links that use too much."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from localnoise.hardware.chips.profile import Profile
from localnoise.hardware.chips.profile_schema import Figure
from localnoise.hardware.fitting.blocks import bits_in_blocks
from localnoise.hardware.fitting.memory import MemoryMap, shared_bits, unit_bits
from localnoise.hardware.fitting.placement import Placement, distances
from localnoise.hardware.fitting.wiring import Wiring
from localnoise.hardware.formats import Formats

FITS, EXCEEDS, UNKNOWN = "fits", "exceeds", "unknown"
Used = float | str | None


@final
@dataclass(frozen=True, kw_only=True)
class Demand:
    """A grid in its formats, where it would lie on the chip, and what it stores: what limits are held against.

    Attributes
    ----------
    wiring, formats, learner
        As elsewhere.
    placement : Placement or None
        None where it is unknown, or no core holds even one unit.
    memory : MemoryMap
    """

    wiring: Wiring
    formats: Formats
    learner: str
    placement: Placement | None
    memory: MemoryMap

    @property
    def core_bytes(self) -> int:
        """Bytes of the fullest core; of the largest unit where the placement is unknown."""
        shared = shared_bits(self.wiring, self.formats)  # every core needs it
        if self.placement is None:
            return -(-(self.memory.largest_unit + shared) // 8)
        bits = unit_bits(self.wiring, self.formats, learner=self.learner)
        return -(-(int(np.bincount(self.placement.core, bits).max()) + shared) // 8)

    @property
    def core_neurons(self) -> int:
        """Neurons of the fullest core; of one unit where the placement is unknown."""
        most = 1 if self.placement is None else int(np.bincount(self.placement.core).max())
        return most * self.wiring.channels


@final
@dataclass(frozen=True, kw_only=True)
class Row:
    """One limit: what is used of what is available.

    Attributes
    ----------
    limit : str
    used : float, str or None
        None where it is not known: before synthesis, or without a placement.
    available : Figure
    verdict : str
        "fits", "exceeds" or "unknown". A limit that is not published never fits.
    """

    limit: str
    used: Used
    available: Figure
    verdict: str

    @property
    def percent(self) -> float | None:
        """Used of available, where both are numbers."""
        number = self.available.number
        if not isinstance(self.used, (int, float)) or number is None or number == float("inf"):
            return None
        return 100 * self.used / number

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """(limit, used, available, per cent, verdict) as texts for a table."""
        value, percent = self.available.value, self.percent
        texts = {"unknown": "not published", "unlimited": "no limit"}
        available = ", ".join(value) if isinstance(value, tuple) else f"{value:,}" if value is not None else ""
        used = "not known" if self.used is None else self.used if isinstance(self.used, str) else f"{self.used:,}"
        name = self.limit.replace("_", " ") + (f" ({self.available.unit})" if self.available.unit != "names" else "")
        shown = "" if percent is None else f"{percent:.0f}%"
        return name, used, texts.get(self.available.status, available), shown, self.verdict


@final
@dataclass(frozen=True, kw_only=True)
class Excess:
    """A unit, or a link to its parent, that uses more than a limit allows.

    Attributes
    ----------
    limit : str
    unit : tuple of int
        (y, x).
    parent : tuple of int or None
        (y, x) of a link's other end.
    used, allowed : float
    """

    limit: str
    unit: tuple[int, int]
    parent: tuple[int, int] | None
    used: float
    allowed: float


def rows_of(demand: Demand, profile: Profile) -> tuple[Row, ...]:
    """Every limit of the profile. Cost O(N K)."""
    rows = []
    for name, figure in profile.limits.items():
        used = _MEASURES[name](demand, profile)
        rows.append(Row(limit=name, used=used, available=figure, verdict=_verdict(used, figure)))
    return tuple(rows)


def excesses_of(demand: Demand, profile: Profile) -> tuple[Excess, ...]:
    """Units beyond the fan-in, fan-out or one core's room, and links beyond the link length, in row order."""
    wiring = demand.wiring
    bits = unit_bits(wiring, demand.formats, learner=demand.learner)
    each = {
        "fan_in": wiring.fan_in,
        "fan_out": wiring.fan_out,
        "neurons_per_core": np.full(wiring.units, wiring.channels),
        "memory_per_core": -(-(bits + shared_bits(wiring, demand.formats)) // 8),
    }
    found: list[Excess] = []
    for limit, used in each.items():
        allowed = profile.limit(limit)
        if allowed is not None:
            for unit in np.flatnonzero(used > allowed):
                place = wiring.position(unit)
                found.append(Excess(limit=limit, unit=place, parent=None, used=int(used[unit]), allowed=allowed))
    return (*found, *_long_links(demand, profile))


def _long_links(demand: Demand, profile: Profile) -> Iterator[Excess]:
    allowed, wiring, placement = profile.limit("link_length"), demand.wiring, demand.placement
    if allowed is None or placement is None:
        return
    core, parents = placement.core, wiring.parents
    hops = distances(placement.side, placement.cores)[core[:, None], core[parents]]
    for unit, slot in zip(*np.nonzero((parents >= 0) & (hops > allowed)), strict=True):
        ends = wiring.position(unit), wiring.position(parents[unit, slot])
        used = int(hops[unit, slot])
        yield Excess(limit="link_length", unit=ends[0], parent=ends[1], used=used, allowed=allowed)


def _verdict(used: Used, figure: Figure) -> str:
    if isinstance(figure.value, tuple):
        return FITS if used in figure.value else UNKNOWN  # a generator by another name may be the same, or programmed
    number = figure.number
    if number == float("inf"):
        return FITS
    if number is None or not isinstance(used, (int, float)):
        return UNKNOWN
    return FITS if used <= number else EXCEEDS


def _placed(name: str) -> Callable[[Demand, Profile], Used]:
    return lambda demand, profile: None if demand.placement is None else int(getattr(demand.placement, name))


def _format(name: str) -> Callable[[Demand, Profile], Used]:
    return lambda demand, profile: getattr(demand.formats, name)


def _blocks(demand: Demand, profile: Profile, which: int) -> Used:
    """Bits in blocks of one engine; not known of a grid with `share` or `rank`, for which there is no Verilog."""
    if demand.wiring.narrow is not None:
        return None
    return bits_in_blocks(demand.wiring, demand.formats, profile, demand.learner)[which]


_MEASURES: dict[str, Callable[[Demand, Profile], Used]] = {
    "cores": _placed("cores"),
    "neurons_per_core": lambda demand, profile: demand.core_neurons,
    "neurons": lambda demand, profile: demand.wiring.neurons,
    "weights": lambda demand, profile: int(demand.wiring.weights.sum()) + demand.wiring.shared_weights,
    "fan_in": lambda demand, profile: int(demand.wiring.fan_in.max()),
    "fan_out": lambda demand, profile: int(demand.wiring.fan_out.max()),
    "axons_in": _placed("axons_in"),
    "axons_out": _placed("axons_out"),
    "weight_bits": _format("weight_bits"),
    "word_bits": _format("word_bits"),
    "accumulator_bits": _format("accumulator_bits"),
    "memory_per_core": lambda demand, profile: demand.core_bytes,
    "memory": lambda demand, profile: demand.memory.bytes,
    "link_length": _placed("longest"),
    "messages_per_draw": _placed("multicast"),
    "generators": _format("generator"),
    "flash": lambda demand, profile: demand.memory.flash,
    "ram": lambda demand, profile: demand.memory.ram,
    "logic_cells": lambda demand, profile: None,  # known after synthesis
    "block_ram": lambda demand, profile: _blocks(demand, profile, 1),
    "single_port_ram": lambda demand, profile: _blocks(demand, profile, 0),
    "multipliers": lambda demand, profile: 1,  # one engine, a multiplication a cycle
}
