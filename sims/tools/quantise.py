"""Quantise a fitted grid for a chip: integers that the emulator, and every export, draws to the bit."""

from pathlib import Path
from typing import Annotated

import typer

from localnoise import Repair, load
from localnoise.errors import ArgumentError
from localnoise.files import as_output, refuse_same
from localnoise.files.places import destination
from localnoise.hardware import Formats
from localnoise.hardware.chips.profile import load_profile
from localnoise.hardware.formats import NORMALS, OVERFLOWS, ROUNDINGS
from localnoise.hardware.generators import GENERATORS
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.options import Force, one_of
from localnoise.sims.tools.inputs import file_of
from localnoise.sims.tools.quantised_grid import quantise_grid
from localnoise.sims.tools.quantised_repair import quantise_repair


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
        "activations": file_of(activations),
        "displacements": file_of(displacements),
        "chip": Path(chip) if chip.endswith(".toml") else None,
    }
    refuse_same("output", output, inputs)
    destination(output)
    if figure is not None:
        as_output("figure", figure, "a figure", inputs=inputs | {"output": output}, force=force)
    source, profile = load(grid), load_profile(chip)
    kind = "a chip's repair" if isinstance(source, Repair) else "a chip grid"
    as_output("output", output, kind, inputs=inputs, force=force)
    formats = Formats(
        weight_bits=profile.width("weight_bits", 8) if weight_bits is None else weight_bits,
        word_bits=profile.width("word_bits", 12) if word_bits is None else word_bits,
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
    quantise_grid(
        source, formats, grid.name, output, chip, activations=activations, displacements=displacements,
        feedback=feedback, figure=figure,
    )  # fmt: skip


if __name__ == "__main__":
    typer.run(quantise)
