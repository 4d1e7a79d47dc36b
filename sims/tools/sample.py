"""Draw noise from a fitted grid into an HDF5 file, a chunk at a time: it may be larger than memory."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import localnoise as ln
from localnoise.files import as_output, format_of, streamed
from localnoise.sims.data import arrays
from localnoise.sims.runtime.console import console, progress
from localnoise.sims.runtime.options import Force, Output
from localnoise.sims.runtime.stopping import asked_to_stop
from localnoise.validate import as_count, as_seed


def sample(
    grid: Annotated[Path, typer.Argument(help="File of a grid.")],
    output: Output = Path("noise.h5"),
    count: Annotated[int, typer.Option(help="Samples to draw.")] = 1_000,
    seed: Annotated[int, typer.Option(help="The stream of draws.")] = 0,
    start: Annotated[int, typer.Option(help="Position of the first draw in its stream.")] = 0,
    activations: Annotated[
        str, typer.Option(help="FILE:NAME of activations (T, C, H, W): one draw for each, its mean included.")
    ] = "",
    force: Force = False,
) -> None:
    """Draw noise: the data set "noise" (T, C, H, W) of the output. Draw t depends on (seed, start + t) alone.

    Examples
    --------
        localnoise sample rotate.h5 --count 100000 -o noise.h5

        localnoise sample rotate.h5 --count 100000 --start 100000 -o more.h5

        localnoise sample signal.h5 --activations run.h5:layer2/h -o perturbations.h5
    """
    as_output(
        "output",
        output,
        "drawn noise",
        inputs={"grid": grid, "activations": arrays.file_of(activations)},
        force=force,
    )
    noise = ln.load(grid)
    as_seed(seed)
    layout = (noise.config.channels, *noise.config.shape)
    with ExitStack() as held:
        h = held.enter_context(arrays.given(activations))
        total = as_count("count", count, 1) if h is None else len(h)
        size = total * noise.config.neurons * np.dtype(noise.config.dtype).itemsize
        file, check = held.enter_context(streamed(output, size))
        file.attrs["format"] = format_of("drawn noise")
        out = file.create_dataset("noise", (total, *layout), noise.config.dtype)
        out.attrs.update({"grid": grid.name, "seed": seed, "start": start})
        bars = held.enter_context(progress())
        bar = bars.add_task("draw", total=total)

        asked = held.enter_context(asked_to_stop())  # raised within HDF5, an interruption could be dropped

        def told(done: int, _: int | None) -> None:
            check()
            if asked:
                raise KeyboardInterrupt
            bars.update(bar, completed=done)

        if h is None:
            noise.sample(total, seed, start, out=out, progress=told)
        else:
            noise.perturb(h, seed, start, out=out, progress=told)
    console.print(f"{output}: noise {(total, *layout)}, {output.stat().st_size / 2**20:,.1f} MiB")


if __name__ == "__main__":
    typer.run(sample)
