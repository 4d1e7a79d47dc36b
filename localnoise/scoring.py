"""How well a field explains displacements: whitened innovations and the log density, of arrays (T, m, N)."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from localnoise.config import GridConfig
from localnoise.dense import log_density
from localnoise.drawing import tile_of
from localnoise.field import Field
from localnoise.narrow import NarrowField
from localnoise.streams import Part
from localnoise.validate import Array, is_iterator


def shared(config: GridConfig, field: Field, count: int) -> tuple[int, int]:
    """Tile and ring of a kernel that reads `count` displacements."""
    ring = field.ring
    return tile_of(config.channels, count, config.units if ring == -1 else ring + 1), ring


def innovations(config: GridConfig, field: Field, d: Array, h: Array | None) -> Array:
    """Whitened innovations of displacements d of activations h, both (T, m, N), as (T, m, N)."""
    return whitened(config, field, d, h, affine=field.signal)


def whitened(config: GridConfig, field: Field, d: Array, h: Array | None, *, affine: bool) -> Array:
    """As `innovations`; without `affine` the offset is left out, without h what the activation explains, too."""
    from localnoise.kernels.score import whiten

    e, signal, read = np.empty_like(d), field.signal and h is not None, d if h is None else h
    if isinstance(field, NarrowField):
        field.whiten(e, d, read, signal, affine, tile_of(config.channels, len(d), config.units))
        return e
    tile, ring = shared(config, field, len(d))
    weights = (field.parents, field.readers, *field.whitening)
    whiten(e, d, read, *weights, signal, affine, tile, ring, parts=-(-len(d) // tile))
    return e


def log_scale(field: Field) -> float:
    """Logarithm of the determinant of diag(gain) (I - B)^-1 S."""
    if isinstance(field, NarrowField):
        return field.log_scale
    scale = np.log(np.diagonal(field.S, axis1=1, axis2=2).astype(np.float64)).sum()
    return float(scale + field.channels * np.log(field.gain.astype(np.float64)).sum())


def mean_log_density(config: GridConfig, field: Field, chunks: Iterable[tuple[Array, Array | None]]) -> float:
    """Mean log density of all presentations in the chunks (d, h), each (t, m, N); one chunk is held at a time."""
    scale, total, count = log_scale(field), 0.0, 0
    for d, h in chunks:
        total += float(log_density(innovations(config, field, d, h), scale).sum())
        count += len(d)
    return total / count


def pairs_for(d: Any, *, signal: bool) -> Any:
    """Return an iterator of pairs (d, h) as one of displacements where the field reads no activation; else `d`."""
    return d if signal or not is_iterator(d) else _alone(d)


def _alone(parts: Iterable[Any]) -> Iterator[Part]:
    for part in parts:
        yield part[0] if isinstance(part, (tuple, list)) and len(part) == 2 and np.ndim(part[0]) == 4 else part
