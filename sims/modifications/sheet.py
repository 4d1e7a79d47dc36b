"""A contact sheet of the modifications."""

import os

from torch import Tensor

from localnoise.sims.data.sheet import image_rows
from localnoise.sims.modifications.table import MODIFICATIONS, apply


def figure(images: Tensor, path: str | os.PathLike[str], seed: int = 0) -> None:
    """Draw the images and, below them, each modification of them at its default level, into a PNG, PDF or SVG file.

    Parameters
    ----------
    images : Tensor of float32, (N, 1, 28, 28)
        In [0, 1]; one column each. Twelve make a figure as wide as a page.
    path : path
        The file.
    seed : int
        Of the modifications' draws.

    Raises
    ------
    ArgumentError
        The images are of another dtype, shape or range, or the file's suffix is another.
    """
    names, rows = ["original"], [images]
    for name, modification in MODIFICATIONS.items():
        names.append(f"{name.replace('_', ' ')}\nlevel {modification.level:g}")
        rows.append(apply(name, images, None, seed))
    image_rows(path, names, [row[:, 0].cpu().numpy() for row in rows])
