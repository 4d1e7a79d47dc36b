"""A photograph seen at an angle: the frame's corners move inwards at random."""

import numpy as np
import numpy.typing as npt
import torch
from kornia.geometry.transform import get_perspective_transform, warp_perspective
from torch import Tensor

from localnoise.sims.perturbations.draws import Words, uniform
from localnoise.sims.perturbations.modification import IMAGE, Modification
from localnoise.sims.perturbations.registry import MODIFICATIONS

DISTORTION = 0.25  # of half the image's side at level 1
_CORNERS = np.array([[0.0, 0.0], [27.0, 0.0], [27.0, 27.0], [0.0, 27.0]])  # (x, y), clockwise from the top left
_INWARDS = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])


def corners(level: float, words: Words) -> Tensor:
    """Return where the four corners of each image go: (N, 4, 2) float64, (x, y) in pixels, clockwise from the top left.

    Each coordinate moves inwards by a whole number of pixels, uniform in 0 .. int(0.25 level 14): torchvision's
    `RandomPerspective` with distortion_scale = 0.25 level. Whole pixels make the effect a staircase in the level: none
    below 0.29, the same at 0.6 and 0.8, at 1.2 and 1.4. The paper's accuracies show the same steps.
    """
    most = int(DISTORTION * level * 14)
    steps = np.floor(uniform(words) * (most + 1)).reshape(-1, 4, 2)
    return torch.from_numpy(_CORNERS + _INWARDS * steps)


def perspective(images: Tensor, level: float, words: Words) -> Tensor:
    """Warp each image so that its corners lie at its own four points; bilinear, black outside the frame.

    As in torchvision, corner (0, 0) is the outer corner of the first pixel, whose centre lies at (1/2, 1/2).
    """
    goals = corners(level, words)
    starts = torch.from_numpy(_CORNERS).expand_as(goals)
    homography = get_perspective_transform(starts - 0.5, goals - 0.5)
    warped = warp_perspective(images, homography.to(images), (28, 28), mode="bilinear", padding_mode="zeros")
    return warped.nan_to_num(nan=0.0)  # a pixel on the horizon looks infinitely far outside the frame


def movements(words: Words) -> npt.NDArray[np.float64]:
    """Return how far the frame moves at 5 x 5 points of the image, level 2: (N, 50), x and y, in pixels of the source.

    A point beyond the frame's horizon counts as one that moved by an image's side.
    """
    goals = corners(2.0, words) - 0.5
    back = get_perspective_transform(goals, torch.from_numpy(_CORNERS).expand_as(goals) - 0.5)
    axis = 13.5 + 4.0 * torch.arange(-2, 3, dtype=torch.float64)
    points = torch.stack([*torch.meshgrid(axis, axis, indexing="xy"), torch.ones(5, 5, dtype=torch.float64)], -1)
    seen = points.reshape(-1, 3) @ back.transpose(1, 2)
    moved = seen[..., :2] / seen[..., 2:] - points.reshape(-1, 3)[:, :2]
    return moved.nan_to_num().clamp(-28, 28).flatten(1).numpy()


MODIFICATION = MODIFICATIONS.register("perspective")(
    Modification(
        name="perspective",
        function=perspective,
        words=8,
        movements=movements,
        shape=IMAGE,
        level=2.0,
        lowest=0.0,
        highest=2.0,
        unit="distortion of 0.25",
        description="Seen at an angle: each corner moved inwards by up to int(0.25 level 14) pixels along each axis.",
    )
)
