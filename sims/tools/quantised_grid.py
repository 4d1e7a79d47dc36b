"""The part of `localnoise quantise` that is about grids and banks: calibrated, quantised, saved, compared."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from localnoise import Bank, UnitGrid
from localnoise.bank import layout as layout_of
from localnoise.errors import ArgumentError
from localnoise.hardware import ChipGrid, Formats, report
from localnoise.hardware import quantise as to_integers
from localnoise.hardware.chips.profile import load_profile
from localnoise.hardware.quantiser import Report
from localnoise.hardware.quantiser.quantise import FEEDBACK_NEURONS
from localnoise.sims.reports.chips import quantised_figure
from localnoise.sims.reports.fits import required_fit
from localnoise.sims.runtime.console import command, console, follow, progress, show
from localnoise.sims.runtime.tables import terminal_table
from localnoise.sims.tools.inputs import Layout, given

_CALIBRATION = 4096  # presentations to calibrate on


def quantise_grid(
    source: Any,
    formats: Formats,
    name: str,
    output: Path,
    chip: str,
    *,
    activations: str,
    displacements: str,
    feedback: bool,
    figure: Path | None,
) -> None:
    """Quantise a grid or a bank, which the file `name` holds, for the profile `chip`, and say what that did to it.

    activations, displacements : "FILE:NAME" or "FILE.npy"; "" for none.
    """
    profile, bank = load_profile(chip), isinstance(source, Bank)
    layout, members = layout_of(source), source.members if bank else [source]
    h, d = _read(activations, "activations", layout), _read(displacements, "displacements", layout)
    if h is None and any(isinstance(one, UnitGrid) and one.field.signal for one in members):
        raise ArgumentError(
            "--activations is missing, but the grid is signal-dependent: expected FILE:NAME of activations to "
            "calibrate on; `localnoise fit --keep run.h5` writes them as run.h5:h"
        )
    with progress() as bars:
        bar = bars.add_task("quantise", total=len(members) * layout[1] * layout[2])
        made = to_integers(source, formats, h=h, d=d, feedback=feedback, progress=follow(bars, bar))
        made.provenance |= {"grid": name, "chip": profile.name}
    chips = made.members if bank else [made]
    required_fit(made, chip, "none" if d is None else "lms")
    made.save(output)  # first: whatever happens to the comparison, the chip grid is there
    console.print(f"{output}: {made!r}, {made.parameters:,} integers, {made.bytes_per_unit:,.0f} bytes/unit")
    if feedback and made.config.neurons > FEEDBACK_NEURONS and not made.config.narrow:
        console.print(f"Rounded without feedback: more than {FEEDBACK_NEURONS:,} neurons")
    with progress() as bars:
        bar = bars.add_task("compare with the grid", total=len(chips))
        found = []
        for one, own in zip(members, chips, strict=True):
            found.append(report(one, own, h=h))
            bars.update(bar, advance=1)
    for index, (said, own) in enumerate(zip(found, chips, strict=True)):
        show(_table(said, own, f"member {index} against its grid" if bank else "against the grid it came from"))
    if figure is not None:
        quantised_figure(found[0], chips[0], figure)
        console.print(f"{figure}: errors unit by unit{', of member 0' * bank}")
    if bank:
        console.print(f"To C: {command('export', output)}")
    else:
        console.print(f"Does it fit? {command('chip', 'fit', output, '--chip', chip)}")


def _read(place: str, argument: str, layout: Layout) -> Any:
    with given(place, argument, layout) as stored:
        return None if stored is None else np.asarray(stored[:_CALIBRATION], np.float32)


def _table(found: Report, made: ChipGrid, title: str) -> Table:
    rows = [[what, value, ""] for what, value in found.summary()]
    rows += [[f"worst {what}", value, unit] for what, value, unit in found.worst(made.config.shape[1])]
    return terminal_table(["measure", "value", "worst unit (y, x)"], rows, title)
