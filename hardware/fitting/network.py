"""A network, with or without its defense, held against a microcontroller: flash, RAM and stack in one budget."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from localnoise.errors import ArgumentError
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.chips.profile import Profile, load_profile
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.fitting.cycles import Share, shares
from localnoise.hardware.fitting.memory import memory_map
from localnoise.hardware.fitting.repair import BENDING
from localnoise.hardware.network.defense import ChipDefense
from localnoise.hardware.network.program import Program
from localnoise.hardware.network.sizes import network_bytes
from localnoise.hardware.repair import ChipRepair

PROGRAM = 8192  # bytes that the exported C's code of a network takes at most on a Cortex-M4; it was 6.2 kB
FIELD = 4096  # likewise, of what draws or repairs
STACK = 1024  # bytes; 344 were used by a network, as the emulated Cortex-M4 counts


@final
@dataclass(frozen=True, kw_only=True)
class NetworkFit:
    """A network's demand, and a chip's offer.

    Attributes
    ----------
    profile : Profile
        Of the chip.
    flash, ram : dict of str to int
        Bytes by part.
    flash_limit, ram_limit : float or None
        Bytes, infinity without a limit; None where none is published.
    multiplications : int
        An image, of the network's layers with all draws; those of the noise or the repair come on top.
    draws : int
        An input.
    shares : list of Share or None
        Where the instructions of an image go on a Cortex-M4; None where they were not counted.
    noise : ChipGrid, ChipBank, ChipRepair or None
        What joins the network.
    """

    profile: Profile
    flash: dict[str, int]
    ram: dict[str, int]
    flash_limit: float | None
    ram_limit: float | None
    multiplications: int
    draws: int
    shares: list[Share] | None
    noise: ChipGrid | ChipBank | ChipRepair | None = None

    @property
    def fits(self) -> bool:
        """Return whether both memories hold it. A limit that is unknown is not taken for one that holds."""
        return not self.refusal

    @property
    def rows(self) -> list[tuple[str, str, int, float | None]]:
        """Memory, part and bytes, and the memory's limit, line by line; each memory's sum last."""
        found: list[tuple[str, str, int, float | None]] = []
        for memory, parts, limit in (("flash", self.flash, self.flash_limit), ("RAM", self.ram, self.ram_limit)):
            found += [(memory, part, used, None) for part, used in parts.items()]
            found.append((memory, "all", sum(parts.values()), limit))
        return found

    @property
    def refusal(self) -> str:
        """One sentence about the memory that does not hold it, and what to shrink, or ""."""
        name = self.profile.name
        if self.flash_limit is None or self.ram_limit is None:
            return _unknown(name)
        fixes = {
            "weights": "fewer weights in the network",
            "noise or repair": "fewer parents, weight bits or members",
            "working memory": "fewer places in its largest layers, or earlier pooling",
            "words of noise or repair": "a smaller layer for the noise",
        }
        if self.noise is not None and self.flash_limit != float("inf"):
            room = int(self.flash_limit) - sum(self.flash.values()) + self.flash["noise or repair"]
            fixes["noise or repair"] = shrunk(self.noise, self.flash["noise or repair"], room)
        for what, parts, limit in (("flash", self.flash, self.flash_limit), ("RAM", self.ram, self.ram_limit)):
            used, largest = sum(parts.values()), max(parts, key=lambda part: parts[part])
            if used > limit:
                return (
                    f"chip={name!r}: the network takes {used:,} bytes of {what}, it has {limit:,.0f}, and {largest} "
                    f"take {parts[largest]:,} of them: expected {fixes.get(largest, 'a smaller network')}"
                )
        return ""


def program_profile(chip: Profile | str | Path) -> Profile:
    """Return a profile, of a chip that runs programs.

    Raises
    ------
    ArgumentError
        Its flash or its RAM are not published.
    """
    chosen = load_profile(chip) if isinstance(chip, (str, Path)) else chip
    if chosen.kind != "ideal" and (chosen.limit("flash") is None or chosen.limit("ram") is None):
        raise ArgumentError(_unknown(chosen.name))
    return chosen


def _unknown(name: str) -> str:
    return (
        f"chip={name!r}: flash and RAM of a program are not published, and a network is one: expected a "
        "microcontroller, such as stm32f407 or stm32h747"
    )


def shrunk(noise: ChipGrid | ChipBank | ChipRepair, used: int, room: int) -> str:
    """Return what would bring the bytes of a noise or a repair, nearly in proportion, from `used` down to `room`."""
    other = "a smaller layer, or a chip with more flash"
    if isinstance(noise, ChipRepair):
        sources, ways = len(noise.sources) - 1, int(room / used * noise.field.members) - 1
        fewer = [f"{ways} sources instead of {sources}"] if 0 < ways < sources else []
        tied = [] if noise.config.share != "none" else ["ways back shared by places, as repair-8 has them"]
        return " or ".join([*fewer, *tied, *(() if fewer or tied else (other,))])
    one = noise.members[0] if isinstance(noise, ChipBank) else noise
    count, kept = (len(noise.members), int(room / used * len(noise.members))) if isinstance(noise, ChipBank) else (1, 0)
    if count > 1 and kept > 0:
        return f"{kept} source{'s' * (kept > 1)} instead of {count}, each of which has a grid"
    links = one.field.parents.shape[1] + one.field.readers.shape[1]
    parents = int(room * count / used * links) - one.field.readers.shape[1]
    if 0 < parents < one.field.parents.shape[1]:
        return f"{parents} parents instead of {one.field.parents.shape[1]}, as in --defense grid:parents={parents}"
    return other


def fit_network(chip: Program | ChipDefense, profile: Profile | str | Path) -> NetworkFit:
    """Hold a network against a microcontroller's profile.

    Parameters
    ----------
    chip : Program or ChipDefense
        Without its noise or repair, or with it.
    profile : Profile, str or Path
        Or its name, or the path of its file.

    Returns
    -------
    NetworkFit
        Memory by part, and multiplications.
    """
    chosen = load_profile(profile) if isinstance(profile, (str, Path)) else profile
    ideal = float("inf") if chosen.kind == "ideal" else None
    program = chip.program if isinstance(chip, ChipDefense) else chip
    flash, ram = network_bytes(program)
    multiplications, draws = program.multiplications, 1
    flash["program"] = PROGRAM
    if isinstance(chip, ChipDefense):
        own = chip.chip
        neurons, draws = max(one.config.neurons for one in chip.chips), chip.draws
        if isinstance(own, (ChipGrid, ChipBank)):
            noise = memory_map(own, whole_bytes=True)
            flash["noise or repair"], words = noise.flash, noise.ram
        else:
            flash["noise or repair"] = sum(one.flash for one in chip.repairs)
            words = 2 * neurons * (1 + chip.entry.signal)
        flash["program"] += FIELD * len(chip.chips) + BENDING * sum(one.field.bends for one in chip.repairs)
        ram["words of noise or repair"] = words + 4 * program.outputs
        multiplications = program.multiplications_from(0, program.mix) + draws * program.multiplications_from(
            program.mix, None
        )
    ram["stack"] = STACK + (chip.stack if isinstance(chip, ChipDefense) else 0)
    return NetworkFit(
        profile=chosen,
        flash=flash,
        ram=ram,
        flash_limit=ideal or chosen.limit("flash"),
        ram_limit=ideal or chosen.limit("ram"),
        multiplications=multiplications,
        draws=draws,
        shares=shares(chip),
        noise=chip.chip if isinstance(chip, ChipDefense) else None,
    )


def check_network_fits(chip: Program | ChipDefense, profile: Profile | str | Path) -> NetworkFit:
    """As `fit_network`, for what must fit.

    Raises
    ------
    ArgumentError
        It does not: one sentence.
    """
    found = fit_network(chip, profile)
    if not found.fits:
        raise ArgumentError(found.refusal)
    return found
