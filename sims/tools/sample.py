"""Draw noise from a grid, a bank or a central noise into an HDF5 or .npy file, a chunk at a time."""

import math
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

import localnoise as ln
from localnoise.bank import dtype_of
from localnoise.bank import layout as layout_of
from localnoise.files import as_output, format_of, streamed
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import console, progress
from localnoise.sims.runtime.options import Force
from localnoise.sims.runtime.stopping import asked_to_stop
from localnoise.sims.tools import inputs
from localnoise.streams import chunk_size, fill, positions
from localnoise.validate import as_count, as_seed


@commands.register("sample", "Learn", "Draw noise from a grid into an HDF5 or .npy file, however much.")
def sample(
    grid: Annotated[Path, typer.Argument(help="File of a grid, a bank or a central noise.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="HDF5 or .npy file to write.")] = Path("noise.h5"),
    count: Annotated[int, typer.Option(help="Samples to draw.")] = 1_000,
    seed: Annotated[int, typer.Option(help="The stream of draws.")] = 0,
    start: Annotated[int, typer.Option(help="Position of the first draw in its stream.")] = 0,
    activations: Annotated[
        str,
        typer.Option(
            help="FILE:NAME or FILE.npy of activations: one draw for each, its mean included, of their shape."
        ),
    ] = "",
    force: Force = False,
) -> None:
    """Draw noise: the data set "noise" (T, C, H, W) of an HDF5 file, or the array of a .npy file.

    Draw t depends on (seed, start + t) alone. It may be larger than memory.

    Examples
    --------
        localnoise sample rotate.h5 --count 100000 -o noise.h5

        localnoise sample rotate.h5 --count 100000 --start 100000 -o more.h5

        localnoise sample watch.h5 --activations windows.npy -o noise.npy

        localnoise sample signal.h5 --activations run.h5:layer2/h -o perturbations.h5
    """
    as_output(
        "output",
        output,
        "drawn noise",
        inputs={"grid": grid, "activations": inputs.file_of(activations)},
        force=force,
    )
    noise = ln.load(grid)
    as_seed(seed)
    layout, dtype = layout_of(noise), dtype_of(noise)
    with ExitStack() as held:
        h = held.enter_context(inputs.given(activations, "activations", layout))
        total = as_count("count", count, 1) if h is None else len(h)
        shape = (total, *(layout if h is None else h.stored.shape[1:]))
        if inputs.is_npy(output):
            check, out = _nothing, held.enter_context(inputs.written_npy(output, shape, dtype))
        else:
            file, check = held.enter_context(streamed(output, math.prod(shape) * dtype.itemsize))
            file.attrs["format"] = format_of("drawn noise")
            out = file.create_dataset("noise", shape, dtype)
            out.attrs.update({"grid": grid.name, "seed": seed, "start": start})
        bars = held.enter_context(progress())
        bar = bars.add_task("draw", total=total)

        asked = held.enter_context(asked_to_stop())  # raised within HDF5, an interruption could be dropped

        def told(done: int, _: int | None) -> None:
            check()
            if asked:
                raise KeyboardInterrupt
            bars.update(bar, completed=done)

        fill(inputs.Laid(out, layout), _drawn(noise, total, seed, start, h), total, told)
    console.print(f"{output}: noise {shape}, {output.stat().st_size / 2**20:,.1f} MiB")


def _drawn(noise: Any, total: int, seed: int, start: int, h: Any) -> Iterator[Any]:
    """Draws, a chunk at a time: zero-mean, or one for each activation."""
    channels, height, width = layout_of(noise)
    done = 0
    for cut in positions(start, total, chunk_size(channels, (height, width), dtype_of(noise))):
        last = done + len(cut)
        yield noise.sample(len(cut), seed, cut) if h is None else noise.perturb(h[done:last], seed, cut)
        done = last


def _nothing() -> None:
    """Check nothing: a plain file says itself when the disk is full."""


if __name__ == "__main__":
    typer.run(sample)
