"""Chips: what is published of them, and whether a quantised grid fits one."""

from pathlib import Path
from typing import Annotated

import typer

from localnoise.errors import ArgumentError
from localnoise.hardware import ChipBank, ChipGrid, ChipRepair, load_chips
from localnoise.hardware.chips.profile import load_profile
from localnoise.hardware.chips.profile_schema import Figure
from localnoise.hardware.export.verilog.placed import place_chip
from localnoise.hardware.export.verilog.plan import clocks
from localnoise.hardware.fitting.fit import fit as hold_against
from localnoise.hardware.fitting.memory import LEARNERS
from localnoise.hardware.fitting.network import fit_network
from localnoise.hardware.fitting.repair import fit_repair
from localnoise.hardware.network import ChipDefense, Program
from localnoise.sims.reports.fits import network_costs, placed_table, repair_costs, show_fit
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import console, errors, show
from localnoise.sims.runtime.options import one_of
from localnoise.sims.runtime.renamed import Command
from localnoise.sims.runtime.tables import terminal_table
from localnoise.sims.tools.names import names
from localnoise.sims.tools.randomness import random

chip = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="""Chips: what is published of them, and whether a quantised grid fits one.

Examples

    localnoise list chips

    localnoise chip show ice40up5k

    localnoise chip fit chip.h5 --chip stm32f407

    localnoise chip random --generator lfsr32
""",
)
commands.register("chip", "Chip", "Chips: their published limits, and whether a quantised grid fits one.")(chip)


@chip.command("list", cls=Command, hidden=True)
def list_chips() -> None:
    """List the chips that have a profile: now `localnoise list chips`.

    Examples
    --------
        localnoise list chips
    """
    errors.print("warning: `chip list` is now `list chips`; the old name goes with the next version")
    names("chips")


@chip.command("show", cls=Command)
def show_chip(name: Annotated[str, typer.Argument(help="Name, or the path of your own TOML file.")]) -> None:
    """Show a chip's limits and energies, each with its source and standing.

    Examples
    --------
        localnoise chip show loihi1

        localnoise chip show my-board.toml
    """
    profile = load_profile(name)
    named = {"clock": profile.clock, **profile.limits}
    named |= {f"energy, {key}": figure for key, figure in profile.energy.items()} | dict(profile.facts)
    rows = [
        [key.replace("_", " "), _value(figure), figure.unit or "", figure.status, figure.source or ""]
        for key, figure in named.items()
    ]
    heads = ["figure", "value", "unit", "status", "source"]
    show(terminal_table(heads, rows, f"{profile.title}: {profile.kind}", left=(0, 2, 3, 4)))
    if profile.note != "-":
        console.print(profile.note)


@chip.command("fit", cls=Command)
def fit_chip(
    file: Annotated[Path, typer.Argument(help="Chip grid, bank or repair of `quantise`; or a network's chip.h5.")],
    name: Annotated[str, typer.Option("--chip", help="Name, or the path of your own TOML file.")] = "ideal",
    learner: Annotated[str, one_of(LEARNERS, help="Whether units learn on the chip, and how.")] = "none",
    units_per_core: Annotated[int | None, typer.Option(help="Units a core is to hold. Default: what it can.")] = None,
    draws: Annotated[int, typer.Option(help="Draws averaged per inference.")] = 10,
    placed: Annotated[bool, typer.Option("--place", help="Synthesise, place and route it (ice40up5k).")] = False,
) -> None:
    """Hold a quantised grid against a chip: every limit, what exceeds it, what would fit; memory, energy, latency.

    Of a bank all members together, as they would lie on the chip. Of a repair flash, RAM and multiplications.

    Exits with 1 where a published limit is exceeded.

    Examples
    --------
        localnoise chip fit chip.h5 --chip ice40up5k --place

        localnoise chip fit chip.h5 --chip loihi1 --learner sign-lms --units-per-core 16
    """
    grid = load_chips(file)
    if isinstance(grid, (Program, ChipDefense)):
        whole = fit_network(grid, name)
        show(network_costs(whole))
        console.print(whole.refusal or f"{file.name} fits {whole.profile.title}.")
        if not whole.fits:
            raise typer.Exit(1)
        return
    if isinstance(grid, ChipRepair):
        asked = {"learner": learner != "none", "units-per-core": units_per_core is not None, "place": placed}
        for option in (name for name, given in asked.items() if given):
            raise ArgumentError(f"--{option} was given with a repair, which is a program: expected none")
        held = fit_repair(grid, name)
        show(repair_costs(held))
        console.print(held.refusal or f"{file.name} fits {held.profile.title}.")
        if not held.fits:
            raise typer.Exit(1)
        return
    found = hold_against(grid, name, learner=learner, units_per_core=units_per_core)
    show_fit(found, draws)
    if placed and isinstance(grid, ChipBank):
        raise ArgumentError("--place was given with a bank: expected one grid; leave it out, or export its members")
    if placed and isinstance(grid, ChipGrid):
        show(placed_table(found, place_chip(grid, name), clocks(grid)))
    silent = [limit for limit in found.unknown if not (placed and limit == "logic_cells")]
    unknown = f"; not published: {', '.join(silent).replace('_', ' ')}" if silent else ""
    console.print(("fits what is published of " if found.fits else "does not fit ") + found.profile.title + unknown)
    if not found.fits:
        raise typer.Exit(1)


chip.command("random", cls=Command)(random)


def _value(figure: Figure) -> str:
    if figure.value is None:
        return {"unknown": "not published", "unlimited": "no limit"}.get(figure.status, "")
    return ", ".join(figure.value) if isinstance(figure.value, tuple) else f"{figure.value:,}"


if __name__ == "__main__":
    chip()
