"""Seeded, class-balanced draws of images, and the hold-out for choosing hyperparameters."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.sims.data.dataset import CLASS_NAMES, Dataset
from localnoise.sims.data.idx import Bytes
from localnoise.validate import as_count, as_seed

Indices = npt.NDArray[np.intp]


def permutation(count: int, seed: int) -> Indices:
    """A permutation of `count` indices that no NumPy release will change.

    NumPy fixes the raw stream of a bit generator, but not what `Generator.permutation` makes of it (NEP 19).
    """
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")


def per_class(labels: Bytes, counts: Sequence[int], seed: int) -> list[Indices]:
    """The first `counts[c]` indices of each class c in a seeded permutation. Cost O(N log N)."""
    order = permutation(len(labels), seed)
    return [order[labels[order] == c][:count] for c, count in enumerate(counts)]


def split(dataset: Dataset, holdout: int | float = 5000, seed: int = 0) -> Dataset:
    """Hold out part of the training images, for choosing hyperparameters without ever seeing the test images.

    Each class gives the same number (the first ones one more where the classes do not divide `holdout`). Both parts
    keep the order of the images.

    Parameters
    ----------
    dataset : Dataset
        Only its training images are used.
    holdout : int or float
        The number of images to hold out, or, as a float between 0 and 1, the fraction.
    seed : int
        Chooses them.

    Returns
    -------
    Dataset
        The held-out images stand in the place of the test images, so an experiment runs on it unchanged.

    Raises
    ------
    ArgumentError
        `holdout` is not such a number, or would take all the images of a class; or `seed` is no whole number from 0.
    """
    labels = dataset.train_labels
    present = np.flatnonzero(np.bincount(labels))
    seed = int(as_seed(seed))
    if isinstance(holdout, float):
        count = round(holdout * len(labels)) if 0 < holdout < 1 else 0
    else:
        count = as_count("holdout", holdout)
    if not 0 < count < len(labels):
        raise ArgumentError(
            f"holdout={holdout!r}: expected from 1 to {len(labels) - 1} training images, or a fraction between 0 and 1"
        )
    quota = np.zeros(len(CLASS_NAMES), dtype=int)
    quota[present] = count // len(present)
    quota[present[: count % len(present)]] += 1
    for c in present:
        if quota[c] >= (have := np.count_nonzero(labels == c)):
            raise ArgumentError(
                f"holdout={holdout!r}: takes {quota[c]} of the {have} training images of class {c} ({CLASS_NAMES[c]}), "
                "expected to leave some; hold out fewer"
            )
    held = np.zeros(len(labels), dtype=bool)
    held[np.concatenate(per_class(labels, quota.tolist(), seed))] = True
    return Dataset(
        train_images=dataset.train_images[~held],
        train_labels=labels[~held],
        test_images=dataset.train_images[held],
        test_labels=labels[held],
        source=f"{dataset.source}, {count} training images held out with seed {seed}",
    )
