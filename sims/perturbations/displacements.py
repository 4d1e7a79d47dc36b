"""The kinds of displacement: paired, jitter, temporal (and `between`, which all of them rest on).

Activations of the same images in other batches agree to float32 rounding; the images themselves agree to the bit.
"""

from typing import SupportsFloat

import torch
from torch import Tensor, nn

from localnoise.sims.models.training import activations
from localnoise.sims.perturbations.applied import apply
from localnoise.sims.perturbations.drift import drift
from localnoise.validate import as_count

Moved = tuple[Tensor, Tensor]
_CHUNK = 500  # images whose frames are made at a time


def between(front: nn.Module, images: Tensor, moved: Tensor) -> Moved:
    """d = h(moved) - h(images): whatever moved them.

    Parameters
    ----------
    front : Module
        Layers up to the noise, (T, 1, 28, 28) -> (T, C, H, W).
    images, moved : Tensor of float32, (T, 1, 28, 28)
        Clean, and moved.

    Returns
    -------
    d, h : Tensor, (T, C, H, W)
        h is the activation of `images`.
    """
    h = activations(front, images)
    d = activations(front, moved)
    d -= h
    return d, h


def paired(
    front: nn.Module, images: Tensor, name: str, level: SupportsFloat | None, seed: int, start: int = 0
) -> Moved:
    """d = h(T(x)) - h(x) for a modification T, the paper's displacement. Needs the clean image beside the modified one.

    Parameters
    ----------
    front : Module
        Layers up to the noise.
    images : Tensor of float32, (T, 1, 28, 28)
        In [0, 1].
    name, level, seed, start
        As `apply` takes them.

    Returns
    -------
    d, h : Tensor, (T, C, H, W)
        h is the activation of the clean image.

    Raises
    ------
    ArgumentError
        As `apply`.
    """
    return between(front, images, apply(name, images, level, seed, start))


def jitter(front: nn.Module, images: Tensor, level: float, seed: int, start: int = 0) -> Moved:
    """d = h(x + e) - h(x), e ~ N(0, level^2 I), pixels clipped to [0, 1]: the sensor's own noise.

    Needs neither attacker nor label nor model of what may happen to images: two noisy readings of one scene would do.
    The paper finds Gaussian input noise as good a source as its attacks.

    Parameters
    ----------
    front, images, seed, start
        As `paired` takes them.
    level : float
        Standard deviation of a pixel, black to white, 0 .. 1.

    Returns
    -------
    d, h : Tensor, (T, C, H, W)
        h is the activation of the clean image.

    Raises
    ------
    ArgumentError
        As `apply`.
    """
    return paired(front, images, "input_noise", level, seed, start)


def temporal(front: nn.Module, images: Tensor, level: float, seed: int, start: int = 0, frames: int = 5) -> Moved:
    """d = h(x_t) - h(x_(t-1)) on a stream: no clean image is needed, only the activation a frame ago.

    The stream shows one image after the other, each for `frames` frames, in which it drifts (`drift`). The first frame
    of an image gives no displacement: a cut is no movement. Memory 2 T n float32, whatever the number of images.

    Parameters
    ----------
    front : Module
        Layers up to the noise.
    images : Tensor of float32, (N, 1, 28, 28)
        In [0, 1].
    level, seed, start, frames
        As `drift` takes them.

    Returns
    -------
    d, h : Tensor, (T, C, H, W)
        T = N (frames - 1), in the stream's order; h is the activation of the frame before, x_(t-1).

    Raises
    ------
    ArgumentError
        As `drift`.
    """
    start, steps = as_count("start", start), as_count("frames", frames, 2) - 1
    d = h = torch.empty(0)
    for first in range(0, max(len(images), 1), _CHUNK):
        stream = drift(images[first : first + _CHUNK], level, seed, start + first, frames)
        seen = activations(front, stream.flatten(0, 1)).unflatten(0, stream.shape[:2])
        if not first:
            d, h = (seen.new_empty(len(images) * steps, *seen.shape[2:]) for _ in range(2))
        rows = slice(first * steps, (first + len(stream)) * steps)
        h[rows] = seen[:, :-1].flatten(0, 1)
        d[rows] = (seen[:, 1:] - seen[:, :-1]).flatten(0, 1)
    return d, h
