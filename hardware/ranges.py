"""Limits of a grid's integers: checked before any arithmetic, so that no accumulator can overflow afterwards.

A file may hold anything. Shapes and types come first, then the range of every number, then what belongs together, and
last, in Python's unbounded integers, the largest accumulator that words and activations can cause.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError, short
from localnoise.hardware.formats import Formats
from localnoise.hardware.generators import GENERATORS
from localnoise.hardware.words import IntegerField
from localnoise.validate import whole

LEAST_SCALE, MOST_SCALE = -112, 149  # words 2^-scale are float32 numbers: neither infinite nor zero
MOST_POWER = (2**63 - 1) // 512  # of a learner's residual: its square root is taken of 2^8 times as much
MOST_BIAS_BITS = 54  # of a learner's bias, so that its mean with 8 more fraction bits is of 64
_Array = npt.NDArray[np.integer[Any]]


def layout(config: GridConfig, parents: int, readers: int) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Shape and type of each array of a field with so many slots for parents and readers."""
    N, m = config.units, config.channels
    shapes = {"order": (N,), "parents": (N, parents), "readers": (N, readers), "bias": (N, m)}
    shapes |= {"G": (N, m, readers * m), "B": (N, m, parents * m), "L": (N, m, m), "s": (N, m)}
    shapes |= {"lift": (N, 3), "fraction": (N,), "scale": (N,)}
    return {name: (shape, np.dtype(np.int64 if name == "bias" else np.int32)) for name, shape in shapes.items()}


def refuse_out_of_range(config: GridConfig, formats: Formats, f: IntegerField) -> None:
    """Raise an ArgumentError that names the array and the unit, unless the field can be swept without overflow."""
    arrays = f.arrays
    slots = [array.shape[1] if array.ndim == 2 else 0 for array in (f.parents, f.readers)]
    for name, (shape, dtype) in layout(config, *slots).items():
        if arrays[name].shape != shape or arrays[name].dtype != dtype:
            raise ArgumentError(
                f"{name} is {arrays[name].dtype} {arrays[name].shape}: expected {dtype} {shape} for its configuration"
            )
    acc, weight, last = 2 ** (formats.accumulator_bits - 1) - 1, formats.weight_limit, f.units - 1
    ranges = {"parents": (-1, last), "readers": (-1, last), "bias": (-acc, acc), "s": (1, weight)}
    ranges |= dict.fromkeys(("G", "B", "L"), (-weight, weight))
    ranges |= dict.fromkeys(("lift", "fraction"), (0, formats.accumulator_bits - 1))
    ranges["scale"] = (LEAST_SCALE, MOST_SCALE)
    width = config.shape[1]
    for name, (low, high) in ranges.items():
        within(name, arrays[name], low, high, width)
    scale = whole(f.activation_scale)
    if scale is None or not LEAST_SCALE <= scale <= MOST_SCALE:
        said = short(repr(f.activation_scale), 40)
        raise ArgumentError(f"activation_scale={said}: expected {LEAST_SCALE} to {MOST_SCALE}")
    if (config.signal == "local") != f.signal:
        raise ArgumentError(
            f"readers has {f.readers.shape[1]} slots, but signal={config.signal!r}: expected "
            f"{'at least one' if config.signal == 'local' else 'none'}"
        )
    refuse_unsweepable(f, width)
    _weightless(f, width)
    largest = f.largest_accumulators(formats)
    unit = int(largest.argmax())
    if largest[unit] > acc:
        raise ArgumentError(
            f"unit {divmod(unit, width)}: its accumulator can reach {math.log2(largest[unit]) + 1:.1f} bits, "
            f"accumulator_bits={formats.accumulator_bits}: quantise with more, or fewer word_bits"
        )


def within(name: str, array: _Array, low: int, high: int, width: int) -> None:
    """Raise an ArgumentError that names the first unit with a number outside [low, high]."""
    wrong = np.argwhere((array < low) | (array > high))
    if len(wrong):
        at = tuple(wrong[0])
        raise ArgumentError(
            f"{name} of unit {divmod(int(at[0]), width)} holds {array[at]}: expected {low} to {high} in these formats"
        )


def refuse_unsweepable(f: Any, width: int) -> None:
    """Refuse an order in which no sweep can run."""
    place = np.empty(f.units, np.int64)
    if not np.array_equal(np.sort(f.order), np.arange(f.units)):
        raise ArgumentError("order is no permutation of the units: expected each of them once")
    place[f.order] = np.arange(f.units)
    linked = f.parents >= 0
    late = (np.where(linked, place[f.parents], -1) >= place[:, None]) | (np.sort(~linked, axis=1) != ~linked)
    refuse_unsound(
        width,
        ("parents", late, "units earlier in the order, then -1"),
        ("parents", twice(f.parents), "each unit once"),
        ("readers", twice(f.readers), "each unit once"),
    )


def _weightless(f: IntegerField, width: int) -> None:
    """Refuse weights of links that do not exist."""
    linked, m, blind = f.parents >= 0, f.channels, not f.signal
    refuse_unsound(
        width,
        ("B", (f.B != 0) & np.repeat(~linked, m, axis=1)[:, None, :], "no weight where there is no parent"),
        ("G", (f.G != 0) & np.repeat(f.readers < 0, m, axis=1)[:, None, :], "no weight where there is no reader"),
        ("L", np.triu(f.L) != 0, "weights below the diagonal alone"),
        ("bias", (f.bias != 0) & blind, "none where nothing is read"),
    )


def refuse_unsound(width: int, *checks: tuple[str, npt.NDArray[np.bool_], str]) -> None:
    """Raise an ArgumentError that names the first unit for which a check (array, bad (N, ...), expected) fails."""
    for name, bad, expected in checks:
        units = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))
        if units.size:
            raise ArgumentError(f"{name} of unit {divmod(int(units[0]), width)}: expected {expected}")


def twice(slots: _Array) -> npt.NDArray[np.bool_]:
    """Return whether a slot names the unit that another one names, sorted by unit, (N, slots - 1)."""
    ordered = np.sort(slots, axis=1)
    return np.asarray((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0))


def refuse_state(formats: Formats, f: IntegerField, extra: int, state: dict[str, Any], width: int) -> None:
    """Raise an ArgumentError unless a learner's state, of the right shapes, is one that learning can go on from."""
    most = formats.weight_limit << extra
    edge = 1 << min(formats.word_bits + int(f.fraction.max()), MOST_BIAS_BITS)
    ranges = {"V": (-most, most), "mean": (-most << 8, most << 8), "power": (0, MOST_POWER)}
    ranges |= {"bias": (-edge, edge), "mean_bias": (-edge << 8, edge << 8)}
    ranges["states"] = (1, GENERATORS[formats.generator].period)
    for name, (low, high) in ranges.items():
        within(f"the learner's {name}", state[name], max(low, -(2**63)), min(high, 2**63 - 1), width)
    if not 0 <= state["seen"] < 2**32:
        raise ArgumentError(f"the learner has seen {state['seen']} presentations: expected less than 2^32")
