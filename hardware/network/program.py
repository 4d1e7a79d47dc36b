"""A network of integer layers, emulated to the bit: what a chip runs. It knows nothing of torch."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.hardware.fixedpoint import to_values, to_words
from localnoise.hardware.network.layers import (
    ApplyWords,
    ConvolutionWords,
    IntegerLayer,
    MixWords,
    SumWords,
    Words,
)
from localnoise.hardware.network.saving import save_program
from localnoise.hardware.network.soundness import Layout, refuse_unsound
from localnoise.hardware.network.windows import Shape, lies_as
from localnoise.streams import Progress
from localnoise.validate import as_array

_AT_ONCE = 64  # images together


class Program:
    """Integer layers in the order in which they run, from words to words.

    Made by `quantise`, or read by `localnoise.hardware.load_chips`.

    Parameters
    ----------
    shape : (C, H, W)
        Of an input; (N, 1, 1) of a vector, (C, 1, L) of a series.
    bits, scale : int
        Of its words: value = word 2^-scale.
    layers : sequence of IntegerLayer
        The last one's output is the network's.
    weight_bits : int
        That no weight exceeds.

    Raises
    ------
    ArgumentError
        A layer does not fit what it reads, a number is out of its range, or an accumulator could overflow.
    """

    def __init__(
        self, shape: Shape, bits: int, scale: int, layers: Sequence[IntegerLayer], weight_bits: int = 8
    ) -> None:
        self.shape, self.bits, self.scale, self.weight_bits = shape, bits, scale, weight_bits
        self.layers = tuple(layers)
        self.layouts: list[Layout] = refuse_unsound(shape, bits, scale, self.layers)
        limit = 2 ** (weight_bits - 1) - 1
        for layer in self.layers:
            if isinstance(layer, ConvolutionWords) and np.abs(layer.weights.astype(np.int16)).max() > limit:
                raise ArgumentError(f"{layer.place}: weights beyond {limit}, expected {weight_bits} bits")
        self.golden: Words | None = None  # a few inputs that an artefact is tried on
        self.provenance: dict[str, Any] = {}

    # Use

    def __call__(self, x: Any) -> npt.NDArray[np.float32]:
        """Return the outputs of inputs: exactly the words 2^-scale; without noise.

        Parameters
        ----------
        x : (T, C, H, W), or as many numbers an input in fewer axes
            Float inputs.

        Returns
        -------
        ndarray of float32, (T, N)
            Of N outputs.
        """
        return np.asarray(to_values(self.words(self.input_words(x)), self.layouts[-1][2]))

    def input_words(self, x: Any) -> Words:
        """Return the words of inputs, as the chip's converter makes them: half up, saturating.

        Parameters
        ----------
        x : (T, C, H, W), or as many numbers an input in fewer axes
            Inputs.

        Returns
        -------
        ndarray of int16, (T, C, H, W)
            Of `bits`.

        Raises
        ------
        ArgumentError
            Another shape, NaN or infinity.
        """
        values = as_array("x", x)
        if values.ndim < 2 or not lies_as(values.shape[1:], self.shape):
            raise ArgumentError(f"x has shape {values.shape}: expected (T, {', '.join(map(str, self.shape))})")
        if not (np.issubdtype(values.dtype, np.number) and np.isfinite(values).all()):
            raise ArgumentError(
                f"x is {values.dtype} and holds NaN, infinity, or what is no number: expected finite numbers; drop "
                "these inputs"
            )
        return to_words(values, self.scale, self.bits).reshape(-1, *self.shape).astype(np.int16)

    def words(self, h: Any, progress: Progress | None = None) -> Words:
        """Return the words that input words become; without noise.

        Parameters
        ----------
        h : (T, C, H, W) whole numbers
            Input words.
        progress : callable
            Told (inputs done, all of them).

        Returns
        -------
        ndarray of int16, (T, N)
            Of N outputs.
        """
        x = self.checked(h)
        out = np.empty((len(x), int(np.prod(self.layouts[-1][0]))), np.int16)
        for first in range(0, len(x), _AT_ONCE):
            *_, last = self.values(x[first : first + _AT_ONCE])
            out[first : first + _AT_ONCE] = last.reshape(len(last), -1)
            if progress is not None:
                progress(min(first + _AT_ONCE, len(x)), len(x))
        return out

    def values(self, x: Words) -> Iterator[Words]:
        """Yield the words of each layer's output in turn; without noise.

        Parameters
        ----------
        x : (T, C, H, W) int16
            Input words.

        Returns
        -------
        iterator of ndarray of int16, (T, C, H, W)
            One for each layer.
        """
        return self.through({0: x}, 0, len(self.layers))

    def through(self, seen: dict[int, Words], first: int, last: int) -> Iterator[Words]:
        """Yield what some layers give.

        Parameters
        ----------
        seen : dict of int to ndarray of int16
            Values by their index, 0 the input: grows by what is given; what no later layer reads is dropped.
        first, last : int
            The layers first .. last - 1.

        Returns
        -------
        iterator of ndarray of int16, (T, C, H, W)
            One for each layer.
        """
        ends = {value: k for k, layer in enumerate(self.layers) for value in layer.inputs}
        for k in range(first, last):
            layer = self.layers[k]
            seen[k + 1] = layer.apply(*(seen[value] for value in layer.inputs))
            for value in set(layer.inputs):
                if ends[value] == k:
                    del seen[value]
            yield seen[k + 1]

    @property
    def mix(self) -> int | None:
        """Index of the layer where noise enters or the first repair works; None: there is none."""
        return next(iter(self.mixes), None)

    @property
    def mixes(self) -> list[int]:
        """Indices of the layers where noise enters or repairs work."""
        return [k for k, layer in enumerate(self.layers) if isinstance(layer, MixWords)]

    # Size

    @property
    def outputs(self) -> int:
        """Numbers that come out: classes."""
        return int(np.prod(self.layouts[-1][0]))

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum(one.weights.size + one.bias.size for one in self.layers if isinstance(one, ConvolutionWords))

    @property
    def multiplications(self) -> int:
        """Multiplications an input, places outside of it included."""
        return self.multiplications_from(0, None)

    def multiplications_from(self, first: int | None, last: int | None) -> int:
        """Return the multiplications an input of some layers.

        Parameters
        ----------
        first, last : int or None
            The layers first .. last - 1; None: from the first, to the last.

        Returns
        -------
        int
            Places outside of the input included.
        """
        convolutions = [one for one in self.layers[first:last] if isinstance(one, ConvolutionWords)]
        return sum(one.weights.size * one.shape[1] * one.shape[2] for one in convolutions)

    @property
    def bound(self) -> int:
        """The largest magnitude that any accumulator could reach, whatever the input."""
        return max(layer.bound(max(self.layouts[value][1] for value in layer.inputs)) for layer in self.layers)

    @property
    def tables(self) -> int:
        """Words in tables of tanh and sigmoid."""
        kinds = (ConvolutionWords, SumWords, ApplyWords)
        return sum(len(one.finish.table) for one in self.layers if isinstance(one, kinds))

    def save(self, path: str | Path, *, state: bool = True) -> Path:
        """Write the program to HDF5, aside and renamed; `load_chips` reads it.

        Parameters
        ----------
        path : str or Path
            The file; one that is there is replaced.
        state : bool
            Changes nothing: there is no state.

        Returns
        -------
        Path
            The file.
        """
        return save_program(self, path)

    def __repr__(self) -> str:
        C, H, W = self.shape
        return (
            f"Program({C}x{H}x{W} to {self.outputs}; {len(self.layers)} layers, {self.parameters:,} weights of "
            f"{self.weight_bits} bit, words {self.bits} bit)"
        )

    def checked(self, h: Any) -> Words:
        """Return input words, if they are.

        Parameters
        ----------
        h : (T, C, H, W) whole numbers, or as many an input
            Words within `bits`.

        Returns
        -------
        ndarray of int16, (T, C, H, W)
            The same words.

        Raises
        ------
        ArgumentError
            No whole numbers, another shape, or beyond `bits`.
        """
        x, top = np.asarray(as_array("h", h)), 2 ** (self.bits - 1)
        whole = x.ndim > 1 and lies_as(x.shape[1:], self.shape)
        if not np.issubdtype(x.dtype, np.integer) or not whole:
            raise ArgumentError(
                f"h is {x.dtype} {x.shape}: expected words (T, {', '.join(map(str, self.shape))}), whole numbers; use "
                "input_words(x)"
            )
        if x.size and (x.min() < -top or x.max() >= top):
            raise ArgumentError(f"h holds {x.min()} to {x.max()}: expected words of {-top} to {top - 1}")
        return x.reshape(-1, *self.shape).astype(np.int16)
