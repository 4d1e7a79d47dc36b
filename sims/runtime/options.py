"""Options that commands share: those that learn grids, and those that run experiments."""

from pathlib import Path
from typing import Annotated

import typer

Output = Annotated[Path, typer.Option("--output", "-o", help="HDF5 file to write.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite a file of another kind; never an input.")]
Rule = Annotated[str, typer.Option(help="moments, lms or sign-lms.")]
Order = Annotated[str, typer.Option(help="multiscale or raster.")]
Parents = Annotated[int | None, typer.Option(help="Most parents per unit.")]
Radius = Annotated[int | None, typer.Option(help="Chebyshev radius of the parents.")]
SignalRadius = Annotated[int, typer.Option(help="Radius of the activations read.")]
Preset = Annotated[str, typer.Option("--budget", help="quick, standard or full.")]
Seeds = Annotated[int | None, typer.Option(help="How many; default: the budget's.")]
Epochs = Annotated[int | None, typer.Option(help="Of retraining; default: the budget's.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder with the four IDX files of the full set.")]
Jobs = Annotated[int, typer.Option(help="Processes.")]
Out = Annotated[Path, typer.Option(help="Folder for the record, tables and figures.")]
Mix = Annotated[bool, typer.Option("--mix", help="Go on in a record that other code began.")]


def words(text: str) -> list[str]:
    """Names from "none, full": each once."""
    return list(dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))))


def counted(number: int, what: str) -> str:
    """Number and noun, "1 seed" or "2 seeds"."""
    return f"{number:,} {what}{'s' * (number != 1)}"
