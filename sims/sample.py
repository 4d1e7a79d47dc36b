"""Draw noise from a fitted grid into an HDF5 file, a chunk at a time: it may be larger than memory."""

from pathlib import Path
from typing import Annotated

import h5py
import typer

import localnoise as ln
from localnoise.files import written_aside
from localnoise.sims import datasets
from localnoise.sims.console import console, progress
from localnoise.sims.options import Output
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
) -> None:
    """Draw noise: the data set "noise" (T, C, H, W) of the output. Draw t depends on (seed, start + t) alone.

    Examples
    --------
        localnoise sample rotate.h5 --count 100000 -o noise.h5

        localnoise sample rotate.h5 --count 100000 --start 100000 -o more.h5

        localnoise sample signal.h5 --activations run.h5:layer2/h -o perturbations.h5
    """
    noise = ln.load(grid)
    as_seed(seed)
    layout = (noise.config.channels, *noise.config.shape)
    with datasets.given(activations) as h, written_aside(output) as aside, h5py.File(aside, "w") as file:
        total = as_count("count", count, 1) if h is None else len(h)
        out = file.create_dataset("noise", (total, *layout), noise.config.dtype)
        out.attrs.update({"grid": grid.name, "seed": seed, "start": start})
        with progress() as bars:
            bar = bars.add_task("draw", total=total)
            told = {"progress": lambda done, _: bars.update(bar, completed=done), "out": out}
            if h is None:
                noise.sample(total, seed, start, **told)
            else:
                noise.perturb(h, seed, start, **told)
    console.print(f"{output}: noise {(total, *layout)}, {output.stat().st_size / 2**20:,.1f} MiB")


if __name__ == "__main__":
    typer.run(sample)
