"""Blur along a straight line in a random direction."""

import math

import torch
from kornia.filters import filter2d
from kornia.geometry.transform import rotate as rotate_by
from torch import Tensor

from localnoise.sims.perturbations.draws import Words, uniform
from localnoise.sims.perturbations.modification import IMAGE, Modification
from localnoise.sims.perturbations.registry import MODIFICATIONS


def kernels(level: float, angles: Tensor) -> Tensor:
    """Kernels of a line `level` pixels long and one wide, at `angles` (N,) in degrees. Each sums to 1.

    The horizontal line covers the pixel at x from the centre by min(1, max(0, (level + 1) / 2 - |x|)); it is rotated
    with bilinear weights. Returns (N, k, k), k odd, the smallest that holds the line; a line of up to one pixel leaves
    the image as it is.
    """
    length = max(level, 1.0)
    half = math.ceil((length - 1) / 2)
    taps = ((length + 1) / 2 - torch.arange(-half, half + 1).abs()).clamp(0, 1).to(angles)
    line = torch.nn.functional.pad(taps[None], (0, 0, half, half)).expand(len(angles), 1, -1, -1)
    turned = rotate_by(line, angles, mode="bilinear")[:, 0] if half else line[:, 0]
    return turned / turned.sum(dim=(1, 2), keepdim=True)


def line_blur(images: Tensor, level: float, words: Words) -> Tensor:
    """Blur each image along its own direction, uniform in 0..180 degrees.

    Outside the frame lies black, as in `rotate`: the background of Fashion-MNIST.
    """
    angles = torch.from_numpy(uniform(words[:, 0]) * 180).to(images)
    return filter2d(images, kernels(level, angles), border_type="constant")


MODIFICATION = MODIFICATIONS.register("line_blur")(
    Modification(
        name="line_blur",
        function=line_blur,
        words=1,
        shape=IMAGE,
        numbers=1,
        level=13.0,
        lowest=0.0,
        highest=28.0,
        unit="pixels of length",
        description="Blurred along a line of level pixels in a direction uniform in 0..180 degrees; black outside.",
    )
)
