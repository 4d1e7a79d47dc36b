"""A network with its noise on a microcontroller: trained, learned, exported, proved; image in, class out."""

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from localnoise.files import as_folder
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import console


def steps(out: Path) -> list[str]:
    """Return the commands that the demonstration runs, in order."""
    firmware = out / "firmware"
    return [
        f"export v2 --defense multiscale-4 --train rotate --preset quick --data embedded --draws 4 --cache {out} "
        f"--chip stm32f407 --test-images 200 --out {firmware} --force",
        f"verify {firmware} --images 12",
        f"classify {firmware} v2 --data embedded --images 5 --show 2",
    ]


@commands.register(
    "demo-chip",
    "Chip",
    "A network with its noise on an emulated Cortex-M4, image in, class out: three minutes.",
)
def demo_chip(
    out: Annotated[Path, typer.Option(help="Folder for the network and the artefact.")] = Path("results/demo-chip"),
) -> None:
    """Bring the paper's network with its noise onto an emulated Cortex-M4: image in, class out, in three minutes.

    Prints every command that it runs; each can be run alone. The noise alone also goes to FPGAs: `localnoise export
    --format verilog`.

    Examples
    --------
        localnoise demo-chip

        localnoise demo-chip --out build/demo
    """
    from localnoise.sims.cli import build

    as_folder("out", out).mkdir(parents=True, exist_ok=True)
    for step in steps(out):
        console.print(Text(f"\n$ localnoise {step}", "bold"), soft_wrap=True)
        arguments = shlex.split(step)
        code = build(arguments)(arguments, standalone_mode=False)
        if code:  # a check failed, and the command said which
            raise typer.Exit(int(code))


if __name__ == "__main__":
    typer.run(demo_chip)
