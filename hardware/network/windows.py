"""Windows of an activation: what a convolution multiplies and what a pooling layer reduces. Values and words alike."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Pair = tuple[int, int]
Shape = tuple[int, int, int]
Values = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Window:
    """A window that slides over rows and columns; a 1-D layer is one of a single row, a dense one of a single place.

    Attributes
    ----------
    kernel, stride, dilation : (rows, columns)
    padding : (rows, columns)
        Places added above and to the left; below and to the right as many as the output's shape needs.
    """

    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    def over(self, x: Values, shape: Shape, fill: float | int = 0) -> Values:
        """Windows of x (T, C, H, W) for an output (C', H', W'): (T, C, H', W', rows, columns), a view of a copy."""
        sides = []
        for axis in range(2):
            span = (self.kernel[axis] - 1) * self.dilation[axis] + 1
            needed = (shape[1 + axis] - 1) * self.stride[axis] + span
            sides.append((self.padding[axis], max(needed - self.padding[axis] - x.shape[2 + axis], 0), span, needed))
        (top, below, rows, high), (left, right, columns, wide) = sides
        if top or below or left or right:
            x = np.pad(x, ((0, 0), (0, 0), (top, below), (left, right)), constant_values=fill)
        seen = np.lib.stride_tricks.sliding_window_view(x[:, :, :high, :wide], (rows, columns), (2, 3))  # type: ignore[call-overload]
        (down, across), (gap, space) = self.stride, self.dilation
        return np.asarray(seen[:, :, ::down, ::across, ::gap, ::space])

    def taps(self, before: Shape, shape: Shape) -> npt.NDArray[np.int64]:
        """Return how many places of each window lie inside of the input (C, H, W): (H', W')."""
        inside = self.over(np.ones((1, 1, *before[1:]), np.int64), shape)
        return np.asarray(inside.sum(axis=(0, 1, 4, 5)))


def products(x: Values, weights: Values, window: Window, shape: Shape, dtype: Any) -> Values:
    """Sums of products of x (T, C, H, W) with weights (O, C / groups, rows, columns), (T, O, H', W') of `dtype`.

    Plain sums, by a matrix product: exact for integers if no sum of magnitudes reaches 2^24 (float32), 2^53 (float64).
    Cost O(T O H' W' C / groups rows columns).
    """
    T, groups = len(x), x.shape[1] // weights.shape[1]
    rows = patches(x, window, shape, groups).astype(dtype)
    matrix = weights.reshape(groups, len(weights) // groups, -1).astype(dtype)
    out = rows @ matrix.transpose(0, 2, 1)
    return np.ascontiguousarray(out.transpose(0, 2, 1)).reshape(len(weights), T, *shape[1:]).swapaxes(0, 1)


def patches(x: Values, window: Window, shape: Shape, groups: int = 1) -> Values:
    """Return what each place of the output multiplies: (groups, T H' W', C / groups rows columns)."""
    seen = window.over(x, shape)
    own = seen.shape[1] // groups
    parts = seen.reshape(len(x), groups, own, *seen.shape[2:]).transpose(1, 0, 3, 4, 2, 5, 6)
    return parts.reshape(groups, len(x) * shape[1] * shape[2], own * window.kernel[0] * window.kernel[1])


def lies_as(given: tuple[int, ...], shape: Shape) -> bool:
    """Return whether an input of these sizes lies as (C, H, W): the same axes but for those of 1, or fewer axes."""
    sides, own = ([side for side in sizes if side != 1] for sizes in (given, shape))
    return math.prod(given) == math.prod(shape) and (0 < len(given) < 3 or sides == own)


def module_of(place: str) -> str:
    """Return the module whose output a layer's place names: the last of those that were joined."""
    return place.rpartition(", ")[2].rpartition(" ")[0]
