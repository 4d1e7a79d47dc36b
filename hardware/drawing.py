"""The draws of a chip grid: its arrays as the kernels take them, and its generators from where they are in a stream."""

from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.hardware.fixedpoint import to_words
from localnoise.hardware.formats import NORMALS, ROUNDINGS, Formats
from localnoise.hardware.generators import GENERATORS
from localnoise.hardware.generators.seeding import leaps
from localnoise.hardware.narrow import MAPS, SWEPT, NarrowWords
from localnoise.hardware.words import IntegerField
from localnoise.kernels.threads import worker_count

_TILE, _BUFFER = 128, 1_800_000  # draws swept together, or half of them where their words take more bytes than this


def steps_per_draw(channels: int, formats: Formats) -> int:
    """Return the steps that the generator of a unit with so many channels takes per draw."""
    generator = GENERATORS[formats.generator]
    more = generator.steps(4) if formats.rounding == "stochastic" else 0
    return channels * (generator.steps(formats.normal_bytes) + more)


def integers_of(f: IntegerField | NarrowWords, formats: Formats) -> tuple[Any, ...]:
    """Return the arrays of a field in the order and dtype in which the kernels take them."""
    dtype = np.int64 if formats.wide else np.int32
    if isinstance(f, NarrowWords):
        a = {name: array.astype(dtype) if name in MAPS else array for name, array in f.arrays.items()}
        a["outward"] = np.ascontiguousarray(a["inward"].T)
        return tuple(a[name] for name in SWEPT)
    G, B, L = (w.astype(dtype) for w in (f.G, f.B, f.L))
    return (f.order, f.parents, f.readers, f.bias, G, B, L, f.s, f.lift, f.fraction)


def draw_into(
    out: npt.NDArray[Any],
    h: Any,
    f: IntegerField | NarrowWords,
    formats: Formats,
    integers: tuple[Any, ...],
    seeds: npt.NDArray[np.uint32],
    positions: npt.NDArray[np.uint64],
    *,
    signal: bool,
    noisy: bool,
) -> None:
    """Fill `out` (T, m, N) with draws at these positions of the stream: words if it is int32, else their values.

    Parameters
    ----------
    h : (T, m, N)
        Activation words, int32, or activations, which become words; with `signal` alone.
    integers
        `integers_of` the field.
    seeds : (N,)
        States of the units' generators at the start of the stream.
    noisy : bool
        False: without private noise; with stochastic rounding it still draws random words.
    """
    if isinstance(f, NarrowWords):
        from localnoise.hardware.kernels.narrow import draw_narrow as draw
    else:
        from localnoise.hardware.kernels.sweep import draw
    count, m, units = out.shape
    most = _TILE if 4 * _TILE * m * units <= _BUFFER else _TILE // 2
    together = min(most, -(-max(count, 1) // (16 * worker_count())) * 16)
    words = np.empty((0, m, units), np.int32)
    if signal:
        words = h if h.dtype == np.int32 else to_words(h, f.activation_scale, formats.activation_bits)
    else:  # no unit reads
        at = next(k for k, array in enumerate(integers) if array is f.bias)
        integers = (*integers[:2], f.readers[:, :0], *integers[3:at], np.zeros_like(f.bias), *integers[at + 1 :])
    rules = (ROUNDINGS.index(formats.rounding), np.int64(formats.word_limit + 1), formats.overflow == "saturate")
    generator, steps = GENERATORS[formats.generator], steps_per_draw(m, formats)
    source = (generator.kind, formats.normal_bytes, NORMALS.index(formats.normal))
    gain = np.ones(len(f.scale), np.int64) if out.dtype == np.int32 else np.ldexp(1.0, -f.scale).astype(np.float32)
    for rows in _runs(positions):
        tiles = -(-len(out[rows]) // together)
        begin = leaps(generator, seeds, int(positions[rows][0]) * steps, together * steps, tiles)
        part = words[rows] if signal else words
        draw(out[rows], part, begin, integers, (*rules, noisy), gain, source, together, parts=tiles)


def _runs(positions: npt.NDArray[np.uint64]) -> list[slice]:
    """Return all positions together; a draw by itself where they are not consecutive."""
    count = len(positions)
    apart = np.any(positions[1:] != positions[:-1] + np.uint64(1))
    return [slice(t, t + 1) for t in range(count)] if apart else [slice(0, count)] if count else []
