"""Same-modification augmentation: the training images meet what the test images will, drawn anew each epoch."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from localnoise.errors import ArgumentError
from localnoise.nn import Predictor
from localnoise.sims.defenses.lesson import Lesson, noiseless, teach


def modified(lesson: Lesson, *, clean: float = 0.2, whole: bool = False) -> Predictor:
    """Train on modified images, a share of them left clean: the information of the noise arms, used directly.

    Epoch e shows each image as draw e + 1 of the lesson's modification, or clean with probability `clean`. Draw 0 is
    the one that noise arms learn from. Cost: one modification of every image an epoch.

    Parameters
    ----------
    lesson : Lesson
        With `modified`.
    clean : float
        In [0, 1).
    whole : bool
        Train all layers from scratch.

    Returns
    -------
    Predictor
        In evaluation mode, its noise off. Adds no parameter.

    Raises
    ------
    ArgumentError
        The lesson has no modification, or one that changes the images' shape or dtype; clean outside [0, 1); `whole`
        without fresh layers.
    """
    if not 0 <= clean < 1:
        raise ArgumentError(f"clean={clean!r}: expected a share in [0, 1); at 1 nothing would be modified")
    images = mixture_of(lesson, clean)
    front, back = lesson.networks(whole)
    teach(lesson, front, back, whole, images)
    return noiseless(front, back)


def mixture_of(lesson: Lesson, clean: float) -> Callable[[int], Tensor]:
    """Return the images of an epoch: modified anew, a share of them left clean.

    Raises
    ------
    ArgumentError
        As `modified`.
    """
    source = lesson.modified
    if source is None:
        raise ArgumentError("lesson.modified is None: expected a function of the draw that gives modified images")
    rng = np.random.default_rng((lesson.seed, 2))

    def mixture(epoch: int) -> Tensor:
        fresh = source(epoch + 1)
        if fresh.shape != lesson.images.shape or fresh.dtype != lesson.images.dtype:
            raise ArgumentError(
                f"lesson.modified({epoch + 1}) gave {fresh.dtype} of shape {tuple(fresh.shape)}: expected "
                f"{lesson.images.dtype} of shape {tuple(lesson.images.shape)}, an image for each training image"
            )
        kept = torch.from_numpy(rng.random(len(fresh)) < clean)
        return torch.where(kept.view(-1, *[1] * (fresh.ndim - 1)), lesson.images, fresh)

    return mixture
