"""A trained network as a list of float layers: what is read from torch, before anything is an integer.

Value 0 is the network's input, value k + 1 the output of layer k; a layer reads values before its own. A value lies as
(C, H, W): a 1-D activation as (C, 1, L), a vector as (N, 1, 1). A dense layer is a convolution of one place.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from localnoise.hardware.network.windows import Shape, Values, Window, products

Floats = npt.NDArray[np.float64]
INFINITE = float("inf")
CURVES: dict[str, Callable[[Any], Any]] = {"tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}


@dataclass(frozen=True, kw_only=True)
class FloatLayer:
    """One operation.

    Attributes
    ----------
    place : str
        The module, and the operator within it, for messages.
    inputs : tuple of int
        Values that it reads.
    shape : (C, H, W)
        Of its output.
    """

    kind: ClassVar[str] = ""
    place: str
    inputs: tuple[int, ...]
    shape: Shape

    def apply(self, *x: Values) -> Values:
        """Values (T, C, H, W) of its output."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The end of an affine layer or a sum, within the same step: nothing, a clamp, or a function by table."""

    function: str = ""
    low: float = -INFINITE
    high: float = INFINITE

    def __call__(self, x: Values) -> Values:
        """Values after it."""
        return np.asarray(CURVES[self.function](x) if self.function else np.clip(x, self.low, self.high))


@dataclass(frozen=True, kw_only=True)
class Convolution(FloatLayer):
    """Weights (O, C / groups, rows, columns) and biases (O,), then a curve."""

    kind: ClassVar[str] = "convolution"
    weights: Floats
    bias: Floats
    window: Window = field(default_factory=Window)
    curve: Curve = field(default_factory=Curve)

    def linear(self, *x: Values) -> Values:
        """Values before the curve."""
        return products(x[0], self.weights, self.window, self.shape, np.float32) + self.bias[:, None, None]

    def apply(self, *x: Values) -> Values:
        """Values of its output."""
        return self.curve(self.linear(*x))


@dataclass(frozen=True, kw_only=True)
class Norm(FloatLayer):
    """scale x + shift, channel by channel: batch norm at test. Never left over: `fused` folds it."""

    kind: ClassVar[str] = "norm"
    scale: Floats
    shift: Floats

    def apply(self, *x: Values) -> Values:
        """Values of its output."""
        return np.asarray(x[0] * self.scale[:, None, None] + self.shift[:, None, None])


@dataclass(frozen=True, kw_only=True)
class Sum(FloatLayer):
    """The sum of two values, then a curve."""

    kind: ClassVar[str] = "sum"
    curve: Curve = field(default_factory=Curve)

    def linear(self, *x: Values) -> Values:
        """Values before the curve."""
        return np.asarray(x[0] + x[1])

    def apply(self, *x: Values) -> Values:
        """Values of its output."""
        return self.curve(self.linear(*x))


@dataclass(frozen=True, kw_only=True)
class Apply(FloatLayer):
    """A curve by itself."""

    kind: ClassVar[str] = "apply"
    curve: Curve

    def apply(self, *x: Values) -> Values:
        """Values of its output."""
        return self.curve(x[0])


@dataclass(frozen=True, kw_only=True)
class Maximum(FloatLayer):
    """The maximum over each window; places outside of the input count as none."""

    kind: ClassVar[str] = "maximum"
    window: Window

    def apply(self, *x: Values) -> Values:
        """Values of its output."""
        return np.asarray(self.window.over(x[0], self.shape, -INFINITE).max(axis=(4, 5)))


@dataclass(frozen=True, kw_only=True)
class Mean(FloatLayer):
    """The mean over each window.

    Attributes
    ----------
    padded : bool
        Whether places outside of the input count, as zeros.
    """

    kind: ClassVar[str] = "mean"
    window: Window
    padded: bool = True

    def apply(self, *x: Values) -> Values:
        """Values of its output."""
        count = self.window.kernel[0] * self.window.kernel[1]
        taps = count if self.padded else self.window.taps(x[0].shape[1:], self.shape)
        return np.asarray(self.window.over(x[0], self.shape).sum(axis=(4, 5)) / taps)


@dataclass(frozen=True, kw_only=True)
class Reshape(FloatLayer):
    """The same numbers in the order of (C, H, W), as another shape."""

    kind: ClassVar[str] = "reshape"

    def apply(self, *x: Values) -> Values:
        """Values of its output."""
        return x[0].reshape(len(x[0]), *self.shape)


@dataclass(frozen=True, kw_only=True)
class Mix(FloatLayer):
    """The place where a grid's noise is added, or a repair undoes what has happened: all later values read it."""

    kind: ClassVar[str] = "mix"

    def apply(self, *x: Values) -> Values:
        """Values of its output, without noise."""
        return x[0]


@dataclass(frozen=True, kw_only=True)
class FloatGraph:
    """Float layers in the order in which they run; the last one's output is the network's."""

    shape: Shape
    layers: tuple[FloatLayer, ...]

    def values(self, x: Values) -> Iterator[Values]:
        """The output of each layer in turn, (T, C, H, W) float32, for inputs x."""
        seen = [x]
        for layer in self.layers:
            seen.append(layer.apply(*(seen[k] for k in layer.inputs)).astype(np.float32))
            yield seen[-1]

    def __call__(self, x: Values) -> Values:
        """The last layer's output."""
        *_, last = self.values(x)
        return last


def users(layers: tuple[FloatLayer, ...], value: int) -> list[int]:
    """Return which layers read a value."""
    return [k for k, layer in enumerate(layers) if value in layer.inputs]


def moved(layer: FloatLayer, change: Callable[[int], int]) -> FloatLayer:
    """Return the layer, reading other values."""
    return replace(layer, inputs=tuple(change(k) for k in layer.inputs))
