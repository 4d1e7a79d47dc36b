"""A network's numbers in C: those of its layers, weights, biases and tables; golden images."""

from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.hardware.export.tables import Tables, table
from localnoise.hardware.network.defense import ChipDefense
from localnoise.hardware.network.layers import (
    ConvolutionWords,
    IntegerLayer,
    MaximumWords,
    MeanWords,
    MixWords,
    SumWords,
)
from localnoise.hardware.network.memory import planned
from localnoise.hardware.network.program import Program
from localnoise.hardware.network.sizes import FINISHED, NUMBERS, patch_words, word_bytes

_KINDS = ("convolution", "sum", "maximum", "mean", "apply", "reshape", "mix")  # as the C numbers them
Ints = npt.NDArray[np.integer[Any]]


def network_tables(program: Program) -> Tables:
    """Return `localnoise_tables` of a network: its layers' numbers, weights, biases, fractions and tables."""
    at, memory = planned(program)
    (C, H, W), bits, scale = program.layouts[0]
    _, output_bits, output_scale = program.layouts[-1]
    made = _Arrays()
    numbers = [_numbers(k, layer, program, at, made) for k, layer in enumerate(program.layers)]
    constants: dict[str, object] = {
        "INPUTS": C * H * W,
        "INPUT_CHANNELS": C,
        "INPUT_ROWS": H,
        "INPUT_COLUMNS": W,
        "INPUT_BITS": f"{bits} /* of an input word */",
        "INPUT_SCALE": f"({scale}) /* its value is word 2^-scale, its zero point 0 */",
        "OUTPUTS": program.outputs,
        "OUTPUT_BITS": output_bits,
        "OUTPUT_SCALE": f"({output_scale}) /* a logit's value is logit 2^-scale */",
        "LAYERS": f"{len(program.layers)}U",
        "NUMBERS": f"{NUMBERS}U",
        "MEMORY": memory,
        "PATCH": patch_words(program),
    }
    word = "int8_t" if word_bytes(program) == 1 else "int16_t"
    tables = [
        table("int32_t", "layers", np.array(numbers)),
        table("int8_t", "weights", made.joined("weights")),
        table("int32_t", "bias", made.joined("bias")),
        table("uint8_t", "fraction", made.joined("fraction")),
        table(word, "lookup", made.joined("lookup")),
    ]
    title = f"A network of {len(program.layers)} layers, written by localnoise."
    return Tables(
        file="localnoise_tables",
        title=title,
        constants=constants,
        types={"word": word, "logit": "int16_t"},
        arrays=dict(tables),
    )


def golden_tables(program: Program, defense: ChipDefense | None = None) -> Tables:
    """Return `localnoise_golden`: a few inputs as words, and the logits that they must give."""
    images = program.golden if program.golden is not None else np.zeros((1, *program.shape), np.int16)
    word = "int8_t" if word_bytes(program) == 1 else "int16_t"
    arrays = [
        table(word, "golden_image", places_first(images)),
        table("int16_t", "golden_logit", program.words(images)),
    ]
    if defense is not None:
        arrays.append(table("int32_t", "golden_score", defense.scores(images)))
    return Tables(
        file="localnoise_golden",
        title="Golden images and their logits, written by localnoise.",
        constants={"GOLDEN": f"{len(images)}U"},
        types={},
        arrays=dict(arrays),
    )


def places_first(words: Ints) -> Ints:
    """(T, C, H, W) as the C has it: (T, H W C)."""
    return np.ascontiguousarray(words.transpose(0, 2, 3, 1)).reshape(len(words), -1)


class _Arrays:
    """Arrays of all layers, one after the other; equal tables once."""

    def __init__(self) -> None:
        self.parts: dict[str, list[Ints]] = {}
        self._tables: dict[bytes, int] = {}

    def add(self, name: str, values: Ints) -> int:
        """Return where the values begin."""
        parts = self.parts.setdefault(name, [])
        parts.append(values.reshape(-1))
        return sum(len(part) for part in parts[:-1])

    def look_up(self, words: Ints) -> int:
        """Return where a table begins."""
        key = words.tobytes()
        if key not in self._tables:
            self._tables[key] = self.add("lookup", words)
        return self._tables[key]

    def joined(self, name: str) -> Ints:
        """Return the values, or a zero: C has no empty arrays."""
        return np.concatenate(self.parts[name]) if name in self.parts else np.zeros(1, np.int64)


def _numbers(k: int, layer: IntegerLayer, program: Program, at: list[int], made: _Arrays) -> list[int]:
    """Return a layer's numbers, in the order of localnoise_network.c."""
    read = [program.layouts[value][0] for value in layer.inputs]
    places = [at[value] for value in layer.inputs]
    window = getattr(layer, "window", None)
    pairs = (window.kernel, window.stride, window.padding, window.dilation) if window else ((1, 1),) * 4
    own = weights = channel = lift = lift_too = fraction = table_at = top = 0
    low, high = -(2 ** (layer.bits - 1)), 2 ** (layer.bits - 1) - 1
    if isinstance(layer, ConvolutionWords):
        own = layer.weights.shape[1]
        weights = made.add("weights", layer.weights.transpose(0, 2, 3, 1))
        channel = made.add("bias", layer.bias)
        made.add("fraction", layer.fraction)
    elif isinstance(layer, SumWords):
        (lift, lift_too), fraction = layer.lift, layer.fraction
    elif isinstance(layer, MeanWords):
        lift, fraction = layer.lift, int(layer.padded)
    elif isinstance(layer, MixWords):
        lift, fraction = layer.lift, layer.fraction
    if isinstance(layer, FINISHED):
        low, high, top = layer.finish.low, layer.finish.high, len(layer.finish.table) // 2
        table_at = made.look_up(layer.finish.table) if top else 0
    assert not isinstance(layer, MaximumWords) or fraction == 0
    found = [
        _KINDS.index(layer.kind), places[0], places[-1], at[k + 1], *read[0], *layer.shape,
        *(size for pair in pairs for size in pair),
        own, weights, channel, low, high, table_at, top, lift, lift_too, fraction,
    ]  # fmt: skip
    assert len(found) == NUMBERS
    return [int(number) for number in found]
