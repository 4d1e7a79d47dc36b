"""Options that commands which learn grids share."""

from pathlib import Path
from typing import Annotated

import typer

Output = Annotated[Path, typer.Option("--output", "-o", help="HDF5 file to write.")]
Rule = Annotated[str, typer.Option(help="moments, lms or sign-lms.")]
Order = Annotated[str, typer.Option(help="multiscale or raster.")]
Parents = Annotated[int | None, typer.Option(help="Most parents per unit.")]
Radius = Annotated[int | None, typer.Option(help="Chebyshev radius of the parents.")]
SignalRadius = Annotated[int, typer.Option(help="Radius of the activations read.")]
