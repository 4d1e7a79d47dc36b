"""Limits of a repair's integers, checked as `hardware.ranges` checks those of a grid."""

import math
from typing import Any

import numpy as np

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError, short
from localnoise.hardware.formats import Formats
from localnoise.hardware.ranges import LEAST_SCALE, MOST_SCALE, twice
from localnoise.hardware.repair_words import (
    CENTRE_BITS,
    COARSEST,
    FINEST,
    MULTIPLIER_BITS,
    WORTH_BITS,
    RepairWords,
    max_squares,
)
from localnoise.validate import whole


def layout(
    config: GridConfig, sizes: tuple[int, int, int, int, int], extra: tuple[int, int, int] = (0, 0, 0)
) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Shape and type of each array for (members, parents, readers, sets of weights, ways back), and `extra`'s."""
    (J, K, R, C, W), (logs, worth, among) = sizes, extra
    N, m = config.units, config.channels
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        "parents": ((N, K), np.int32), "readers": ((N, R), np.int32), "kinds": ((N,), np.int32),
        "centre": ((J, N, m), np.int16), "law": ((J, N, m, (K + 1) * m), np.int16), "law_bits": ((J, N, m), np.int8),
        "backs": ((J,), np.int32), "way": ((W, C, m, R * m), np.int16), "way_bits": ((W, C, m), np.int8),
        "way_bias": ((W, N, m), np.int64),
    }  # fmt: skip
    shapes |= dict.fromkeys(("bias", "low", "high"), ((J,), np.int64))
    shapes |= {"log": ((logs,), np.int64), "worth": ((worth, worth), np.int32), "worth_bias": ((worth,), np.int64)}
    return shapes | {"among": ((among,), np.int32), "among_bias": ((J if among else 0,), np.int64)}


def check_formats(formats: Formats) -> None:
    """Raise an ArgumentError where a repair has another rounding, overflow or range than the formats ask for."""
    for name, only in (("rounding", "half-up"), ("overflow", "saturate")):
        if getattr(formats, name) != only:
            raise ArgumentError(f"{name}={getattr(formats, name)!r}: a repair on a chip has {only!r} alone; leave it")
    if formats.activation_bits >= CENTRE_BITS:
        raise ArgumentError(
            f"activation_bits={formats.activation_bits}: expected at most {CENTRE_BITS - 1} for a repair, whose "
            f"centres have {CENTRE_BITS} bits"
        )


def refuse_unsound(config: GridConfig, formats: Formats, f: RepairWords) -> None:
    """Raise an ArgumentError that names the array, unless nothing can overflow and every index is one."""
    check_formats(formats)
    _refuse_shapes(config, f)
    _refuse_numbers(formats, f)
    _refuse_backs(f)
    _refuse_links(f)
    _refuse_sums(config, formats, f)


def _refuse_shapes(config: GridConfig, f: RepairWords) -> None:
    ways = f.way.shape[:2] if f.way.ndim == 4 else (0, 0)
    sizes = (f.members, f.parents.shape[-1], f.readers.shape[-1], ways[1], ways[0])
    for name, (shape, dtype) in layout(config, sizes, f.extra).items():
        array = f.arrays[name]
        if array.shape != shape or array.dtype != dtype:
            raise ArgumentError(f"{name} is {array.dtype} {array.shape}: expected {np.dtype(dtype)} {shape}")
    if f.members < 2:
        raise ArgumentError(f"{f.members} members: expected the clean one and at least one more")


def _refuse_numbers(formats: Formats, f: RepairWords) -> None:
    limit, acc, top = formats.weight_limit, 2 ** (formats.accumulator_bits - 1) - 1, 2 ** (CENTRE_BITS - 1) - 1
    ranges = {"parents": (-1, f.units - 1), "readers": (-1, f.activations * f.units - 1)}
    ranges["kinds"] = (0, f.way.shape[1] - 1)
    ranges |= {"centre": (-top, top), "law": (-limit, limit), "way": (-limit, limit), "way_bias": (-acc, acc)}
    ranges |= dict.fromkeys(("law_bits", "way_bits"), (COARSEST, min(FINEST, formats.accumulator_bits - 2)))
    ranges |= {"bias": (-(2**62), 2**62), "low": (0, 2**62), "high": (0, 2**62), "log": (-(2**61), 2**61)}
    ranges |= {"worth_bias": (-(2**62), 2**62), "among": (0, 1), "among_bias": (-(2**62), 2**62)}
    worths = 2 ** (WORTH_BITS - 1) - 1
    ranges["worth"] = (-worths, worths)
    _refuse_scalars(f)
    for name, (low, high) in ranges.items():
        array = f.arrays[name]
        if array.size and (array.min() < low or array.max() > high):
            raise ArgumentError(
                f"{name} holds {array.min()} to {array.max()}: expected {low} to {high} in these formats"
            )


def _refuse_scalars(f: RepairWords) -> None:
    for name, least, most in (
        ("activations", 1, 2),
        ("multiplier", 0, 2**MULTIPLIER_BITS - 1), ("shift", 0, 62), ("activation_scale", LEAST_SCALE, MOST_SCALE),
        ("among_multiplier", 0, 2**MULTIPLIER_BITS - 1), ("among_shift", 0, 62),
    ):  # fmt: skip
        number = whole(getattr(f, name))
        if number is None or not least <= number <= most:
            raise ArgumentError(f"{name}={getattr(f, name)!r}: expected a whole number of {least} to {most}")


def _refuse_backs(f: RepairWords) -> None:
    owners, ways = f.backs[f.backs >= 0], len(f.way)
    if f.backs[0] != -1 or f.backs.min() < -1 or owners.tolist() != list(range(ways)):
        said = short(str(f.backs.tolist()), 60)
        raise ArgumentError(f"backs={said}: expected -1 for the first, then -1, or 0 to {ways - 1} in order")


def _refuse_links(f: RepairWords) -> None:
    m = f.channels
    for name, slots in (("parents", f.parents), ("readers", f.readers)):
        if twice(slots).any():
            raise ArgumentError(f"{name} of a unit name one twice: expected each once")
    absent = np.repeat(f.parents < 0, m, axis=1)
    over = np.triu(np.ones((m, m), bool), 1)
    if f.law[:, :, :, : absent.shape[1]][:, np.broadcast_to(absent[:, None], (f.units, m, absent.shape[1]))].any():
        raise ArgumentError("law: expected no weight where there is no parent")
    if f.law[:, :, :, absent.shape[1] :][:, :, over].any():
        raise ArgumentError("law: expected no weight on later channels of the unit's own")
    blind = np.repeat(f.readers < 0, m, axis=1)
    first = np.full(f.way.shape[1], -1)
    first[f.kinds[::-1]] = np.arange(f.units)[::-1]
    bent = f.readers >= f.units
    unlike = (blind[first][f.kinds] != blind).any() or (bent[first][f.kinds] != bent).any()
    if (first < 0).any() or unlike:
        raise ArgumentError("kinds: expected every set of weights used, by units that read as many activations alike")
    if f.way.transpose(1, 3, 0, 2)[blind[first]].any():
        raise ArgumentError("way: expected no weight where nothing is read")


def _refuse_sums(config: GridConfig, formats: Formats, f: RepairWords) -> None:
    largest, acc = max_squares(config, formats) << MULTIPLIER_BITS, 2 ** (formats.accumulator_bits - 1) - 1
    if largest >= 2**62:
        raise ArgumentError(
            f"{config.neurons:,} neurons with word_bits={formats.word_bits}: a score could leave 64 bits; expected "
            f"word_bits of at most {(61 - MULTIPLIER_BITS - math.ceil(math.log2(config.neurons))) // 2}"
        )
    _refuse_worth(config, formats, f)
    for what, found in zip(("laws", "ways back"), f.largest_accumulators(formats), strict=True):
        if found > acc:
            raise ArgumentError(
                f"an accumulator of the {what} can reach {math.log2(found) + 1:.1f} bits, accumulator_bits="
                f"{formats.accumulator_bits}: quantise with more"
            )


def _refuse_worth(config: GridConfig, formats: Formats, f: RepairWords) -> None:
    if bool(f.extra[0]) != bool(f.extra[1]) or f.extra[0] not in (0, f.members):
        raise ArgumentError(
            f"log is of {f.extra[0]} members, worth of {f.extra[1]} sources: expected {f.members} members where a "
            "repair's worth is asked, and neither where not"
        )
    if f.among.size and not f.among[0]:
        raise ArgumentError("among leaves out clean: expected 1 of the first source")
    loudest = max_squares(config, formats) + int(np.abs(f.log).max(initial=0))
    for row, bias in zip(f.worth, f.worth_bias, strict=True):
        if int(np.abs(row).sum()) * loudest + abs(int(bias)) >= 2**62:
            raise ArgumentError("worth could leave 64 bits: expected smaller weights or biases")
