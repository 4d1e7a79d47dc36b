"""A data set in memory: images, labels, where they came from, and a fingerprint for records."""

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.sims.data.idx import CLASSES, SIDE, Bytes

if TYPE_CHECKING:  # images are listed and drawn without torch
    from torch import Tensor

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
"""Of Fashion-MNIST, by label."""
_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Images for training and for testing, never mixed. The arrays are read-only.

    Attributes
    ----------
    train_images, test_images : ndarray of uint8, (N, 28, 28)
        0 (black, the background) to 255.
    train_labels, test_labels : ndarray of uint8, (N,)
        0..9, indices of `CLASS_NAMES`.
    source : str
        Where the images came from, in words.
    fingerprint : str
        SHA-256 (hex) over the four arrays' names, shapes and bytes.

    Raises
    ------
    ArgumentError
        An array has another dtype or shape, the counts differ, or a label is out of range.
    """

    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    source: str
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256()
        for part in ("train", "test"):
            _check(part, getattr(self, f"{part}_images"), getattr(self, f"{part}_labels"))
        for name in _ARRAYS:
            array = np.ascontiguousarray(getattr(self, name)).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
            digest.update(f"{name}{array.shape}".encode())
            digest.update(array.reshape(-1).data)
        object.__setattr__(self, "fingerprint", digest.hexdigest())

    @property
    def count(self) -> int:
        """Number of training images."""
        return len(self.train_labels)

    def pair(self, part: str) -> "tuple[Tensor, Tensor]":
        """Return images and labels as tensors.

        Parameters
        ----------
        part : str
            "train" or "test".

        Returns
        -------
        images : Tensor of float32, (N, 1, 28, 28)
            In [0, 1].
        labels : Tensor of int64, (N,)
            Classes.
        """
        import torch

        from localnoise.sims.data.tensors import to_tensor

        images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
        return to_tensor(images), torch.from_numpy(labels.astype(np.int64))

    def held_out(self, count: int) -> "Dataset":
        """Return the training images, of which some stand in the place of the test images; see `split`.

        Parameters
        ----------
        count : int
            Images that stand there.

        Returns
        -------
        Dataset
            Without the test images.

        Raises
        ------
        ArgumentError
            As `split`.
        """
        from localnoise.sims.data.draw import split

        return split(self, count)


def _check(part: str, images: Bytes, labels: Bytes) -> None:
    """Refuse a pair of arrays that is not (N, 28, 28) and (N,) of uint8, N >= 1, with labels in 0..9."""
    for name, array, shape in (("images", images, (SIDE, SIDE)), ("labels", labels, ())):
        if array.dtype != np.uint8 or array.ndim != 1 + len(shape) or array.shape[1:] != shape or not len(array):
            wanted = ", ".join(["N >= 1", *map(str, shape)])
            raise ArgumentError(f"{part}_{name}: {array.dtype} of shape {array.shape}, expected uint8 ({wanted})")
    if len(images) != len(labels):
        raise ArgumentError(f"{part}_labels: {len(labels)} labels for {len(images)} images, expected as many")
    if labels.max() >= CLASSES:
        raise ArgumentError(f"{part}_labels: label {labels.max()}, expected 0..{CLASSES - 1}")
