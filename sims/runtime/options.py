"""Options that commands share: those that learn grids, and those that run experiments. One name means one thing."""

from pathlib import Path
from typing import Annotated

import typer

from localnoise.orders import ORDERS
from localnoise.rules import RULES
from localnoise.sims.runtime.choices import one_of as one_of
from localnoise.sims.runtime.choices import words as words

Output = Annotated[Path, typer.Option("--output", "-o", help="HDF5 file to write.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite a file of another kind; never an input.")]
Rule = Annotated[str, one_of(RULES, help="How units learn.")]
Order = Annotated[str, one_of(ORDERS, help="Order of the units.")]
Parents = Annotated[int | None, typer.Option(help="Most parents per unit.")]
Radius = Annotated[int | None, typer.Option(help="Chebyshev radius of the parents.")]
Signal = Annotated[str, one_of(("none", "local"), help="local: the noise depends on the activations of neighbors.")]
SignalRadius = Annotated[int, typer.Option(help="Radius of the activations read.")]
Share = Annotated[
    str, one_of(("none", "places"), help="places: units with the same neighbors share their weights (wide layers).")
]
Rank = Annotated[int | None, typer.Option(help="Directions of the channels that a link carries; default: all.")]
Scope = Annotated[str, one_of(("global", "local"), help="Gain: one sum over the grid, or each unit its own.")]
Images = Annotated[str, one_of(("embedded", "full"), help="Images: a subset that ships, or all of them.")]
PresetName = Annotated[str, one_of(("quick", "standard", "full"), "--preset", help="How much to spend.")]
Seeds = Annotated[int | None, typer.Option(help="How many; default: the preset's.")]
Epochs = Annotated[int | None, typer.Option(help="Of retraining; default: the preset's.")]
Steps = Annotated[int | None, typer.Option(help="Of each attack of the worst case, adaptive; default: the preset's.")]
Attacked = Annotated[int | None, typer.Option(help="Test images of the worst case, adaptive; default: the preset's.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder with the four IDX files of the full set.")]
Jobs = Annotated[int, typer.Option(help="Processes of this machine, each with one thread.")]
Scheduler = Annotated[
    str,
    typer.Option(help="Address of a Dask scheduler whose workers compute, tcp://host:8786; default: --jobs."),
]
Out = Annotated[Path, typer.Option(help="Folder for the record, tables and figures.")]
Mix = Annotated[bool, typer.Option("--mix", help="Go on in a record that other code began.")]
Defenses = Annotated[
    str, typer.Option("--defenses", help="Names, separated by commas: `localnoise list defenses` shows them.")
]
TaskName = Annotated[
    str,
    typer.Option(
        "--task",
        "--network",
        help="v1, v2, v3: the paper's networks on Fashion-MNIST; watch; or a file with a task of your own: my_task.py.",
    ),
]
Layer = Annotated[
    str | None,
    typer.Option(help="Where the noise enters: the number of a hidden layer (v1, v2, v3), or a module's name."),
]
Training = Annotated[
    str,
    typer.Option(
        "--training",
        help="How all layers learn: backprop, or a local rule, by which nothing crosses a layer backward: `localnoise "
        "list trainings`.",
    ),
]
Train = Annotated[str, typer.Option("--train", help="NAME@LEVEL,...: what the noise is learned from.")]
Variances = Annotated[str, typer.Option("--variances", help="Noise variances per neuron, separated by commas.")]


def counted(number: int, what: str) -> str:
    """Number and noun, "1 seed" or "2 seeds"."""
    return f"{number:,} {what}{'s' * (number != 1)}"
