"""Learn a grid from displacements in an HDF5 file, a chunk at a time: they may be larger than memory."""

from pathlib import Path
from typing import Annotated, Any

import typer

from localnoise import UnitGrid
from localnoise.files import as_output
from localnoise.rules import make_rule
from localnoise.sims.data import arrays
from localnoise.sims.runtime.console import console, progress
from localnoise.sims.runtime.options import Force, Order, Output, Parents, Radius, Rule, SignalRadius
from localnoise.validate import as_variance


def learn(
    file: Annotated[Path, typer.Argument(help="HDF5 file that holds displacements (T, C, H, W).")],
    output: Output = Path("grid.h5"),
    dataset: Annotated[str, typer.Option(help="Name of the displacements in the file.")] = "d",
    activations: Annotated[
        str, typer.Option(help="Name of the activations displaced, same shape: a signal-dependent grid.")
    ] = "",
    rule: Rule = "moments",
    order: Order = "multiscale",
    parents: Parents = None,
    radius: Radius = None,
    signal_radius: SignalRadius = 1,
    variance: Annotated[
        float | None, typer.Option("--variance", help="Noise variance per neuron. Default: the data's own.")
    ] = None,
    force: Force = False,
) -> None:
    """Learn a grid from displacements of your own: how the activation of any layer of any network moved.

    Examples
    --------
        localnoise learn displacements.h5 --parents 8 -o grid.h5

        localnoise learn run.h5 --dataset layer2/d --activations layer2/h -o signal.h5

        localnoise learn displacements.h5 --rule lms --order raster --radius 1 --variance 0.5 -o lms.h5
    """
    make_rule(rule)
    as_output("output", output, "a grid", inputs={"file": file}, force=force)
    if variance is not None:
        as_variance(variance)  # before the long part
    with arrays.opened(file) as content, progress() as bars:
        d = arrays.presentations(content, dataset)
        h = arrays.presentations(content, activations) if activations else None
        channels, height, width = d.shape[1:]
        wiring: dict[str, Any] = {"order": order, "parents": parents, "radius": radius, "signal_radius": signal_radius}
        grid = UnitGrid((height, width), channels, signal="local" if activations else "none", **wiring)
        bar = bars.add_task(f"learn by {rule}", total=len(d))
        grid.learn(d, h, rule=rule, progress=lambda done, total: bars.update(bar, completed=done))
    if variance is not None:
        grid.normalise(variance)
    grid.provenance = {"displacements": file.name, "dataset": dataset, "activations": activations}
    grid.save(output)
    console.print(f"{output}: {grid!r}, {grid.parameters:,} parameters, {grid.bytes_per_unit:,.0f} bytes/unit")


if __name__ == "__main__":
    typer.run(learn)
