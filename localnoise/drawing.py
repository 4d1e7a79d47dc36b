"""How a draw is cut for the machine: samples or units at a time, and how many samples together."""

import numpy as np
import numpy.typing as npt

from localnoise.config import GridConfig
from localnoise.field import Field
from localnoise.kernels.threads import worker_count
from localnoise.narrow import NarrowField
from localnoise.validate import Array, Start, as_positions, as_seed

Positions = npt.NDArray[np.uint64]
_FEW, _LARGE = 16, 65_536  # fewer samples of more neurons are drawn unit by unit on all cores, not sample by sample
_WIDE, _BUFFER = 8, 1_800_000  # channels; bytes of a buffer up to which 128 samples together were faster than 64


def draw_into(
    eta: Array,
    h: Array,
    config: GridConfig,
    field: Field,
    seed: int,
    start: Start,
    signal: bool,
    white: bool,
    affine: bool,
) -> Array:
    """Write a draw for each activation h (T, m, N) into eta, and return it.

    signal : with the part that reads h;  white : with noise of its own;  affine : with the offset a.
    """
    places = as_positions(start, len(eta))
    key = as_seed(seed)
    f, now = field, field.wires
    a = f.a if affine or not signal else np.zeros_like(f.a)
    if isinstance(f, NarrowField):
        f.draw(eta, h, a, key, places, signal, white, tile_of(config.channels, len(eta), config.units))
        return eta
    if len(eta) < _FEW and config.neurons >= _LARGE:
        from localnoise.kernels.wavefront import draw_fronts

        wires = (*now.fronts, f.parents, f.readers)
        draw_fronts(eta, h, *wires, a, f.G, f.B, f.S, f.gain, key, places, signal, white, worker_count())
        return eta
    sweep(eta, h if signal else None, f, a, key, places, white)
    return eta


def sweep(eta: Array, h: Array | None, f: Field, a: Array, seed: np.uint64, places: Positions, white: bool) -> None:
    """Draw by visits of tiles, as `draw_into`; h : None where the units read nothing."""
    from localnoise.kernels.sweep import draw, draw_alone
    from localnoise.kernels.tiles import STEP

    schedule = f.wires.visits(f.channels)
    *reading, kept = (None, 0) if h is None else f.wires.reading(f.channels)
    tile = tile_of(f.channels, len(eta), schedule.held + kept * STEP)
    tiles = -(-len(eta) // tile)
    places = np.concatenate([places, np.zeros(tiles * tile - len(eta), np.uint64)])
    if f.channels == 1 and white and h is None:
        draw_alone(eta, *schedule, f.parents, f.B, f.S, f.gain, seed, places, tile, parts=tiles)
        return
    weights = (f.parents, f.readers, a, f.G, f.B, f.S, f.gain)
    read = None if h is None else tuple(reading)
    draw(eta, h, *schedule, *weights, seed, places, read, kept, white, tile, parts=tiles)


def tile_of(channels: int, count: int, held: int) -> int:
    """Return how many presentations are swept together, as many for every thread, with a buffer of `held` units.

    Up to 256, in at most 64 MB; where a unit's products outweigh what a visit costs, 128 or 64 if the buffer is then
    about as small as a core's second-level cache.
    """
    m = channels
    most = min(max(2**26 // (4 * held * m), 16), 256)
    if m >= _WIDE:
        most = next((tile for tile in (128, 64) if 4 * held * m * tile <= _BUFFER), most)
    share = max(-(-count // worker_count()), 1)
    return -(-share // (-(-share // most) * 16)) * 16
