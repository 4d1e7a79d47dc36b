"""A network in C99, with its defense if it has one: tables, golden images, and a program that tries them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.files import write_text
from localnoise.hardware.export.naming import USUAL, as_identifier, in_c
from localnoise.hardware.export.tables import Tables, table
from localnoise.hardware.network.defense import ChipDefense
from localnoise.hardware.network.layers import (
    ApplyWords,
    ConvolutionWords,
    IntegerLayer,
    MaximumWords,
    MeanWords,
    MixWords,
    SumWords,
)
from localnoise.hardware.network.memory import planned
from localnoise.hardware.network.program import Program

_HERE = Path(__file__).parent
_NETWORK = ("localnoise_network.h", "localnoise_integers.h", "localnoise_network.c", "localnoise_selftest.c")
_DEFENSE = ("localnoise_defense.h", "localnoise_defense.c", "localnoise_defense_selftest.c")
_FIELD = "lnfield"  # as the C of a defense calls what draws or repairs
_MAIN, _DEFENSE_MAIN = "localnoise_main.c", "localnoise_defense_main.c"
_KINDS = ("convolution", "sum", "maximum", "mean", "apply", "reshape", "mix")  # as the C numbers them
_LATER = '#if LN_LATER > 0\n#include "localnoise_later.h"\n#endif\n'
_NUMBERS = 28  # a layer's, as the C names them
_FINISHED = (ConvolutionWords, SumWords, ApplyWords, MixWords)
Ints = npt.NDArray[np.integer[Any]]


def write_network(program: Program, folder: Path, name: str) -> None:
    """Write sources, tables and golden images into `folder` under `name`."""
    as_identifier(name, "C")
    texts = _sources(*_NETWORK) | {_MAIN: _sources(_MAIN)[_MAIN]}
    _write(folder, name, texts | network_tables(program).texts | golden_tables(program).texts)


def write_defense(defense: ChipDefense, folder: Path, name: str) -> None:
    """Write a network and its defense; `field_name` begins the names of what draws or repairs."""
    as_identifier(name, "C")
    texts = _sources(*_NETWORK, *_DEFENSE) | {_MAIN: _sources(_DEFENSE_MAIN)[_DEFENSE_MAIN]}
    if defense.entry.repairs:
        texts["localnoise_defense.h"] = texts["localnoise_defense.h"].replace('"lnfield.h"', '"lnfield_repair.h"')
    if defense.later:
        texts["localnoise_later.h"] = later_repairs(defense)
    else:  # a header that is not there is read by nobody
        texts["localnoise_defense.c"] = texts["localnoise_defense.c"].replace(_LATER, "")
    constants, arrays = _mix(defense)
    tables = network_tables(defense.program)
    joined = replace(tables, constants=tables.constants | constants, arrays=tables.arrays | arrays)
    _write(folder, name, texts | joined.texts | golden_tables(defense.program, defense).texts)


def field_name(name: str, k: int = 0) -> str:
    """Return the name under which the k-th noise or repair of a network's artefact is written, beside it."""
    own = _FIELD if name == USUAL else f"{name}_field"
    return own if k == 0 else f"{own}{k + 1}"


def _sources(*files: str) -> dict[str, str]:
    return {file: (_HERE / "c99" / file).read_text(encoding="ascii") for file in files}


def _write(folder: Path, name: str, texts: dict[str, str]) -> None:
    field = field_name(name)
    for file, text in texts.items():
        own = in_c(text, name).replace(_FIELD, field).replace(_FIELD.upper(), field.upper())
        write_text(folder / file.replace(USUAL, name), own)


def _mix(defense: ChipDefense) -> tuple[dict[str, object], dict[str, str]]:
    """Constants and arrays of the place where the defense joins the network.

    Raises
    ------
    ArgumentError
        The units read activations so much finer than the network's words that C's shift would leave 32 bits.
    """
    program, entry = defense.program, defense.entry
    k, (at, _) = program.mix, planned(program)
    assert k is not None
    layer = program.layers[k]
    assert isinstance(layer, MixWords)
    _, _, scale = program.layouts[layer.inputs[0]]
    up = entry.one.field.activation_scale - scale if entry.signal else 0
    if not -30 <= up <= 14:
        raise ArgumentError(
            f"chip reads activations at scale {entry.one.field.activation_scale}, the network gives them at {scale}: "
            "expected scales within 14 bits; calibrate both on the same activations"
        )
    constants: dict[str, object] = {
        "MIX": f"{k}U",
        "MIX_FROM": at[layer.inputs[0]],
        "MIX_INTO": at[k + 1],
        "MIX_TIMES": 2**layer.lift,
        "MIX_FRACTION": layer.fraction,
        "MIX_LOW": f"({layer.finish.low})",
        "MIX_HIGH": layer.finish.high,
        "REPAIRS": int(entry.repairs),
        "READS": int(entry.signal),
        "READ_TIMES": 2 ** max(up, 0),
        "READ_FRACTION": max(-up, 0),
        "READ_TOP": 2 ** (defense.chip.formats.activation_bits - 1),
        "LATER": len(defense.later),
        "WIDEST": max(one.config.neurons for one in defense.chips),
        "DRAWS": f"{defense.draws}U",
        "VOTE": int(defense.vote),
    }
    lifts = [] if entry.repairs else [table("uint8_t", "noise_lift", layer.noise_lift)]
    return constants, dict(lifts)


def later_repairs(defense: ChipDefense) -> str:
    """Return the C header that lists the repairs of later layers."""
    program, (at, _) = defense.program, planned(defense.program)
    places = [(f"{k}U", at[program.layers[k].inputs[0]], at[k + 1]) for k in program.mixes[1:]]
    places += [("LN_LAYERS", -1, -1)] * (len(defense.later) - len(places))
    names = [f"{_FIELD}{k + 2}" for k in range(len(defense.later))]
    rows = [
        f"    {{{layer}, {start}, {into}, {one.config.neurons}U, {2 ** (one.formats.activation_bits - 1)}, "
        f"&{name}_repair_as, &{name}_verdict}}"
        for (layer, start, into), one, name in zip(places, defense.later, names, strict=True)
    ]
    includes = "\n".join(f'#include "{name}_repair.h"' for name in names)
    listed = ",\n".join(rows)
    return (
        "/* Repairs of later layers, written by localnoise. Do not edit: the manifest holds its checksum. */\n"
        f"#ifndef LOCALNOISE_LATER_H\n#define LOCALNOISE_LATER_H\n\n{includes}\n\n"
        "/* Of the output (layer LN_LAYERS) it reads and changes the logits. */\n"
        "typedef struct {\n    unsigned layer;\n    int32_t from;\n    int32_t into;\n    unsigned words;\n"
        "    int32_t top;\n    int (*repair_as)(int source, const int16_t *h, int16_t *fixed);\n"
        f"    int (*verdict)(int member);\n}} ln_later_repair;\n\n"
        f"static const ln_later_repair ln_later[LN_LATER] = {{\n{listed}\n}};\n\n#endif\n"
    )


def word_bytes(program: Program) -> int:
    """Bytes of a word between layers, in C."""
    inner = [program.bits, *(bits for _, bits, _ in program.layouts[1:-1])]
    return 1 if max(inner) <= 8 else 2


def network_bytes(program: Program) -> tuple[dict[str, int], dict[str, int]]:
    """Return bytes of flash by part, and of RAM, that the exported C takes; less the program, noise, and the stack."""
    size, outputs = word_bytes(program), program.layers[-1].shape
    convolutions = [one for one in program.layers if isinstance(one, ConvolutionWords)]
    tables = {one.finish.table.tobytes() for one in program.layers if isinstance(one, _FINISHED)}
    flash = {
        "weights": sum(one.weights.size for one in convolutions),
        "biases and shifts": sum(5 * one.bias.size for one in convolutions),
        "tables of functions": sum(len(one) // 2 * size for one in tables),
        "layers": 4 * _NUMBERS * len(program.layers),
    }
    ram = {
        "working memory": (planned(program)[1] + _patch(program)) * size,
        "image and logits": int(np.prod(program.shape)) * size + 2 * int(np.prod(outputs)),
    }
    return flash, ram


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
        "NUMBERS": f"{_NUMBERS}U",
        "MEMORY": memory,
        "PATCH": _patch(program),
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


def _patch(program: Program) -> int:
    """Words that a place of a convolution multiplies, at most, of those that gather them."""
    every = [
        one.weights[0].size
        for one in program.layers
        if isinstance(one, ConvolutionWords) and one.weights.shape[1] == program.layouts[one.inputs[0]][0][0]
    ]
    return max(every, default=1)


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
    if isinstance(layer, _FINISHED):
        low, high, top = layer.finish.low, layer.finish.high, len(layer.finish.table) // 2
        table_at = made.look_up(layer.finish.table) if top else 0
    assert not isinstance(layer, MaximumWords) or fraction == 0
    found = [
        _KINDS.index(layer.kind), places[0], places[-1], at[k + 1], *read[0], *layer.shape,
        *(size for pair in pairs for size in pair),
        own, weights, channel, low, high, table_at, top, lift, lift_too, fraction,
    ]  # fmt: skip
    assert len(found) == _NUMBERS
    return [int(number) for number in found]
