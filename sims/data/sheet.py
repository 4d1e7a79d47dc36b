"""The table and the contact sheet of a data set."""

import os
from dataclasses import dataclass

import numpy as np

from localnoise.sims.data.dataset import CLASS_NAMES, Dataset
from localnoise.sims.data.mosaic import image_rows
from localnoise.validate import as_count


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
    """A data set in a table.

    Parameters
    ----------
    rows : tuple of ClassRow
        One a class, and one over all.
    source : str
        Where it came from.
    fingerprint : str
        SHA-256, hex.
    """

    rows: tuple[ClassRow, ...]
    source: str
    fingerprint: str


def describe(dataset: Dataset) -> Description:
    """Count the images and average the pixels, class by class and over all of them.

    Parameters
    ----------
    dataset : Dataset
        To be counted.

    Returns
    -------
    Description
        The table.
    """
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
    """Draw the first training images of each class, one named row a class.

    Parameters
    ----------
    dataset : Dataset
        Whose images.
    path : path
        A PNG, PDF or SVG file.
    columns : int
        Images of each class.

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
