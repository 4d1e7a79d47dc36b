"""A contact sheet of the modifications."""

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from localnoise.errors import ArgumentError
from localnoise.sims.data.mosaic import image_rows
from localnoise.sims.perturbations.applied import apply
from localnoise.sims.perturbations.modification import Modification
from localnoise.sims.perturbations.registry import HELD_OUT, MODIFICATIONS, PAPER

_STEPS = 5


def groups() -> dict[str, list[str]]:
    """Names of the modifications by where they come from: the paper's, those held out, further ones."""
    rest = [name for name in MODIFICATIONS if name not in (*PAPER, *HELD_OUT)]
    return {"the paper's ten": list(PAPER), "held out": list(HELD_OUT), "further": rest}


def figure(images: Tensor, path: str | os.PathLike[str], seed: int = 0, leave_out: Sequence[str] = ()) -> None:
    """Draw each modification in a row, for each image from the image itself up to the default level in five steps.

    Parameters
    ----------
    images : Tensor of float32, (N, 1, 28, 28)
        In [0, 1]; each makes a block of six columns. Two make a figure as wide as a page.
    path : path
        A PNG, PDF or SVG file.
    seed : int
        Of the modifications' draws, which the levels share.
    leave_out : sequence of str
        Modifications that are not drawn.

    Raises
    ------
    ArgumentError
        The images are none, or of another dtype, shape or range, or the file's suffix is another.
    MissingDependencyError
        A common corruption is to be drawn, and `imagecorruptions` is not installed.
    """
    if not len(images):
        raise ArgumentError("images: none, expected at least one to modify")
    names, rows, sizes = [], [], []
    for group, members in groups().items():
        drawn = [name for name in members if name not in leave_out]
        sizes += [(group, len(drawn))] if drawn else []
        for name in drawn:
            names.append(_label(MODIFICATIONS[name]))
            rows.append(_row(name, images, seed))
    headings = ["original", *(f"{step}/{_STEPS}" for step in range(1, _STEPS + 1))] * len(images)
    image_rows(path, names, rows, groups=sizes, headings=headings, blocks=len(images), zoom=4)


def levels(name: str) -> list[float]:
    """The levels of a row: five equal steps up to the default; severities 1 .. 5."""
    return [MODIFICATIONS[name].level * step / _STEPS for step in range(1, _STEPS + 1)]


def _row(name: str, images: Tensor, seed: int) -> npt.NDArray[np.float32]:
    """Image by image, the image and its five steps: (6 N, 28, 28)."""
    steps = [images, *(apply(name, images, level, seed) for level in levels(name))]
    joined: npt.NDArray[np.float32] = torch.stack([step[:, 0] for step in steps], dim=1).flatten(0, 1).cpu().numpy()
    return joined


def _label(modification: Modification) -> str:
    first, *_, last = levels(modification.name)
    kind = "severity" if modification.whole else "level"
    return f"{modification.name.replace('_', ' ')}\n{kind} {first:g}–{last:g}"
