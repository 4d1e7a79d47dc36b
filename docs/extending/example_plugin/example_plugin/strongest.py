"""A command: the strongest links of a grid."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import localnoise as ln
from localnoise.sims.runtime import commands


@commands.register("strongest", "Learn", "Show the strongest links of a grid.")
def strongest(
    grid: Annotated[Path, typer.Argument(help="File of a grid.")],
    count: Annotated[int, typer.Option(min=1, help="Links to show.")] = 5,
) -> None:
    """Show the strongest links of a grid: from which unit to which, and the norm of the link's weights.

    Examples
    --------
        localnoise strongest rotate.h5 --count 20
    """
    field = ln.load(grid).field
    units, parents = field.B.shape[0], field.parents.shape[1]
    norms = np.linalg.norm(field.B.reshape(units, field.channels, parents, field.channels), axis=(1, 3))
    for link in np.argsort(-norms, axis=None, kind="stable")[:count]:
        unit, parent = divmod(int(link), parents)
        if field.parents[unit, parent] >= 0:
            print(f"{field.parents[unit, parent]:6d} -> {unit:6d}  {norms[unit, parent]:.3f}")
