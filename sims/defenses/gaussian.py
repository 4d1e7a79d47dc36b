"""Gaussian input augmentation: normal noise on every pixel of every training image."""

import torch
from torch import Tensor

from localnoise.nn import Predictor
from localnoise.sims.defenses.lesson import Lesson, noiseless, teach
from localnoise.validate import check_positive


def gaussian(lesson: Lesson, *, sigma: float = 0.1, whole: bool = False) -> Predictor:
    """Train on clip(x + sigma xi, 0, 1), xi ~ N(0, I) drawn anew each epoch; test without noise. Cost: a draw a pixel.

    The augmentation of Cohen, Rosenfeld and Kolter 2019 (arXiv 1902.02918, section 3), less the vote over noisy images
    at test: the network's own robustness, not a smoothed one's.

    Parameters
    ----------
    lesson : Lesson
        What it trains on, and for how long.
    sigma : float
        Standard deviation, > 0, in the units of the inputs; pixels run from 0 to 1.
    whole : bool
        Train all layers from scratch.

    Returns
    -------
    Predictor
        In evaluation mode, its noise off. Adds no parameter.

    Raises
    ------
    ArgumentError
        sigma is no finite number > 0; `whole` without fresh layers.
    """
    check_positive("sigma", sigma, what=", the standard deviation on pixels in [0, 1]")
    front, back = lesson.networks(whole)
    generator = torch.Generator().manual_seed(lesson.seed)

    def noisy(epoch: int) -> Tensor:
        noisy = torch.randn(lesson.images.shape, generator=generator).mul_(sigma).add_(lesson.images)
        return noisy if lesson.bounds is None else noisy.clamp_(*lesson.bounds)

    teach(lesson, front, back, whole, noisy)
    return noiseless(front, back)
