"""A stream of frames from still images: each turns, shifts and brightens a little from frame to frame."""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from localnoise.errors import ArgumentError
from localnoise.sims.perturbations.draws import draw, normal
from localnoise.validate import as_count, as_seed, check_positive

DEGREES, PIXELS, BRIGHTNESS = 15.0, 1.5, 0.1  # standard deviations at level 1: angle, shift along each axis, offset
KEPT = 0.9  # correlation of a frame's pose with that of the frame before


def poses(count: int, seed: int, start: int = 0, frames: int = 5) -> npt.NDArray[np.float32]:
    """Poses s (count, frames, 4) of the images start, start + 1, ...: angle, shift right, shift down, brightness.

    s_0 = xi_0,  s_t = rho s_(t-1) + sqrt(1 - rho^2) xi_t,  xi ~ N(0, I),  rho = `KEPT`: a random walk that is drawn
    back to zero, so that every frame follows the same law N(0, I) and none is the clean one. An image's walk depends on
    its index and the seed alone, and more frames continue it.
    """
    key = int(as_seed(seed))
    walk = np.empty((count, frames, 4), np.float32)
    for t in range(frames):
        xi = normal(draw(f"drift {t}", key, start, count, 2))
        walk[:, t] = KEPT * walk[:, t - 1] + math.sqrt(1 - KEPT**2) * xi if t else xi
    return walk


def drift(images: Tensor, level: float, seed: int, start: int = 0, frames: int = 5) -> Tensor:
    """Frames of each image as it drifts through its `poses`. Cost O(N frames).

    A pose is in units of 15 degrees, 1.5 pixels (right and down) and .1 of brightness, times `level`. From frame to
    frame each of them changes with standard deviation sqrt(2 (1 - rho)) = .45 of its own. Turned about the centre, then
    shifted, in one bilinear resampling, black outside; then brightened and clipped.

    Parameters
    ----------
    images : Tensor of float32, (N, 1, H, W)
        In [0, 1]. Left as they are.
    level : float
        > 0.
    seed : int
        Of the walks.
    start : int
        The index of the first image in its data set: a data set gives the same frames in any batches.
    frames : int
        At least 2.

    Returns
    -------
    Tensor of float32, (N, frames, 1, H, W)
        In [0, 1].

    Raises
    ------
    ArgumentError
        Images of another shape or range, or a level, seed, start or number of frames that is none.
    """
    _check(images)
    check_positive("level", level)
    count, length = len(images), as_count("frames", frames, 2)
    if count == 0:  # torch samples no empty grid
        return images.new_empty(0, length, *images.shape[1:])
    walk = level * torch.from_numpy(poses(count, seed, as_count("start", start), length)).to(images)
    angle, right, down, light = walk.flatten(0, 1).unbind(1)
    still = images.repeat_interleave(length, 0)
    moved = turn(still, DEGREES * angle, PIXELS * right, PIXELS * down)
    lit = (moved + BRIGHTNESS * light[:, None, None, None]).clamp(0, 1)
    return lit.reshape(count, length, *images.shape[1:])


def turn(images: Tensor, degrees: Tensor, right: Tensor, down: Tensor) -> Tensor:
    """Images (N, 1, H, W) turned clockwise about their centre, then shifted by pixels; each its own way (N,)."""
    height, width = images.shape[-2:]
    cosine, sine = torch.cos(torch.deg2rad(degrees)), torch.sin(torch.deg2rad(degrees))
    # where each pixel of the result comes from, in pixels from the centre: x = R' (y - shift)
    back = torch.stack([torch.stack([cosine, sine], 1), torch.stack([-sine, cosine], 1)], 1)
    offset = -back @ torch.stack([right, down], 1)[:, :, None]
    half = torch.tensor([width / 2, height / 2]).to(images)  # torch measures from -1 to 1
    theta = torch.cat([back * half / half[:, None], offset / half[:, None]], 2)
    grid = affine_grid(theta, list(images.shape), align_corners=False)
    turned: Tensor = grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return turned


def _check(images: Tensor) -> None:
    """Refuse what is not (N, 1, H, W) in [0, 1]."""
    if not isinstance(images, Tensor):
        raise ArgumentError(f"images: a {type(images).__name__}, expected a torch tensor; see to_tensor")
    if images.ndim != 4 or images.shape[1] != 1:
        raise ArgumentError(f"images: of shape {tuple(images.shape)}, expected (N, 1, H, W)")
    if len(images) and not ((images >= 0) & (images <= 1)).all():
        raise ArgumentError("images: some values lie outside [0, 1], expected finite values inside; rescale them")
