"""From activity to a chip, for a microcontroller and an FPGA: fit, quantise, hold against the chip, export, verify."""

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from localnoise.sims.runtime.console import console

_SOURCE = "rotate"


def steps(out: Path) -> list[str]:
    """Return the commands that the demonstration runs, in order."""
    fit = f"fit --train {_SOURCE} --cache {out / 'networks'}"
    mcu, fpga = out / "stm32f407", out / "ice40up5k"
    return [
        f"{fit} --parents 8 -o {mcu}.grid.h5",
        f"quantise {mcu}.grid.h5 --chip stm32f407 -o {mcu}.chip.h5",
        f"chip fit {mcu}.chip.h5 --chip stm32f407",
        f"export {mcu}.chip.h5 --chip stm32f407 --format c99 -o {mcu} --force",
        f"verify {mcu}",
        f"{fit} --parents 4 -o {fpga}.grid.h5",
        f"quantise {fpga}.grid.h5 --chip ice40up5k --weight-bits 4 -o {fpga}.chip.h5",
        f"chip fit {fpga}.chip.h5 --chip ice40up5k --place",
        f"export {fpga}.chip.h5 --chip ice40up5k --format verilog --load-weights -o {fpga} --force",
        f"verify {fpga}",
    ]


def demo_chip(
    out: Annotated[Path, typer.Option(help="Folder for grids and artefacts.")] = Path("results/demo-chip"),
) -> None:
    """Bring the paper's layer onto a Cortex-M4 and an iCE40 FPGA, and prove it: a few minutes on 2 cores.

    Prints every command that it runs; each can be run alone.

    Examples
    --------
        localnoise demo-chip

        localnoise demo-chip --out build/demo
    """
    from localnoise.sims.cli import build

    out.mkdir(parents=True, exist_ok=True)
    for step in steps(out):
        console.print(Text(f"\n$ localnoise {step}", "bold"), soft_wrap=True)
        arguments = shlex.split(step)
        code = build(arguments)(arguments, standalone_mode=False)
        if code:  # a check failed, and the command said which
            raise typer.Exit(int(code))


if __name__ == "__main__":
    typer.run(demo_chip)
