"""Learn a grid from displacements in an HDF5 or .npy file, a chunk at a time: they may be larger than memory."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from localnoise import UnitGrid
from localnoise.errors import ArgumentError
from localnoise.files import as_output
from localnoise.rules import make_rule
from localnoise.rules.base import AUTO
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import console, progress
from localnoise.sims.runtime.options import Force, Order, Output, Radius, Rank, Rule, Share, SignalRadius
from localnoise.sims.tools import inputs
from localnoise.validate import as_variance


@commands.register("learn", "Learn", "Learn a grid from displacements in an HDF5 or .npy file, however large.")
def learn(
    file: Annotated[
        Path, typer.Argument(help="HDF5 or .npy file that holds displacements: (T, C, H, W), (T, C, L) or (T, n).")
    ],
    output: Output = Path("grid.h5"),
    dataset: Annotated[str, typer.Option(help="Name of the displacements in an HDF5 file.")] = "d",
    activations: Annotated[
        str,
        typer.Option(
            help="Activations displaced, same shape: a name in the same file, FILE:NAME or FILE.npy. The grid is "
            "then signal-dependent."
        ),
    ] = "",
    shape: Annotated[
        str,
        typer.Option(
            help="C,H,W or H,W that the numbers of a presentation lie on. Default: (T, C, L) on 1 x L units, (T, n) on "
            "1 x n units of one channel."
        ),
    ] = "",
    rule: Rule = "moments",
    order: Order = "multiscale",
    parents: Annotated[
        str, typer.Option(help="Most parents per unit, or auto: chosen on the last fifth of the displacements.")
    ] = "",
    radius: Radius = None,
    signal_radius: SignalRadius = 1,
    share: Share = "none",
    rank: Rank = None,
    ridge: Annotated[
        str, typer.Option(help="Added to the variance of what a unit reads, or auto: chosen as --parents auto is.")
    ] = "",
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

        localnoise learn windows.npy --parents auto --ridge auto -o watch.h5

        localnoise learn dense.npy --activations dense-h.npy --shape 8,8 -o signal.h5

        localnoise learn wide.npy --parents 4 --share places --rank 24 -o wide.h5

        localnoise learn displacements.h5 --rule lms --order raster --radius 1 --variance 0.5 -o lms.h5
    """
    made = make_rule(rule, **({"ridge": _number("ridge", ridge, float)} if ridge else {}))
    wiring: dict[str, Any] = {"order": order, "radius": radius, "signal_radius": signal_radius}
    wiring |= {"share": share, "rank": rank}
    wiring["parents"] = _number("parents", parents, int) if parents else None
    elsewhere = inputs.file_of(activations) if activations else None
    as_output("output", output, "a grid", inputs={"file": file, "activations": elsewhere}, force=force)
    if variance is not None:
        as_variance(variance)  # before the long part
    with ExitStack() as held, progress() as bars:
        stored = held.enter_context(inputs.opened(file, dataset))
        place = file.name if inputs.is_npy(file) else dataset
        channels, height, width = layout = inputs.layout_of(place, stored, shape)
        d, h = inputs.Laid(stored, layout), None
        if activations:
            there = activations if elsewhere is not None else f"{file}:{activations}"
            h = held.enter_context(inputs.given(there, "activations", layout))
        grid = UnitGrid((height, width), channels, signal="local" if activations else "none", **wiring)
        bar = bars.add_task(f"learn by {rule}", total=len(d))
        grid.learn(d, h, rule=made, progress=lambda done, total: bars.update(bar, completed=done))
    if variance is not None:
        grid.normalise(variance)
    grid.provenance = {"displacements": file.name, "dataset": dataset, "activations": activations}
    grid.save(output)
    console.print(f"{output}: {grid!r}, {grid.parameters:,} parameters, {grid.bytes_per_unit:,.0f} bytes/unit")


def _number(name: str, text: str, kind: Callable[[str], float]) -> float | str:
    """Return an option's number, or "auto"."""
    if text == AUTO:
        return text
    try:
        return kind(text)
    except ValueError:
        raise ArgumentError(f"{name}={text!r}: expected a number, or {AUTO}") from None


if __name__ == "__main__":
    typer.run(learn)
