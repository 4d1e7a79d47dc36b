"""The fit of a grid to a chip: every limit with what is used of it, what exceeds, and what would fit instead."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from localnoise.errors import ArgumentError
from localnoise.hardware.chips.profile import Profile, load_profile
from localnoise.hardware.fitting.cost import Operations, dense_operations, draw_operations, learning_operations
from localnoise.hardware.fitting.energy import Energy, energy_of
from localnoise.hardware.fitting.latency import Latency, latency_of
from localnoise.hardware.fitting.limits import EXCEEDS, UNKNOWN, Demand, Excess, Row, excesses_of, rows_of
from localnoise.hardware.fitting.memory import MemoryMap, dense_bits, map_of
from localnoise.hardware.fitting.placement import capacity, place
from localnoise.hardware.fitting.suggest import Change, suggestions
from localnoise.hardware.fitting.wiring import BankOnChip, Chip, Wiring
from localnoise.hardware.formats import Formats
from localnoise.validate import as_count


@final
@dataclass(frozen=True, kw_only=True)
class Fit:
    """A grid held against a profile.

    Attributes
    ----------
    profile : Profile
        Of the chip.
    rows : tuple of Row
        Every limit of the profile; `table` has them as texts.
    excesses : tuple of Excess
        Units and links that use more than is allowed.
    suggestions : tuple of dict
        Alternatives that would fit, computed (`hardware.fitting.suggest`).
    demand : Demand
        Wiring, formats, placement (None where it is unknown) and memory map.
    operations : Operations
        Of one draw.
    energy, dense_energy : Energy
        Of one draw of the grid, and of the dense form in one memory, in pJ.
    learning_energy : Energy or None
        Of one learning step, where the units learn.
    latency : Latency
        Of a draw.
    """

    profile: Profile
    rows: tuple[Row, ...]
    excesses: tuple[Excess, ...]
    suggestions: tuple[Change, ...]
    demand: Demand
    operations: Operations
    energy: Energy
    dense_energy: Energy
    learning_energy: Energy | None
    latency: Latency

    @property
    def fits(self) -> bool:
        """Return whether nothing that is published is exceeded; `unknown` says what is not published."""
        return all(row.verdict != EXCEEDS for row in self.rows)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Limits of which nothing can be said."""
        return tuple(row.limit for row in self.rows if row.verdict == UNKNOWN)

    @property
    def table(self) -> list[tuple[str, str, str, str, str]]:
        """(limit, used, available, per cent, verdict) as texts, a row a limit."""
        return [row.cells for row in self.rows]

    @property
    def memory(self) -> MemoryMap:
        """The memory map."""
        return self.demand.memory

    @property
    def refusal(self) -> str:
        """Why it does not fit, and what would, in one sentence; "" where it fits."""
        bad = [row for row in self.rows if row.verdict == EXCEEDS]
        if not bad:
            return ""
        first = bad[0]
        unit = next((excess for excess in self.excesses if excess.limit == first.limit), None)
        members = self.demand.wiring.members
        whole = f"the bank of {members}" if members else "the grid"
        where = f"unit {unit.unit}" if unit else whole
        if unit and unit.parent:
            where += f", parent {unit.parent}"
        used = unit.used if unit else first.used
        more = f" (also: {', '.join(row.limit for row in bad[1:])})" if bad[1:] else ""
        changes = (", ".join(f"{name}={value}" for name, value in change.items()) for change in self.suggestions)
        fixes = " or ".join(changes)
        fix = f"use {fixes}" if fixes else "no smaller grid of this shape fits; choose another chip or a smaller shape"
        return (
            f"profile={self.profile.name!r}: {where} needs {first.limit}={used}: expected at most "
            f"{first.available.value} {first.available.unit}{more}; {fix}"
        )


def fit(
    chip: Chip | BankOnChip,
    profile: Profile | str | Path,
    *,
    learner: str = "none",
    units_per_core: int | None = None,
) -> Fit:
    """Hold a grid on a chip, or all members of a bank together, against a profile.

    Parameters
    ----------
    chip : Chip or BankOnChip
        With `config`, `formats`, `field`: a `ChipGrid`; or a `ChipBank`, whose members lie in the same units, of which
        one draws at a time.
    profile : Profile, str or Path
        Or its name, or the path of its file.
    learner : str
        "none", "lms", "sign-lms" or "three-factor": whether the units learn on the chip, and by which rule.
    units_per_core : int, optional
        Units that a core is to hold, instead of what the profile implies; needed for a placement where it is silent.

    Returns
    -------
    Fit
        Limit by limit, with energy and time.

    Raises
    ------
    ArgumentError, FileFormatError
        Unknown profile or learner; fewer than 1 unit a core; a learner with a bank, or members of unlike wires; a
        profile's file that breaks the schema.
    """
    chosen = load_profile(profile) if isinstance(profile, (str, Path)) else profile
    asked = None if units_per_core is None else as_count("units_per_core", units_per_core, 1)
    wiring, formats = Wiring.of(chip), chip.formats

    def demand_of(some: Wiring, widths: Formats) -> Demand:
        room = capacity(some, widths, chosen, learner) if asked is None else asked
        placement = place(some, room) if room else None
        whole = chosen.kind == "microcontroller"
        memory = map_of(some, widths, learner=learner, whole_bytes=whole)
        return Demand(wiring=some, formats=widths, learner=learner, placement=placement, memory=memory)

    def exceeds_nothing(some: Wiring, widths: Formats) -> bool:
        return all(row.verdict != EXCEEDS for row in rows_of(demand_of(some, widths), chosen))

    demand = demand_of(wiring, formats)
    rows = rows_of(demand, chosen)
    bad = any(row.verdict == EXCEEDS for row in rows)
    operations = draw_operations(wiring, formats, demand.placement)
    held = demand.memory.bytes if demand.placement is None else demand.core_bytes
    learning = None if learner == "none" else learning_operations(wiring, formats, demand.placement, learner)
    dense_held = -(-dense_bits(wiring.neurons, formats.weight_bits) // 8)
    return Fit(
        profile=chosen,
        rows=rows,
        excesses=excesses_of(demand, chosen),
        suggestions=suggestions(wiring, formats, chosen, exceeds_nothing) if bad else (),
        demand=demand,
        operations=operations,
        energy=energy_of(operations, formats, chosen, held),
        dense_energy=energy_of(dense_operations(wiring.neurons, formats), formats, chosen, dense_held),
        learning_energy=None if learning is None else energy_of(learning, formats, chosen, held),
        latency=latency_of(wiring, formats, chosen),
    )


def check_fits(
    chip: Chip | BankOnChip, profile: Profile | str | Path, *, learner: str = "none", units_per_core: int | None = None
) -> Fit:
    """As `fit`, for what must fit.

    Parameters
    ----------
    chip, profile, learner, units_per_core
        As `fit` takes them.

    Returns
    -------
    Fit
        That fits.

    Raises
    ------
    ArgumentError
        A published limit is exceeded: the unit (y, x) where it is a unit's, the limit, used and allowed, and the fix.
    """
    found = fit(chip, profile, learner=learner, units_per_core=units_per_core)
    if not found.fits:
        raise ArgumentError(found.refusal)
    return found
