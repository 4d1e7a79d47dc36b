"""A repair held against a microcontroller: tables against flash, words against RAM, products against time."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from localnoise.errors import ArgumentError
from localnoise.hardware.chips.profile import Profile, load_profile
from localnoise.hardware.fitting.cycles import repair_instructions
from localnoise.hardware.repair import ChipRepair

PROGRAM, BENDING = 4096, 512  # bytes that the exported C's code takes at most on a Cortex-M4, and more with bends


@final
@dataclass(frozen=True, kw_only=True)
class RepairFit:
    """A repair's demand, and a chip's offer.

    Attributes
    ----------
    profile : Profile
    flash, ram : int
        Bytes: tables and program; activation words in and out, and what bends are read from.
    flash_limit, ram_limit : float or None
        Bytes, infinity without a limit; None where none is published.
    decides, repairs : int
        Multiplications an image.
    instructions : int
        An image, of a Cortex-M4, with something to repair (`cycles`).
    """

    profile: Profile
    flash: int
    ram: int
    flash_limit: float | None
    ram_limit: float | None
    decides: int
    repairs: int
    instructions: int

    @property
    def fits(self) -> bool:
        """Return whether both memories hold it. A limit that is unknown is not taken for one that holds."""
        return not self.refusal

    @property
    def milliseconds(self) -> float | None:
        """Least time an image, at an instruction a clock; None where no clock is published."""
        clock = self.profile.clock.number
        return None if not clock or clock == float("inf") else 1e3 * self.instructions / clock

    @property
    def refusal(self) -> str:
        """One sentence about the memory that does not hold it, or ""."""
        name = self.profile.name
        if self.flash_limit is None or self.ram_limit is None:
            return (
                f"chip={name!r}: flash and RAM of a program are not published, and a repair is one: expected a "
                "microcontroller, such as stm32f407 or stm32h747"
            )
        for what, used, limit, fix in (
            (
                "flash",
                self.flash,
                self.flash_limit,
                "fewer members, parents or bits, or share='places'",
            ),
            ("RAM", self.ram, self.ram_limit, "a smaller layer"),
        ):
            if used > limit:
                return f"chip={name!r}: the repair takes {used:,} bytes of {what}, it has {limit:,.0f}: expected {fix}"
        return ""


def fit_repair(chip: ChipRepair, profile: Profile | str | Path) -> RepairFit:
    """Hold a repair against a profile, its name or its file."""
    chosen = load_profile(profile) if isinstance(profile, (str, Path)) else profile
    ideal = float("inf") if chosen.kind == "ideal" else None
    decides, repairs = chip.multiplications
    return RepairFit(
        profile=chosen,
        flash=chip.flash + PROGRAM + BENDING * chip.field.bends,
        ram=chip.ram,
        flash_limit=ideal or chosen.limit("flash"),
        ram_limit=ideal or chosen.limit("ram"),
        decides=decides,
        repairs=repairs,
        instructions=repair_instructions(chip),
    )


def check_repair_fits(chip: ChipRepair, profile: Profile | str | Path) -> RepairFit:
    """As `fit_repair`, for what must fit.

    Raises
    ------
    ArgumentError
        It does not: one sentence.
    """
    found = fit_repair(chip, profile)
    if not found.fits:
        raise ArgumentError(found.refusal)
    return found
