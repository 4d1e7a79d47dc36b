"""The part of `localnoise quantise` that is about repairs: quantised, held against the chip, saved, compared."""

from pathlib import Path

from rich.table import Table

from localnoise import Repair
from localnoise.hardware import Formats, RepairReport, repair_report
from localnoise.hardware import quantise as to_integers
from localnoise.hardware.fitting.repair import check_repair_fits
from localnoise.sims.reports.fits import repair_costs
from localnoise.sims.runtime.console import command, console, follow, progress, show
from localnoise.sims.runtime.tables import terminal_table


def quantise_repair(repair: Repair, formats: Formats, name: str, output: Path, chip: str, *, feedback: bool) -> None:
    """Quantise `repair`, which the file `name` holds, for the profile `chip`, and say what that did to it."""
    with progress() as bars:
        bar = bars.add_task("quantise", total=len(repair.members))
        made = to_integers(repair, formats, feedback=feedback, progress=follow(bars, bar))
    made.provenance |= {"repair": name, "chip": chip}
    found = check_repair_fits(made, chip)
    made.save(output)  # first: whatever happens to the comparison, the chip's repair is there
    console.print(f"{output}: {made!r}, {made.parameters:,} integers, {made.bytes_per_unit:,.0f} bytes/unit")
    show(_table(repair_report(repair, made)))
    show(repair_costs(found))
    console.print(f"To C: {command('export', output)}")


def _table(found: RepairReport) -> Table:
    shares = {part.source: part for part in found.parts} | {"mean": found}
    rows = [[name, f"{one.equal:.2%}", f"{one.error:.3%}", f"{one.hard:.3%}"] for name, one in shares.items()]
    title = "against the repair it came from, on its held-out activations"
    return terminal_table(["source", "equal decisions", "error", "hard alone"], rows, title)
