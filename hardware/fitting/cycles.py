"""Instructions of the exported C on a Cortex-M4: fitted, kernel by kernel, to what the emulated one runs.

`benchmarks/cycles.py` counts and fits; `tests/hardware/test_cycles.py` holds others against them that were not fitted:
within 20 %. They hold of 32-bit accumulators, words of one byte and the xorshift generator, compiled as `verify` does.
An instruction takes a clock or more: loads, taken branches and flash that waits add to it, so that a time made of them
is the least.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from localnoise.hardware.fitting.wiring import Wiring
from localnoise.hardware.formats import Formats
from localnoise.hardware.network.defense import ChipDefense
from localnoise.hardware.network.layers import (
    ConvolutionWords,
    IntegerLayer,
    MaximumWords,
    MeanWords,
    MixWords,
    ReshapeWords,
    SumWords,
)
from localnoise.hardware.network.program import Program
from localnoise.hardware.repair import ChipRepair

Features = dict[str, float]
ERROR = 0.2  # of a count, at most
CONSTANTS: dict[str, Features] = {
    "convolution": {
        "places": 171.89,
        "taps": 38.17,
        "gathered": 0.0,
        "words": 33.36,
        "products": 3.78,
        "rest": 11.49,
        "tables": 0.0,
    },
    "convolution in groups": {"words": 0.0, "taps": 32.96, "products": 4.71},
    "word by word": {"words": 26.46, "tables": 12.69, "sums": 18.56, "reshapes": 0.0},
    "pool": {"words": 149.94, "taps": 7.42, "means": 12.15},
    "draw": {
        "units": 19.87,
        "neurons": 15.14,
        "links": 25.81,
        "products": 0.0,
        "links, wide": 12.58,
        "products, wide": 4.0,
        "unpacked": 5.73,
    },
    "decide": {"neurons": 24.3, "links": 1.41, "products": 4.26, "worths": 20.26},
    # of bends by hand: fitted with the others it lies between 0 and 14
    "undo": {"neurons": 31.05, "links": 10.22, "products": 2.99, "bends": 4.0},
}
_WIDE = 8  # channels from which on loops over them are not unrolled
_JOIN, _SCORE = 22, 8  # of a word that noise joins, and of a draw's logit


@final
@dataclass(frozen=True, kw_only=True)
class Share:
    """A part of the instructions of an image.

    Attributes
    ----------
    what : str
        A layer's place, "noise", "decide", "repair" or "scores".
    runs : int
        How often it runs an image.
    instructions : int
        Of all runs.
    """

    what: str
    runs: int
    instructions: int


def priced(kernel: str, features: Features) -> float:
    """Return the instructions of a kernel."""
    return sum(CONSTANTS[kernel][name] * value for name, value in features.items())


def of_layer(program: Program, layer: IntegerLayer) -> tuple[str, Features]:
    """Return the kernel that runs a layer of a program, and what its instructions are made of."""
    before = program.layouts[layer.inputs[0]][0]
    channels, rows, columns = layer.shape
    places = float(rows * columns)
    words = channels * places
    finish = getattr(layer, "finish", None)
    looked_up = words if finish is not None and len(finish.table) else 0.0
    if isinstance(layer, ConvolutionWords):
        size, window = float(layer.weights[0].size), layer.window
        taps = float(window.kernel[0] * window.kernel[1])
        if layer.weights.shape[1] != before[0]:
            return "convolution in groups", {
                "words": words, "taps": words * taps, "products": words * size,
            }  # fmt: skip
        gathered = taps > 1 or window.padding != (0, 0)
        return "convolution", {
            "places": places,
            "taps": places * taps if gathered else 0.0,
            "gathered": places * size if gathered else 0.0,
            "words": words,
            "products": words * (size - size % 4),
            "rest": words * (size % 4),  # four at a time, and what is left
            "tables": looked_up,
        }
    if isinstance(layer, (MaximumWords, MeanWords)):
        taps = float(layer.window.kernel[0] * layer.window.kernel[1])
        means = words if isinstance(layer, MeanWords) else 0.0
        return "pool", {"words": words, "taps": words * taps, "means": means}
    return "word by word", {
        "words": words,
        "tables": looked_up,
        "sums": words if isinstance(layer, (SumWords, MixWords)) else 0.0,
        "reshapes": words if isinstance(layer, ReshapeWords) else 0.0,
    }


def of_draw(wiring: Wiring, formats: Formats) -> Features:
    """Return what the instructions of a draw are made of."""
    halved = formats.weight_bits <= 4 and not wiring.members
    links = float((wiring.parents >= 0).sum() + (wiring.readers >= 0).sum())
    return {
        "units": float(wiring.units),
        "neurons": float(wiring.neurons),
        **_by_width(wiring.channels, links=links * wiring.channels, products=float(wiring.products.sum())),
        "unpacked": float(wiring.weights.sum()) if halved else 0.0,
    }


def _by_width(channels: int, **counts: float) -> Features:
    """Return counts twice, of few channels and of many: compilers unroll short loops."""
    wide = channels >= _WIDE
    few = {name: 0.0 if wide else count for name, count in counts.items()}
    return few | {f"{name}, wide": count if wide else 0.0 for name, count in counts.items()}


def of_decision(repair: ChipRepair, told: bool = False) -> Features:
    """Return what the instructions of a repair's decision are made of.

    told : whether an earlier layer has decided; of the sources that it may have named the most expensive one counts.
    """
    f = repair.field
    neurons, members = f.units * f.channels, f.members
    if told:
        several = np.bincount(repair.source_of)
        anew = int(several[f.among > 0].sum()) if len(f.among) else 0
        anew = members if anew and len(f.worth) else anew
        members = max(anew, *(int(count) for count in np.where(several > 1, several, 0)))
    return {
        "neurons": float(neurons * members),
        "links": float((f.parents >= 0).sum() * f.channels * members),
        "products": float(members * (f.law_weights + neurons)),
        "worths": 0.0 if told and not len(f.among) else float(len(f.log) + len(f.worth)),
    }


def of_undoing(repair: ChipRepair) -> Features:
    """Return what the instructions of a way back are made of."""
    f = repair.field
    return {
        "neurons": float(f.units * f.channels),
        "links": float((f.readers >= 0).sum() * f.channels),
        "products": float(f.way_products),
        "bends": float(f.units * f.channels * f.bends),
    }


def draw_instructions(wiring: Wiring, formats: Formats) -> int | None:
    """Return the instructions of a draw; None of wires and formats that were not counted."""
    counted = wiring.narrow is None and _counted(formats)
    return round(priced("draw", of_draw(wiring, formats))) if counted else None


def repair_instructions(repair: ChipRepair) -> int:
    """Return the instructions of a repair's decision and a way back."""
    return round(priced("decide", of_decision(repair)) + priced("undo", of_undoing(repair)))


def shares(chip: Program | ChipDefense) -> list[Share] | None:
    """Return where the instructions of an image go, in the order in which they run; None where they are unknown."""
    program = chip.program if isinstance(chip, ChipDefense) else chip
    if max(bits for _, bits, _ in program.layouts[:-1]) > 8:
        return None
    at, draws, found = program.mix, 1, list[Share]()
    own = priced_layers(program)
    if not isinstance(chip, ChipDefense):
        return [Share(what=one.place, runs=1, instructions=n) for one, n in zip(program.layers, own, strict=True)]
    assert at is not None
    draws, neurons = chip.draws, chip.chip.config.neurons
    found = [Share(what=one.place, runs=1, instructions=own[k]) for k, one in enumerate(program.layers[:at])]
    if isinstance(chip.chip, ChipRepair):
        return [*found, *_repaired(chip, own), Share(what="scores", runs=1, instructions=_SCORE * program.outputs)]
    one = draw_instructions(Wiring.of(chip.chip), chip.chip.formats)
    if one is None:
        return None
    found.append(Share(what="noise", runs=draws, instructions=draws * (one + _JOIN * neurons)))
    for k in range(at + 1, len(program.layers)):
        found.append(Share(what=program.layers[k].place, runs=draws, instructions=draws * own[k]))
    return [*found, Share(what="scores", runs=draws, instructions=draws * _SCORE * program.outputs)]


def _repaired(chip: ChipDefense, layers: list[int]) -> list[Share]:
    """Return the shares of all repairs, and of the layers behind the first; a way back is gone in each."""
    program, found = chip.program, list[Share]()
    ends = [*program.mixes, len(layers)]
    for k, repair in enumerate(chip.repairs):
        which = f", layer {k + 1} of {len(chip.repairs)}" if chip.later else ""
        decide, undo = priced("decide", of_decision(repair, told=k > 0)), priced("undo", of_undoing(repair))
        if decide:
            found.append(Share(what=f"decide{which}", runs=1, instructions=round(decide)))
        joined = _JOIN * (1 + (k > 0)) * repair.config.neurons
        found.append(Share(what=f"repair{which}", runs=1, instructions=round(undo + joined)))
        for at in range(ends[k] + 1, ends[k + 1] if k + 1 < len(ends) else len(layers)):
            found.append(Share(what=program.layers[at].place, runs=1, instructions=layers[at]))
    return found


def priced_layers(program: Program) -> list[int]:
    """Return the instructions of each layer."""
    return [round(priced(*of_layer(program, layer))) for layer in program.layers]


def _counted(formats: Formats) -> bool:
    plain = formats.accumulator_bits <= 32 and formats.weight_bits <= 8 and formats.rounding == "half-up"
    return plain and formats.generator == "xorshift32" and formats.normal == "sum" and formats.normal_bytes == 8
