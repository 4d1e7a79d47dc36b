"""Chips: what is published of them, and whether a quantised grid fits one."""

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from localnoise.hardware import load_chip
from localnoise.hardware.chips.profile import load_profile, profile_names
from localnoise.hardware.chips.profile_schema import Figure
from localnoise.hardware.export.verilog.placed import Placed, place_chip
from localnoise.hardware.export.verilog.plan import clocks
from localnoise.hardware.fitting.fit import Fit
from localnoise.hardware.fitting.fit import fit as hold_against
from localnoise.sims.console import console, show
from localnoise.sims.randomness import random

_PARTS = ("arithmetic", "memory", "random", "messages")

chip = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="""Chips: what is published of them, and whether a quantised grid fits one.

Examples

    localnoise chip list

    localnoise chip show ice40up5k

    localnoise chip fit chip.h5 --chip stm32f407

    localnoise chip random --generator lfsr32
""",
)


@chip.command("list")
def list_chips() -> None:
    """List the chips that have a profile.

    Examples
    --------
        localnoise chip list
    """
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("name", "chip", "kind"):
        table.add_column(column)
    table.add_column("limits published", justify="right")
    for name in profile_names():
        profile = load_profile(name)
        known = [figure for figure in profile.limits.values() if figure.status != "unknown"]
        table.add_row(name, profile.title, profile.kind, f"{len(known)} of {len(profile.limits)}")
    show(table)


@chip.command("show")
def show_chip(name: Annotated[str, typer.Argument(help="Name, or the path of your own TOML file.")]) -> None:
    """Show a chip's limits and energies, each with its source and standing.

    Examples
    --------
        localnoise chip show loihi1

        localnoise chip show my-board.toml
    """
    profile = load_profile(name)
    table = Table(box=box.SIMPLE_HEAD, title=f"{profile.title}: {profile.kind}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for column in ("unit", "status", "source"):
        table.add_column(column)
    named = {"clock": profile.clock, **profile.limits}
    named |= {f"energy, {key}": figure for key, figure in profile.energy.items()} | dict(profile.facts)
    for key, figure in named.items():
        table.add_row(key.replace("_", " "), _value(figure), figure.unit or "", figure.status, figure.source or "")
    show(table)
    if profile.note != "-":
        console.print(profile.note)


@chip.command("fit")
def fit_chip(
    file: Annotated[Path, typer.Argument(help="Chip grid that `localnoise quantise` wrote.")],
    name: Annotated[str, typer.Option("--chip", help="Name, or the path of your own TOML file.")] = "ideal",
    learner: Annotated[str, typer.Option(help="Whether units learn on the chip: none, lms or sign-lms.")] = "none",
    units_per_core: Annotated[int | None, typer.Option(help="Units a core is to hold. Default: what it can.")] = None,
    draws: Annotated[int, typer.Option(help="Draws averaged per inference.")] = 10,
    placed: Annotated[bool, typer.Option("--place", help="Synthesise, place and route it (ice40up5k).")] = False,
) -> None:
    """Hold a quantised grid against a chip: every limit, what exceeds it, what would fit; memory, energy, latency.

    Exits with 1 where a published limit is exceeded.

    Examples
    --------
        localnoise chip fit chip.h5 --chip ice40up5k --place

        localnoise chip fit chip.h5 --chip loihi1 --learner sign-lms --units-per-core 16
    """
    grid = load_chip(file)
    found = hold_against(grid, name, learner=learner, units_per_core=units_per_core)
    show(_limits(found))
    _excesses(found)
    show(_memory(found))
    show(_costs(found, draws))
    console.print(_latency(found))
    if placed:
        show(_placed(found, place_chip(grid, name), clocks(grid)))
    silent = [limit for limit in found.unknown if not (placed and limit == "logic_cells")]
    unknown = f"; not published: {', '.join(silent).replace('_', ' ')}" if silent else ""
    console.print(("fits what is published of " if found.fits else "does not fit ") + found.profile.title + unknown)
    if not found.fits:
        raise typer.Exit(1)


chip.command("random")(random)


def _value(figure: Figure) -> str:
    if figure.value is None:
        return {"unknown": "not published", "unlimited": "no limit"}.get(figure.status, "")
    return ", ".join(figure.value) if isinstance(figure.value, tuple) else f"{figure.value:,}"


def _limits(found: Fit) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=f"{found.profile.title}")
    table.add_column("limit")
    for column in ("used", "available", "per cent"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    colours = {"fits": "green", "exceeds": "bold red", "unknown": "yellow"}
    for *cells, verdict in found.table:
        table.add_row(*cells, f"[{colours[verdict]}]{verdict}[/]")
    return table


def _excesses(found: Fit) -> None:
    for excess in found.excesses[:10]:
        link = f" from parent {excess.parent}" if excess.parent else ""
        console.print(
            f"unit {excess.unit}{link}: {excess.limit.replace('_', ' ')} {excess.used:g} of {excess.allowed:g}"
        )
    if len(found.excesses) > 10:
        console.print(f"... and {len(found.excesses) - 10} more units or links")
    for change in found.suggestions:
        console.print("would fit: " + ", ".join(f"{key} {value}" for key, value in change.items()).replace("_", " "))


def _memory(found: Fit) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="memory map")
    table.add_column("region")
    table.add_column("bytes", justify="right")
    for region, bits in found.memory.regions.items():
        table.add_row(region, f"{bits / 8:,.0f}")
    table.add_row("all", f"{found.memory.bytes:,}")
    table.add_row("of these, changing (RAM)", f"{found.memory.ram:,}")
    return table


def _costs(found: Fit, draws: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="energy, nJ")
    table.add_column("of")
    for column in (*_PARTS, "sum"):
        table.add_column(column, justify="right")
    rows = {"one draw": (found.energy, 1), f"an inference of {draws} draws": (found.energy, draws)}
    if found.learning_energy is not None:
        rows["one learning step"] = (found.learning_energy, 1)
    rows["one draw, dense covariance"] = (found.dense_energy, 1)
    for name, (energy, times) in rows.items():
        cells = [getattr(energy, part) for part in _PARTS]
        texts = ["not published" if cell is None else f"{cell * times / 1000:,.1f}" for cell in cells]
        table.add_row(name, *texts, f"{energy.total * times / 1000:,.1f}")
    table.add_row("price from", *(found.energy.sources[part] for part in _PARTS), "")
    return table


def _placed(found: Fit, placed: Placed, clocks_a_draw: int) -> Table:
    """The estimate before synthesis beside what the tools placed."""
    table = Table(box=box.SIMPLE_HEAD, title="synthesised by Yosys, placed and routed by nextpnr")
    table.add_column("of")
    for column in ("estimated", "placed", "available"):
        table.add_column(column, justify="right")
    used = {row.limit: row.used for row in found.rows}
    single, block = (used[name] for name in ("single_port_ram", "block_ram"))
    if placed.used["single_port_rams"] == 0:  # all of it lies in block RAM
        single, block = 0, float(single or 0) + float(block or 0)
    estimates = {"logic_cells": "", "multipliers": "1", "pins": ""}
    for name, bits, size in (("ram_blocks", block, 4096), ("single_port_rams", single, 262_144)):
        estimates[name] = f"{-(-int(bits or 0) // size)}"
    for name, number in placed.used.items():
        table.add_row(name.replace("_", " "), estimates[name], f"{number:,}", f"{placed.available[name]:,}")
    table.add_row("clock, MHz", "", f"{placed.clock / 1e6:.1f}", "")
    table.add_row("clocks a draw", f"{found.latency.serial_cycles:,}", f"{clocks_a_draw:,}", "")
    table.add_row("a draw, ms", "", f"{clocks_a_draw / placed.clock * 1e3:.2f}", "")
    return table


def _latency(found: Fit) -> str:
    late = found.latency
    times = [(late.parallel_cycles, late.parallel_seconds), (late.serial_cycles, late.serial_seconds)]
    parallel, serial = (f"{n:,} cycles" + (f" ({s * 1e3:,.3f} ms)" if s is not None else "") for n, s in times)
    return f"a draw takes {parallel} with an engine per unit (chain of {late.depth} units), {serial} with one engine"


if __name__ == "__main__":
    chip()
