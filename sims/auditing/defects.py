"""Defects of a known place: a square of noise in each image, and the units that lie behind it."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

SIDE = 6  # pixels of the square


def with_defects(images: Tensor, seed: int, side: int = SIDE) -> tuple[Tensor, npt.NDArray[np.int64]]:
    """Return images (T, 1, H, W) in [0, 1], each with a square of uniform noise, and the squares' corners (T, 2)."""
    rng, out = np.random.default_rng((seed, 0xDEF)), images.clone()
    corners = np.stack([rng.integers(0, edge - side + 1, len(images)) for edge in images.shape[2:]], axis=1)
    for image, (y, x) in zip(out, corners, strict=True):
        image[0, y : y + side, x : x + side] = torch.from_numpy(rng.random((side, side), np.float32))
    return out, corners


def behind(
    corners: npt.NDArray[np.int64], image: tuple[int, int], grid: tuple[int, int], side: int = SIDE
) -> npt.NDArray[np.bool_]:
    """Return which units of a grid lie behind the squares, (T, H, W): their share of the image overlaps them."""
    inside = []
    for axis, units in enumerate(grid):
        edges = np.arange(units + 1) * image[axis] / units
        first = corners[:, axis, None]
        inside.append((edges[None, :-1] < first + side) & (edges[None, 1:] > first))
    return np.asarray(inside[0][:, :, None] & inside[1][:, None, :])


def blocks(images: Tensor, side: int = 2) -> npt.NDArray[np.float32]:
    """Return images (T, C, H, W) as activations of units that hold `side` x `side` pixels each."""
    return np.asarray(torch.nn.functional.pixel_unshuffle(images, side).numpy(), np.float32)
