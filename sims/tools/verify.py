"""Verify an artefact: build it, run it, and compare every word with the emulator's."""

from pathlib import Path
from typing import Annotated

import typer

from localnoise.hardware.export import verify as run
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import console, follow, progress, show
from localnoise.sims.runtime.tables import terminal_table


@commands.register("verify", "Chip", "Run an exported artefact and compare it with the emulator, to the bit.")
def verify(
    folder: Annotated[Path, typer.Argument(help="Folder that `localnoise export` wrote.")],
    words: Annotated[
        int,
        typer.Option(
            help="Words to compare, at least, of draws, perturbed draws, means and innovations. Fewer of the rest: 8 "
            "draws of another seed, for a slow reader and after a reset; what 256 presentations teach."
        ),
    ] = 100_000,
    images: Annotated[
        int | None,
        typer.Option(help="Of a network: inputs to compare. Default: 1,000 here, 24 on the emulated Cortex-M4."),
    ] = None,
    on: Annotated[
        str,
        typer.Option(
            help="host, cortex-m (emulated), verilator (simulated), file. Default: all that run the artefact."
        ),
    ] = "",
) -> None:
    """Build an artefact without a warning, run it, and compare every word with the emulator's.

    C runs here and on an emulated Cortex-M4; Verilog is simulated clock by clock.

    Verifying runs the artefact's code: what its manifest names and nothing else, in a process that may not write into
    files, with limits on time and memory; where the system allows, without network, and unable to make or remove a
    file. Do not verify what you do not trust.

    Exits with 1 at the first word that differs, and names unit, channel, step, expected and got.

    Examples
    --------
        localnoise verify build

        localnoise verify build --on host --words 1000000

        localnoise verify firmware --on host,cortex-m --images 10000
    """
    able = [name.strip() for name in on.split(",") if name.strip()]
    with progress() as bars:
        bar = bars.add_task("run and compare", total=None)
        checks, costs = run(folder, words, able, follow(bars, bar), images=images)
    heads = ["back end", "function", "words compared", "verdict"]
    rows = [[check.backend, check.name, f"{check.words:,}", check.mismatch or "equal to the bit"] for check in checks]
    show(terminal_table(heads, rows, f"{folder} against the emulator", left=(0, 1, 3)))
    for backend, cost in costs.items():
        console.print(f"{backend}: {cost}")
    if any(check.mismatch for check in checks):
        console.print("The artefact does not do what the emulator does.")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(verify)
