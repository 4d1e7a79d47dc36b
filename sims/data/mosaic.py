"""Figures made of rows of small images."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import choose
from localnoise.files import write_figure
from localnoise.sims.data.idx import SIDE

_DPI = 300
_GAP = 2  # pixels of the images between two of them
_APART = 8  # the same between two groups
_MARGIN = 0.06  # inch
_LINE = 0.2  # inch, of text


def image_rows(
    path: str | os.PathLike[str],
    names: Sequence[str],
    rows: Sequence[npt.NDArray[np.floating[Any]]],
    *,
    groups: Sequence[tuple[str, int]] = (),
    headings: Sequence[str] = (),
    blocks: int = 1,
    zoom: int = 5,
) -> None:
    """Draw named rows of (k, 28, 28) images in [0, 1], 0 black and 1 white, at 300 dpi; rows may differ in k.

    The file is written under a temporary name and renamed. Its folder is made where it has to be.

    Parameters
    ----------
    path : path
        A PNG, PDF or SVG file.
    names, rows : sequence
        One name a row; it may have several lines.
    groups : sequence of (str, int)
        Names of groups of rows, and how many rows each has; groups stand apart. None for one group without a name.
    headings : sequence of str
        One a column, or none.
    blocks : int
        Blocks that the columns fall into, all as wide; they stand apart.
    zoom : int
        Pixels of the figure to one of an image: whole, so that every pixel is a square.
    """
    from matplotlib.figure import Figure  # takes a third of a second

    path = Path(path)
    choose("the figure's suffix", path.suffix.lower(), (".png", ".pdf", ".svg"))
    columns = max(map(len, rows))
    tops = starts([count for _, count in groups] or [len(rows)])
    lefts = starts([columns // blocks] * blocks)
    mosaic = np.full((tops[-1] + SIDE, lefts[-1] + SIDE), np.nan)
    for top, row in zip(tops, rows, strict=True):
        for left, image in zip(lefts, row, strict=False):
            mosaic[top : top + SIDE, left : left + SIDE] = image
    height, width = (size * zoom / _DPI for size in mosaic.shape)
    labels = 0.066 * max(max(len(line) for line in name.splitlines()) for name in names) + 0.08
    before, above = _MARGIN + labels + (_LINE if groups else 0), _MARGIN + (_LINE if headings else 0)
    figure = Figure(figsize=(before + width + _MARGIN, above + height + _MARGIN), dpi=_DPI)
    whole = figure.bbox_inches
    axes = figure.add_axes((before / whole.width, _MARGIN / whole.height, width / whole.width, height / whole.height))
    axes.imshow(mosaic, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    middle = (SIDE - 1) / 2
    axes.set_yticks([top + middle for top in tops], names, fontsize=8)
    axes.set_xticks([left + middle for left in lefts[: len(headings)]], headings, fontsize=8)
    axes.tick_params(length=0, pad=4, top=False, bottom=False, labeltop=True, labelbottom=False)
    axes.set_frame_on(False)
    first = 0
    for name, count in groups:
        end = tops[first + count - 1] + SIDE
        x = -(labels * _DPI / zoom)  # in pixels of the images, as are the axes
        axes.plot([x, x], [tops[first] - 0.5, end - 0.5], color="black", linewidth=0.8, clip_on=False, scalex=False)
        axes.text(x - 4, (tops[first] + end - 1) / 2, name, rotation=90, ha="right", va="center", fontsize=8)
        first += count
    write_figure(figure, path)


def starts(groups: Sequence[int]) -> list[int]:
    """Return where each image begins along an axis, in pixels of the images; `groups` says how many stand together."""
    places: list[int] = []
    for count in groups:
        first = places[-1] + SIDE + _APART if places else 0
        places += [first + i * (SIDE + _GAP) for i in range(count)]
    return places
