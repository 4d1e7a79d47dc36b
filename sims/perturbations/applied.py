"""The one way to apply a modification, and what is known of what it did."""

import math
from functools import lru_cache
from typing import SupportsFloat

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from localnoise.errors import ArgumentError
from localnoise.sims.perturbations.draws import draw, uniform
from localnoise.sims.perturbations.modification import Modification
from localnoise.sims.perturbations.registry import MODIFICATIONS
from localnoise.sims.perturbations.typical import codebook, nearest
from localnoise.validate import as_count, as_seed

_DRAWS = 4096  # of which typical movements are made
_CHUNK = 1024  # images at a time: what the functions need in between stays in the cache


def apply(
    name: str,
    images: Tensor,
    level: SupportsFloat | None,
    seed: int,
    start: int = 0,
    rows: npt.NDArray[np.int64] | None = None,
) -> Tensor:
    """Modify each image by its own random draw, which depends on its index alone. Cost O(N).

    Parameters
    ----------
    name : str
        One of `MODIFICATIONS`, or several in turn: "motion_blur@3+brightness", whose level is the last one's.
    images : Tensor of float32, (N, 1, 28, 28)
        In [0, 1]; of a task's own modification, its inputs (N, ...). Left as they are.
    level : float or None
        How strong; None for the modification's default. Levels of one seed share their draws.
    seed : int
        0 .. 2^64 - 1.
    start : int
        The index of the first image in its data set, 0 .. 2^63 - 1: a data set gives the same result in any batches.
    rows : (N,) whole numbers >= 0, rising
        The images' indices, counted from `start`; None: 0, 1, ...

    Returns
    -------
    Tensor of float32, of their shape
        Within their bounds, on the device of `images`; never a view of them.

    Raises
    ------
    ArgumentError
        The name, the level, the seed or the start is none of these, or `images` are of another dtype, shape or range.
    MissingDependencyError
        The modification is a common corruption, and `imagecorruptions` is not installed.
    """
    modification = MODIFICATIONS.find(name, "name")
    strength = modification.checked(level)
    _check_images(images, modification)
    seed = int(as_seed(seed))
    if (start := as_count("start", start)) >= 1 << 63:
        raise ArgumentError(f"start={start!r}: expected less than 2**63")
    results, stream = [images[:0].clone()], modification.stream or name
    for first in range(0, len(images), _CHUNK):
        chunk = images[first : first + _CHUNK]
        if rows is None:
            words = draw(stream, seed, start + first, len(chunk), modification.words)
        else:
            own = rows[first : first + len(chunk)]
            words = draw(stream, seed, start + int(own[0]), int(own[-1] - own[0]) + 1, modification.words)[own - own[0]]
        moved = modification.function(chunk, strength, words)
        results.append(moved if modification.bounds is None else moved.clamp(*modification.bounds))
    return torch.cat(results)


def causes(name: str, seed: int, count: int, parts: int = 4, *, typical: bool = False) -> npt.NDArray[np.int64]:
    """Return which of up to `parts` causes moved each of the first images: its draw, coarsely, as `apply` makes it.

    One number (the angle of `rotate`, the direction of `line_blur`) is cut into `parts` equal pieces, each of two (the
    place of `obstruction`) into sqrt(parts); all else has one cause, unless `typical`. This is what a sensor knows of
    its own motion; it says nothing of the image or its label.

    Parameters
    ----------
    name : str
        One of `MODIFICATIONS`.
    seed : int
        That `apply` is given.
    count : int
        Images, from the first on.
    parts : int
        Causes, at most; a square number where there are two numbers to cut.
    typical : bool
        What moves an image by more than two numbers (`perspective`) is cut, too: by the nearest of `parts` typical
        movements, a codebook of 4,096 draws that is the same for every seed.

    Returns
    -------
    ndarray of int64, (count,)
        In 0 .. parts - 1.

    Raises
    ------
    ArgumentError
        `parts` is below 1, or no square number where there are two numbers to cut.
    """
    modification, seed = MODIFICATIONS.find(name, "name"), int(as_seed(seed))
    parts, numbers = as_count("parts", parts, 1), modification.numbers
    if typical and modification.movements is not None and parts > 1:
        return nearest(_book(name, parts), modification.movements(draw(name, seed, 0, count, modification.words)))
    if numbers == 0:
        return np.zeros(count, np.int64)
    each = math.isqrt(parts) if numbers == 2 else parts
    if each**numbers != parts:
        raise ArgumentError(
            f"parts={parts}: expected a square number for {name!r}, whose two numbers are cut alike; use {each**2}"
        )
    pieces = np.floor(uniform(draw(name, seed, 0, count, numbers)) * each)
    return np.asarray(pieces @ each ** np.arange(numbers)[::-1], dtype=np.int64)


@lru_cache
def _book(name: str, parts: int) -> npt.NDArray[np.float64]:
    modification = MODIFICATIONS[name]
    assert modification.movements is not None
    return codebook(modification.movements(draw(name, 0, 0, _DRAWS, modification.words)), parts)


def _check_images(images: Tensor, modification: Modification) -> None:
    """Refuse what is no float32 of the shape that a modification takes, within its bounds."""
    if not isinstance(images, Tensor):
        raise ArgumentError(f"images: a {type(images).__name__}, expected a torch tensor; see to_tensor")
    bounds = modification.bounds
    within = "finite values" if bounds is None else f"finite values in [{bounds[0]:g}, {bounds[1]:g}]"
    if images.dtype != torch.float32:
        raise ArgumentError(f"images: of {images.dtype}, expected torch.float32, {within}; divide bytes by 255")
    modification.check_shape("images", images.shape)
    if images.numel():
        low, high = (value.item() for value in torch.aminmax(images.detach()))
        least, most = bounds or (-math.inf, math.inf)
        if not (least <= low and high <= most and math.isfinite(low) and math.isfinite(high)):
            found = "hold NaN" if low != low else f"range from {low:g} to {high:g}"
            raise ArgumentError(f"images: {found}, expected {within}; rescale them")
