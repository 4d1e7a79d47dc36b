"""Float layers as integer layers: each is fitted to what the integer layers before it really give."""

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as attribute
from typing import Any

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.hardware.network import chain
from localnoise.hardware.network import scales as by
from localnoise.hardware.network.entry import Entry
from localnoise.hardware.network.graph import (
    Apply,
    Convolution,
    Curve,
    FloatGraph,
    FloatLayer,
    Maximum,
    Mean,
    Mix,
    Reshape,
    Sum,
)
from localnoise.hardware.network.layers import (
    ApplyWords,
    ConvolutionWords,
    Finish,
    IntegerLayer,
    MaximumWords,
    MeanWords,
    MixWords,
    ReshapeWords,
    SumWords,
)
from localnoise.hardware.network.program import Program
from localnoise.hardware.network.weights import rounded
from localnoise.hardware.network.windows import module_of
from localnoise.hardware.repair import ChipRepair
from localnoise.streams import Progress

OUTPUT_BITS = 16  # of logits
_AT_ONCE, _GOLDEN, _HEADROOM = 64, 8, 4


@dataclass
class Lowering:
    """One quantisation: float values and words of the calibration, side by side, as far as they are still read."""

    graph: FloatGraph
    weight_bits: int
    bits: int
    pinned: dict[str, int]
    feedback: bool
    fields: dict[str, Entry] = attribute(default_factory=dict)  # by the place behind which they join
    layouts: list[tuple[int, int]] = attribute(default_factory=list)  # bits and scale of each value
    forced: dict[int, int] = attribute(default_factory=dict)  # scales that layers must give, see `scale_behind`
    logits: bool = True  # whether the last layer's words are the network's output
    at: int = 0  # the layer in work
    word: chain.Word = None  # of the repairs so far, on each calibration input

    def done(self, x: Any, bounds: tuple[float, float] | None, progress: Progress | None) -> Program:
        """Return the program."""
        held = x if bounds is None else np.array(bounds)
        self.forced = self._read_by_a_repair() | self.forced
        scale = self.forced.get(-1, self.pinned.get("input", by.holding(held, self.bits)))
        self._refuse_other_scale("input", "the input", scale)
        words = np.floor(np.ldexp(x.astype(np.float64), scale) + 0.5)
        by.refuse_saturated("input", words, Curve(), self.bits, scale)
        first = Program(self.graph.shape, self.bits, scale, [_nothing(self.graph.shape, self.bits, scale)])
        values: list[Any] = [x]
        seen: list[Any] = [first.input_words(x)]
        self.layouts = [(self.bits, scale)]
        last = {value: k for k, layer in enumerate(self.graph.layers) for value in layer.inputs}
        gives = {
            module_of(layer.place): k for k, layer in enumerate(self.graph.layers) if not isinstance(layer, Mix)
        }  # the last layer of a module
        layers: list[IntegerLayer] = []
        for k, layer in enumerate(self.graph.layers):
            self.at = k
            linear, out = _in_parts(layer, [values[value] for value in layer.inputs])
            if isinstance(layer, Mix):
                made, found, out = self._mix(layer, seen[layer.inputs[0]], out)
            else:
                made, found = self._layer(layer, [seen[value] for value in layer.inputs], linear, out, k)
            if isinstance(layer, Mix) or gives[module_of(layer.place)] == k:
                self._refuse_other_scale(module_of(layer.place), layer.place, made.scale)
            layers.append(made)
            self.layouts.append((made.bits, made.scale))
            values.append(out)
            seen.append(found)
            for value in layer.inputs:
                if last[value] == k:
                    values[value] = seen[value] = None
            if progress is not None:
                progress(k + 1, len(self.graph.layers))
        program = Program(self.graph.shape, self.bits, scale, layers, self.weight_bits)
        program.golden = first.input_words(x[:_GOLDEN])
        return program

    def _layer(self, layer: FloatLayer, x: list[Any], linear: Any, y: Any, k: int) -> tuple[IntegerLayer, Any]:
        """Return the integer layer, and its words of the calibration words x."""
        bits, scale = self.layouts[layer.inputs[0]]
        own: dict[str, Any] = {"place": layer.place, "inputs": layer.inputs, "shape": layer.shape}
        kept = own | {"bits": bits, "scale": scale}
        made: IntegerLayer
        if isinstance(layer, Convolution):
            return self._convolution(layer, x[0], linear, y, self.logits and k == len(self.graph.layers) - 1)
        if isinstance(layer, Sum):
            return self._sum(layer, x, y)
        if isinstance(layer, Maximum):
            made = MaximumWords(**kept, window=layer.window)
        elif isinstance(layer, Mean):
            return self._mean(layer, x[0], y)
        elif isinstance(layer, Reshape):
            made = ReshapeWords(**kept)
        else:
            assert isinstance(layer, Apply)
            if layer.curve.function:
                out = self._wanted(layer, self.bits - 1)
                finish = by.table(layer.curve.function, bits, scale, self.bits, out)
                made = ApplyWords(**own, bits=self.bits, scale=out, finish=finish)
            else:
                made = ApplyWords(**kept, finish=by.clamp(layer.curve, bits, scale))
        return made, _in_parts(made, x)[1]

    def _convolution(self, layer: Convolution, x: Any, linear: Any, y: Any, final: bool) -> tuple[IntegerLayer, Any]:
        bits, scale = self.layouts[layer.inputs[0]]
        function, out_bits = layer.curve.function, self.bits
        if function:
            out = self._wanted(layer, self.bits - 1)
            index_bits, step = by.index_of(function, out)
        else:
            final = final and layer.curve == Curve()
            out_bits = OUTPUT_BITS if final else self.bits
            found = by.holding(_HEADROOM * y, out_bits) if final else by.chosen(y, out_bits)
            step = out = self._wanted(layer, found)
            index_bits = 0
        q = rounded(layer, x, linear, bits, scale, self.weight_bits, step, feedback=self.feedback)
        short = max(step - int(q.scale.min()), 0)  # of bits: where weights are large, the output is no finer than they
        step -= short
        if function:
            finish = by.table(function, max(index_bits - short, 2), step, self.bits, out)
        else:
            if short and module_of(layer.place) in self.pinned:
                raise ArgumentError(f"scales: {layer.place} has weights too large for scale {out}; expected {step}")
            out = step
            finish = by.clamp(layer.curve, out_bits, out)
        made = ConvolutionWords(
            place=layer.place, inputs=layer.inputs, shape=layer.shape, bits=out_bits, scale=out, weights=q.weights,
            bias=q.bias, fraction=(q.scale - step).astype(np.uint8), window=layer.window, finish=finish,
        )  # fmt: skip
        return self._checked(made, [x], layer.curve)

    def _sum(self, layer: Sum, x: list[Any], y: Any) -> tuple[IntegerLayer, Any]:
        read = [self.layouts[value][1] for value in layer.inputs]
        finest, function = max(read), layer.curve.function
        if function:
            out = self._wanted(layer, self.bits - 1)
            index_bits, step = by.index_of(function, out)
            short = max(step - finest, 0)
            step -= short
            finish = by.table(function, max(index_bits - short, 2), step, self.bits, out)
        else:
            step = out = min(self._wanted(layer, by.chosen(y, self.bits)), finest)
            finish = by.clamp(layer.curve, self.bits, out)
        made = SumWords(
            place=layer.place, inputs=layer.inputs, shape=layer.shape, bits=self.bits, scale=out,
            lift=(finest - read[0], finest - read[1]), fraction=finest - step, finish=finish,
        )  # fmt: skip
        return self._checked(made, x, layer.curve)

    def _mean(self, layer: Mean, x: Any, y: Any) -> tuple[IntegerLayer, Any]:
        bits, scale = self.layouts[layer.inputs[0]]
        count = layer.window.kernel[0] * layer.window.kernel[1]
        most = max(30 - bits - int(count).bit_length(), 0)  # so that no sum overflows
        lift = int(np.clip(self._wanted(layer, by.chosen(y, bits)) - scale, 0, most))
        made = MeanWords(
            place=layer.place, inputs=layer.inputs, shape=layer.shape, bits=bits, scale=scale + lift,
            window=layer.window, padded=layer.padded, lift=lift,
        )  # fmt: skip
        return self._checked(made, [x], Curve())

    def _mix(self, layer: Mix, x: Any, y: Any) -> tuple[IntegerLayer, Any, Any]:
        """Return the layer where a grid's noise joins, its words, and the float values that they stand for."""
        place = layer.place.removesuffix(" mix")
        if place not in self.fields:
            raise ArgumentError("field is missing, but the graph has a place for one: expected a grid or a repair")
        field, (bits, scale) = self.fields[place], self.layouts[layer.inputs[0]]
        field.refuse_other(place, layer.shape, bits, scale)
        own: dict[str, Any] = {"place": layer.place, "inputs": layer.inputs, "shape": layer.shape}
        if isinstance(field.chip, ChipRepair):
            fixed, self.word = chain.undone(field.chip, x, self.word)
            top = 2 ** (bits - 1)
            nothing: dict[str, Any] = {"lift": 0, "fraction": 0, "noise_bits": 0, "noise_lift": np.zeros(1, np.uint8)}
            return (
                MixWords(**own, **nothing, bits=bits, scale=scale, finish=Finish(low=-top, high=top - 1)),
                fixed,
                y,
            )
        eta = field.words(x, bits, scale)
        noisy = y + field.values(eta).reshape(y.shape)
        finest = max(scale, int(field.scales.max()))
        out = min(self.pinned.get(module_of(layer.place), by.chosen(noisy, self.bits)), finest)
        made = MixWords(
            **own, bits=self.bits, scale=out, lift=finest - scale, fraction=finest - out, noise_bits=field.bits,
            noise_lift=(finest - field.scales).astype(np.uint8), finish=by.clamp(Curve(), self.bits, out),
        )  # fmt: skip
        rounded_ = made.rounded(x, eta)
        by.refuse_saturated(made.place, rounded_, Curve(), made.bits, made.scale)
        return made, made.finish(rounded_), noisy

    def _checked(self, made: Any, x: list[Any], curve: Curve) -> tuple[IntegerLayer, Any]:
        """Return a layer, and its words; refused where they saturate."""
        before = np.concatenate([made.rounded(*(one[part] for one in x)) for part in _parts(len(x[0]))])
        top = 2 ** (made.bits - 1)
        finish = made.finish if hasattr(made, "finish") else Finish(low=-top, high=top - 1)
        by.refuse_saturated(made.place, before, curve, made.bits, made.scale)
        return made, finish(before)

    def _wanted(self, layer: FloatLayer, otherwise: int) -> int:
        return self.forced.get(self.at, self.pinned.get(module_of(layer.place), otherwise))

    def _refuse_other_scale(self, name: str, place: str, scale: int) -> None:
        if (wanted := self.pinned.get(name, scale)) != scale:
            raise ArgumentError(
                f"scales[{name!r}]={wanted}: the words of {place} have scale {scale}, that of what it reads or of a "
                "repair that reads them: expected the same, or none; state the scale of a layer before it"
            )

    def _read_by_a_repair(self) -> dict[int, int]:
        """Return which layer (-1: the input) must give words of which scale, so that repairs can read them."""
        found: dict[int, int] = {}
        for layer in self.graph.layers:
            field = self.fields.get(layer.place.removesuffix(" mix")) if isinstance(layer, Mix) else None
            if field is not None and isinstance(field.chip, ChipRepair):
                found |= scale_behind(self.graph.layers, layer.inputs[0], field.chip.field.activation_scale)
        return found


def scale_behind(layers: Sequence[FloatLayer], value: int, scale: int) -> dict[int, int]:
    """Return which layer (-1: the input) must give words of this scale, so that a value has it."""
    while value and isinstance(layers[value - 1], (Maximum, Reshape)):  # which keep a scale
        value = layers[value - 1].inputs[0]
    return {value - 1: scale}


def _nothing(shape: Any, bits: int, scale: int) -> IntegerLayer:
    return ReshapeWords(place="input", inputs=(0,), shape=shape, bits=bits, scale=scale)


def _parts(count: int) -> list[slice]:
    return [slice(first, min(first + _AT_ONCE, count)) for first in range(0, count, _AT_ONCE)]


def _in_parts(layer: Any, x: list[Any]) -> tuple[Any, Any]:
    """Return what a layer gives before its curve, where it has one, and after; a few inputs at a time."""
    before, after = [], []
    for part in _parts(len(x[0])):
        some = [one[part] for one in x]
        if hasattr(layer, "linear"):
            before.append(layer.linear(*some).astype(np.float32))
            after.append(layer.curve(before[-1]))
        else:
            after.append(layer.apply(*some))
    return (np.concatenate(before) if before else None), np.concatenate(after)
