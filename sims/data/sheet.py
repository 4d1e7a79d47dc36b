"""Figures made of rows of small images, and the table and contact sheet of a data set."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import choose
from localnoise.sims.data.dataset import CLASS_NAMES, Dataset
from localnoise.sims.data.idx import SIDE
from localnoise.validate import as_count

_DPI = 300
_GAP = 2  # pixels of the images between two of them
_ZOOM = 5  # pixels of the figure to one of an image: whole, so that every pixel is a square
_MARGIN = 0.06  # inch


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """One row of the table of a data set.

    Attributes
    ----------
    label : int or None
        0..9; None in the last row, which is over all classes.
    name : str
        The class's name, or "all".
    train, test : int
        Numbers of images.
    mean_pixel : float
        Mean over the training images' pixels, in [0, 1]; NaN where there are none.
    """

    label: int | None
    name: str
    train: int
    test: int
    mean_pixel: float


@dataclass(frozen=True, kw_only=True)
class Description:
    """A data set in a table: its rows, where it came from, and its fingerprint (SHA-256, hex)."""

    rows: tuple[ClassRow, ...]
    source: str
    fingerprint: str


def describe(dataset: Dataset) -> Description:
    """Count the images and average the pixels, class by class and over all of them."""
    train = np.bincount(dataset.train_labels, minlength=len(CLASS_NAMES)).tolist()
    test = np.bincount(dataset.test_labels, minlength=len(CLASS_NAMES)).tolist()
    means = dataset.train_images.mean(axis=(1, 2)) / 255
    sums = np.bincount(dataset.train_labels, weights=means, minlength=len(CLASS_NAMES))
    rows = [
        ClassRow(
            label=c,
            name=name,
            train=train[c],
            test=test[c],
            mean_pixel=float(sums[c] / train[c]) if train[c] else float("nan"),
        )
        for c, name in enumerate(CLASS_NAMES)
    ]
    rows.append(ClassRow(label=None, name="all", train=sum(train), test=sum(test), mean_pixel=float(means.mean())))
    return Description(rows=tuple(rows), source=dataset.source, fingerprint=dataset.fingerprint)


def contact_sheet(dataset: Dataset, path: str | os.PathLike[str], columns: int = 12) -> None:
    """Draw the first `columns` training images of each class, one named row a class, into a PNG, PDF or SVG file.

    Raises
    ------
    ArgumentError
        `columns` is below 1, or the file's suffix is another.
    """
    columns = as_count("columns", columns, 1)
    images = [
        dataset.train_images[np.flatnonzero(dataset.train_labels == c)[:columns]] for c in range(len(CLASS_NAMES))
    ]
    image_rows(path, CLASS_NAMES, [row / 255 for row in images])


def image_rows(
    path: str | os.PathLike[str], names: Sequence[str], rows: Sequence[npt.NDArray[np.floating[Any]]]
) -> None:
    """Draw named rows of (k, 28, 28) images in [0, 1], 0 black and 1 white, at 300 dpi; rows may differ in k.

    The file is written under a temporary name and renamed. Its folder is made where it has to be.
    """
    from matplotlib.figure import Figure  # takes a third of a second

    path = Path(path)
    choose("the figure's suffix", path.suffix.lower(), (".png", ".pdf", ".svg"))
    pitch = SIDE + _GAP
    mosaic = np.full((len(rows) * pitch - _GAP, max(map(len, rows)) * pitch - _GAP), np.nan)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            mosaic[i * pitch : i * pitch + SIDE, j * pitch : j * pitch + SIDE] = image
    height, width = (size * _ZOOM / _DPI for size in mosaic.shape)
    left = _MARGIN + 0.06 * max(max(len(line) for line in name.splitlines()) for name in names) + 0.06
    figure = Figure(figsize=(left + width + _MARGIN, height + 2 * _MARGIN), dpi=_DPI)
    whole = figure.bbox_inches
    axes = figure.add_axes((left / whole.width, _MARGIN / whole.height, width / whole.width, height / whole.height))
    axes.imshow(mosaic, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    axes.set_yticks([i * pitch + (SIDE - 1) / 2 for i in range(len(rows))], names, fontsize=8)
    axes.set_xticks([])
    axes.tick_params(length=0, pad=4)
    axes.set_frame_on(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    figure.savefig(partial)
    os.replace(partial, path)
