"""The report of a grid held against a chip: limits, what exceeds them, memory, energy, time; and what was placed."""

from rich import box
from rich.table import Table
from rich.text import Text

from localnoise.errors import ArgumentError
from localnoise.hardware import ChipGrid
from localnoise.hardware.export.verilog.placed import Placed
from localnoise.hardware.fitting.fit import Fit
from localnoise.hardware.fitting.fit import fit as hold_against
from localnoise.sims.runtime.console import console, show

_PARTS = ("arithmetic", "memory", "random", "messages")


def required_fit(chip: ChipGrid, profile: str, learner: str = "none") -> Fit:
    """Return the fit of a grid that must fit `profile`; where it does not, show the whole of it before raising."""
    found = hold_against(chip, profile, learner=learner)
    if not found.fits:
        show_fit(found)
        raise ArgumentError(found.refusal)
    return found


def show_fit(found: Fit, draws: int = 10) -> None:
    """Print every limit, what exceeds it and what would fit, memory, energy and time. draws: a presentation's."""
    show(_limits(found))
    _excesses(found)
    show(_memory(found))
    show(_costs(found, draws))
    console.print(_latency(found))


def _limits(found: Fit) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=f"{found.profile.title}")
    table.add_column("limit")
    for column in ("used", "available", "per cent"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    colours = {"fits": "green", "exceeds": "bold red", "unknown": "yellow"}
    for *cells, verdict in found.table:
        table.add_row(*cells, Text(verdict, colours[verdict]))
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


def placed_table(found: Fit, placed: Placed, clocks_a_draw: int) -> Table:
    """The estimate before synthesis beside what the tools placed."""
    table = Table(box=box.SIMPLE_HEAD, title="synthesised by Yosys, placed and routed by nextpnr")
    table.add_column("of")
    for column in ("estimated", "placed", "available"):
        table.add_column(column, justify="right")
    used = {row.limit: row.used for row in found.rows}
    single, block = (used[name] for name in ("single_port_ram", "block_ram"))
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
