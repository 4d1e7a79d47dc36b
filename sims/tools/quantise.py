"""Quantise a fitted grid for a chip: integers that the emulator, and every export, draws to the bit."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from localnoise import Bank, Repair, UnitGrid, load
from localnoise.bank import layout as layout_of
from localnoise.errors import ArgumentError
from localnoise.files import as_output, refuse_same
from localnoise.files.places import destination
from localnoise.hardware import ChipGrid, Formats, report
from localnoise.hardware import quantise as to_integers
from localnoise.hardware.chips.profile import Profile, load_profile
from localnoise.hardware.formats import NORMALS, OVERFLOWS, ROUNDINGS
from localnoise.hardware.generators import GENERATORS
from localnoise.hardware.quantiser import Report
from localnoise.hardware.quantiser.quantise import FEEDBACK_NEURONS
from localnoise.sims.reports.chips import quantised_figure
from localnoise.sims.reports.fits import required_fit
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import command, console, follow, progress, show
from localnoise.sims.runtime.options import Force, one_of
from localnoise.sims.runtime.tables import terminal_table
from localnoise.sims.tools import inputs as places
from localnoise.sims.tools.quantised_repair import quantise_repair

_CALIBRATION = 4096  # presentations to calibrate on


@commands.register("quantise", "Chip", "Quantise a grid for a chip: integers, emulated to the bit.")
def quantise(
    grid: Annotated[Path, typer.Argument(help="HDF5 file of a fitted grid, of a bank, or of a repair.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="HDF5 file to write.")] = Path("chip.h5"),
    chip: Annotated[
        str, typer.Option(help="Chip that it must fit: a name of `list chips`, or your TOML file.")
    ] = "ideal",
    weight_bits: Annotated[int | None, typer.Option(help="Default: 8, or as many as the chip has.")] = None,
    word_bits: Annotated[int | None, typer.Option(help="Default: 12, or as many as the chip has.")] = None,
    activation_bits: Annotated[int, typer.Option(help="Of the activation that signal-dependent units read.")] = 8,
    accumulator_bits: Annotated[int, typer.Option(help="16 to 64.")] = 32,
    rounding: Annotated[str, one_of(ROUNDINGS, help="How products are rounded.")] = "half-up",
    overflow: Annotated[str, one_of(OVERFLOWS, help="What a word does that is too large.")] = "saturate",
    generator: Annotated[str, one_of(GENERATORS, help="Of random words.")] = "xorshift32",
    normal: Annotated[str, one_of(NORMALS, help="Gaussian word: the sum of bytes, or of their bits.")] = "sum",
    normal_bytes: Annotated[int, typer.Option(help="Random bytes per Gaussian word.")] = 8,
    activations: Annotated[
        str, typer.Option(help="FILE:NAME or FILE.npy of activations to calibrate on; needed with signal dependence.")
    ] = "",
    displacements: Annotated[
        str,
        typer.Option(
            help="FILE:NAME or FILE.npy of displacements that the chip is to learn from: scales that hold them."
        ),
    ] = "",
    feedback: Annotated[
        bool, typer.Option(help="Compensate a parent's rounding in its children; of up to 8,192 neurons.")
    ] = True,
    figure: Annotated[Path | None, typer.Option(help="Figure of the errors, unit by unit.")] = None,
    force: Force = False,
) -> None:
    """Quantise a grid, a bank or a repair: scales, rounding with feedback, and what it did to the noise.

    The chip grid is saved first, then held against the grid: every unit of up to 8,192 neurons, of more a sample. Of a
    bank each member is held against the chip, and against its grid, by itself. A repair is calibrated on activations
    that its file holds, and compared on them: its decisions, and what it makes of them.

    Examples
    --------
        localnoise quantise grid.h5 -o chip.h5

        localnoise quantise grid.h5 --chip stm32f407 --weight-bits 6 --generator lfsr32 -o chip.h5

        localnoise quantise watch.h5 --activations windows.npy -o watch-chip.h5

        localnoise quantise signal.h5 --activations run.h5:layer2/h --figure errors.png
    """
    inputs = {
        "grid": grid,
        "activations": places.file_of(activations),
        "displacements": places.file_of(displacements),
    }
    inputs["chip"] = Path(chip) if chip.endswith(".toml") else None
    refuse_same("output", output, inputs)
    destination(output)
    if figure is not None:
        as_output("figure", figure, "a figure", inputs=inputs | {"output": output}, force=force)
    source, profile = load(grid), load_profile(chip)
    kind = "a chip's repair" if isinstance(source, Repair) else "a chip grid"
    as_output("output", output, kind, inputs=inputs, force=force)
    formats = Formats(
        weight_bits=_within(weight_bits, 8, profile, "weight_bits"),
        word_bits=_within(word_bits, 12, profile, "word_bits"),
        activation_bits=activation_bits,
        accumulator_bits=accumulator_bits,
        rounding=rounding,
        overflow=overflow,
        generator=generator,
        normal=normal,
        normal_bytes=normal_bytes,
    )
    if isinstance(source, Repair):
        for option, given in (("activations", activations), ("displacements", displacements), ("figure", figure)):
            if given:
                raise ArgumentError(f"--{option} was given with a repair, which has no use for it: expected none")
        quantise_repair(source, formats, grid.name, output, chip, feedback=feedback)
        return
    bank = isinstance(source, Bank)
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
        made.provenance |= {"grid": grid.name, "chip": profile.name}
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


def _within(asked: int | None, usual: int, profile: Profile, name: str) -> int:
    """Return the width that was asked for; else the usual one, or what the chip has, if that is less."""
    most = profile.limit(name)
    return asked if asked is not None else usual if most is None else int(min(usual, most))


def _read(place: str, argument: str, layout: places.Layout) -> Any:
    with places.given(place, argument, layout) as stored:
        return None if stored is None else np.asarray(stored[:_CALIBRATION], np.float32)


def _table(found: Report, made: ChipGrid, title: str) -> Table:
    rows = [[what, value, ""] for what, value in found.summary()]
    rows += [[f"worst {what}", value, unit] for what, value, unit in found.worst(made.config.shape[1])]
    return terminal_table(["measure", "value", "worst unit (y, x)"], rows, title)


if __name__ == "__main__":
    typer.run(quantise)
