"""The report of a grid held against a chip: limits, what exceeds them, memory, energy, time; and what was placed."""

from rich.table import Table
from rich.text import Text

from localnoise.errors import ArgumentError
from localnoise.hardware import ChipBank, ChipGrid
from localnoise.hardware.export.verilog.placed import Placed
from localnoise.hardware.fitting.cycles import draw_instructions
from localnoise.hardware.fitting.fit import Fit
from localnoise.hardware.fitting.fit import fit as hold_against
from localnoise.hardware.fitting.network import NetworkFit
from localnoise.hardware.fitting.repair import RepairFit
from localnoise.sims.reports.table import as_terminal, texts
from localnoise.sims.runtime.console import console, show

_SHARES = 4  # of an image's instructions that are named
_PARTS = ("arithmetic", "memory", "random", "messages")


def required_fit(chip: ChipGrid | ChipBank, profile: str, learner: str = "none") -> Fit:
    """Return the fit of a grid, or of a bank's members together, that must fit `profile`.

    Where it does not, the whole of it is shown before raising.
    """
    found = hold_against(chip, profile, learner=learner)
    if not found.fits:
        show_fit(found)
        raise ArgumentError(found.refusal)
    return found


def repair_costs(found: RepairFit) -> Table:
    """Return the table of what a repair takes of a chip: memory, multiplications, the least time."""
    rows = [
        [what, f"{used:,}", "" if limit in (None, float("inf")) else f"{limit:,.0f}"]
        for what, used, limit in (
            ("tables and program, bytes of flash", found.flash, found.flash_limit),
            ("activation words, and what bends are read from, bytes of RAM", found.ram, found.ram_limit),
            ("multiplications an image, to decide", found.decides, None),
            ("multiplications an image, to repair", found.repairs, None),
            ("instructions an image that is repaired, within 20 %", found.instructions, None),
        )
    ]
    if found.milliseconds is not None:
        rows.append(["ms an image at one a clock, the least", f"{found.milliseconds:.2f}", ""])
    return as_terminal(texts(("of a repair", "used", "available"), rows), found.profile.title)


def network_costs(found: NetworkFit) -> Table:
    """Return the table of what a network takes of a chip."""
    rows = [
        [memory, part, f"{used:,}", "" if limit in (None, float("inf")) else f"{limit:,.0f}"]
        for memory, part, used, limit in found.rows
    ]
    draws = f", {found.draws} draws" * (found.draws > 1)
    rows.append(["time", f"multiplications an image{draws}", f"{found.multiplications:,}", ""])
    if found.shares is not None:
        count = sum(share.instructions for share in found.shares)
        repaired = any(share.what.startswith("repair") for share in found.shares)
        which = "an image that is repaired" if repaired else "an image"  # others take no way back
        rows.append(["", f"instructions {which}, within 20 %", f"{count:,}", ""])
        clock = found.profile.clock.number
        if clock and clock != float("inf"):
            rows.append(["", "ms an image at one a clock, the least", f"{count / clock * 1e3:,.1f}", ""])
        for share in sorted(found.shares, key=lambda share: -share.instructions)[:_SHARES]:
            rows.append(
                [
                    "",
                    f"of these {share.what}{f' ({share.runs} runs)' * (share.runs > 1)}",
                    f"{share.instructions / count:.0%}",
                    "",
                ]
            )
    return as_terminal(texts(("", "part", "bytes, or how many", "available"), rows), found.profile.title, left=(0, 1))


def _least(instructions: int, clock: float | None) -> str:
    """Return the time of instructions at one a clock."""
    if clock is None or clock == float("inf"):
        return "fitted to counts, within 20 %"
    return f"{instructions / clock * 1e3:,.2f} ms or more, at one a clock of {clock / 1e6:g} MHz; within 20 %"


def show_fit(found: Fit, draws: int = 10) -> None:
    """Print every limit, what exceeds it and what would fit, memory, energy and time. draws: a presentation's."""
    show(_limits(found))
    _excesses(found)
    show(_memory(found))
    show(_costs(found, draws))
    console.print(_latency(found))


def _limits(found: Fit) -> Table:
    colours = {"fits": "green", "exceeds": "bold red", "unknown": "yellow"}
    rows = [[*cells, Text(verdict, colours[verdict])] for *cells, verdict in found.table]
    heads = ("limit", "used", "available", "per cent", "verdict")
    return as_terminal(texts(heads, rows), found.profile.title, left=(0, 4))


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
    rows = [[region, f"{bits / 8:,.0f}"] for region, bits in found.memory.regions.items()]
    rows += [["all", f"{found.memory.bytes:,}"], ["of these, changing (RAM)", f"{found.memory.ram:,}"]]
    return as_terminal(texts(("region", "bytes"), rows), "memory map")


def _costs(found: Fit, draws: int) -> Table:
    rows = {"one draw": (found.energy, 1), f"an inference of {draws} draws": (found.energy, draws)}
    if found.learning_energy is not None:
        rows["one learning step"] = (found.learning_energy, 1)
    rows["one draw, dense covariance"] = (found.dense_energy, 1)
    lines = []
    for name, (energy, times) in rows.items():
        cells = [getattr(energy, part) for part in _PARTS]
        parts = ["not published" if cell is None else f"{cell * times / 1000:,.1f}" for cell in cells]
        lines.append([name, *parts, f"{energy.total * times / 1000:,.1f}"])
    lines.append(["price from", *(found.energy.sources[part] for part in _PARTS), ""])
    return as_terminal(texts(("of", *_PARTS, "sum"), lines), "energy, nJ")


def placed_table(found: Fit, placed: Placed, clocks_a_draw: int) -> Table:
    """The estimate before synthesis beside what the tools placed."""
    used = {row.limit: row.used for row in found.rows}
    single, block = (used[name] for name in ("single_port_ram", "block_ram"))
    estimates = {"logic_cells": "", "multipliers": "1", "pins": ""}
    for name, bits, size in (("ram_blocks", block, 4096), ("single_port_rams", single, 262_144)):
        estimates[name] = f"{-(-int(bits or 0) // size)}"
    rows = [
        [name.replace("_", " "), estimates[name], f"{number:,}", f"{placed.available[name]:,}"]
        for name, number in placed.used.items()
    ]
    rows += [
        ["clock, MHz", "", f"{placed.clock / 1e6:.1f}", ""],
        ["clocks a draw", f"{found.latency.serial_cycles:,}", f"{clocks_a_draw:,}", ""],
        ["a draw, ms", "", f"{clocks_a_draw / placed.clock * 1e3:.2f}", ""],
    ]
    title = "synthesized by Yosys, placed and routed by nextpnr"
    return as_terminal(texts(("of", "estimated", "placed", "available"), rows), title)


def _latency(found: Fit) -> str:
    late, demand, clock = found.latency, found.demand, found.profile.clock.number
    if found.profile.kind == "microcontroller":
        count = draw_instructions(demand.wiring, demand.formats)
        if count is None:
            return f"a draw takes {found.operations.multiplies:,} multiplications; instructions of such are not counted"
        return f"a draw takes about {count:,} instructions of a Cortex-M4 ({_least(count, clock)})"
    times = [(late.parallel_cycles, late.parallel_seconds), (late.serial_cycles, late.serial_seconds)]
    parallel, serial = (f"{n:,} cycles" + (f" ({s * 1e3:,.3f} ms)" if s is not None else "") for n, s in times)
    return f"a draw takes {parallel} with an engine per unit (chain of {late.depth} units), {serial} with one engine"
