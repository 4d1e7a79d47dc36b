"""Limits of a narrow grid's integers, checked as `hardware.ranges` checks those of others."""

import math
from typing import Any

import numpy as np

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError, short
from localnoise.hardware.formats import Formats
from localnoise.hardware.narrow import BIAS_BITS, NarrowWords
from localnoise.hardware.ranges import LEAST_SCALE, MOST_SCALE, refuse_unsound, refuse_unsweepable
from localnoise.validate import whole


def narrow_layout(
    config: GridConfig, parents: int, readers: int, classes: int, factors: int
) -> dict[str, tuple[tuple[int, ...], Any]]:
    """As `ranges.layout`, of narrow words with so many classes of weights and factors of the private noise."""
    N, m, r = config.units, config.channels, config.rank or 0
    q = r or m
    shapes = {"order": (N,), "parents": (N, parents), "readers": (N, readers), "kinds": (N,), "levels": (N,)}
    shapes |= {"bias": (N, m), "s": (N, m), "own": (N,), "factor": (factors, m, m), "deep": (factors, m)}
    shapes |= {"inward": (r, m), "reading": (r, m), "down": (r,), "sunk": (r,), "up": (r,)}
    shapes |= {"past": (classes, q, parents * q), "read": (classes, q, readers * q), "lift": (classes, q, 2)}
    shapes |= {"fraction": (classes, r), "shifts": (2,), "scale": (N,)}
    return {name: (shape, np.dtype(np.int32)) for name, shape in shapes.items()}


def refuse_narrow(config: GridConfig, formats: Formats, f: Any) -> None:
    """As `ranges.refuse_out_of_range`, of narrow words."""
    if not (isinstance(f, NarrowWords) and config.narrow):
        raise ArgumentError(
            f"field is {type(f).__name__}: expected {'NarrowWords' if config.narrow else 'an IntegerField'} for "
            f"share={config.share!r}, rank={config.rank!r}"
        )
    arrays = f.arrays
    slots = [array.shape[1] if array.ndim == 2 else 0 for array in (f.parents, f.readers)]
    sizes = [array.shape[0] if array.ndim else 0 for array in (f.past, f.factor)]
    for name, (shape, dtype) in narrow_layout(config, slots[0], slots[1], sizes[0], sizes[1]).items():
        if arrays[name].shape != shape or arrays[name].dtype != dtype:
            raise ArgumentError(
                f"{name} is {arrays[name].dtype} {arrays[name].shape}: expected {dtype} {shape} for its configuration"
            )
    weight, last, top = formats.weight_limit, f.units - 1, formats.accumulator_bits - 1
    ranges = {"parents": (-1, last), "readers": (-1, last), "s": (1, weight), "scale": (LEAST_SCALE, MOST_SCALE)}
    ranges |= {"kinds": (0, sizes[0] - 1), "levels": (0, sizes[1] - 1)}
    ranges["bias"] = (1 - 2 ** (BIAS_BITS - 1), 2 ** (BIAS_BITS - 1) - 1)
    ranges |= dict.fromkeys(("factor", "inward", "reading", "past", "read"), (-weight, weight))
    ranges |= dict.fromkeys(("own", "deep", "down", "sunk", "up", "lift", "fraction", "shifts"), (0, min(top, 62)))
    for name, (low, high) in ranges.items():
        wrong = np.argwhere((arrays[name] < low) | (arrays[name] > high))
        if len(wrong):
            at = tuple(wrong[0])
            raise ArgumentError(
                f"{name}{[int(k) for k in at]} is {arrays[name][at]}: expected {low} to {high} in these formats"
            )
    scale = whole(f.activation_scale)
    if scale is None or not LEAST_SCALE <= scale <= MOST_SCALE or len(set(f.scale.tolist())) != 1:
        said = short(repr(f.activation_scale), 40)
        raise ArgumentError(
            f"activation_scale={said}, scale={f.scale[:2].tolist()}: expected {LEAST_SCALE} to {MOST_SCALE}, and one "
            "scale for the words of all units"
        )
    if (config.signal == "local") != f.signal:
        raise ArgumentError(
            f"readers has {f.readers.shape[1]} slots, but signal={config.signal!r}: expected "
            f"{'at least one' if config.signal == 'local' else 'none'}"
        )
    refuse_unsweepable(f, config.shape[1])
    _refuse_classes(f, config.shape[1])
    for what, reached in f.largest_accumulators(formats).items():
        if reached > 2**top - 1:
            raise ArgumentError(
                f"the accumulator of {what} values can reach {math.log2(reached) + 1:.1f} bits, "
                f"accumulator_bits={formats.accumulator_bits}: quantise with more, or fewer word_bits"
            )


def _refuse_classes(f: NarrowWords, width: int) -> None:
    """Refuse units whose links are not those of their class, weights of others, and factors without a variance."""
    q = f.past.shape[1]
    for name, slots, there, weights in (
        ("readers", f.readers, f.links[0], f.read),
        ("parents", f.parents, f.links[1], f.past),
    ):
        refuse_unsound(width, (name, (slots >= 0) != there[f.kinds], "links at the slots of its class"))
        if ((weights != 0) & np.repeat(~there, q, axis=1)[:, None, :]).any():
            raise ArgumentError(f"{'past' if name == 'parents' else 'read'}: expected no weight where there is no link")
    if np.triu(f.factor, 1).any() or (np.diagonal(f.factor, axis1=1, axis2=2) < 1).any():
        raise ArgumentError("factor: expected lower triangular ones of positive diagonal")
    if (f.bias != 0).any() and not f.signal:
        raise ArgumentError("bias: expected none where nothing is read")
