"""Synapses of a grid: which neuron reaches which, with what weight; and what they take in memory.

Neurons are numbered unit by unit: channel c of unit u is neuron u m + c.
"""

import numpy as np
import numpy.typing as npt

from localnoise.dense import refuse_if_larger
from localnoise.field import Floats, Ints

Indices = npt.NDArray[np.int64]
_BYTES_PER_SYNAPSE = 80  # 63 measured with Brian2 2.9: indices, weights, and the copies made while connecting
_BYTES_PER_NEURON = 400


def links(sources: Ints, channels: int) -> tuple[Indices, Indices]:
    """Pre- and postsynaptic neuron of each link from the units `sources` (N, K), -1 where missing, to N units.

    Both (links m m,) int64, in the order of `weights_of`: unit, slot, channel of the unit, channel of the source.
    """
    unit, slot = np.nonzero(sources >= 0)
    own, other = np.indices((channels, channels))
    post = unit[:, None, None] * channels + own
    pre = sources[unit, slot].astype(np.int64)[:, None, None] * channels + other
    return pre.ravel(), post.ravel()


def weights_of(sources: Ints, blocks: Floats) -> npt.NDArray[np.float64]:
    """Weights of these links from blocks (N, m, K m), as a `Field` holds them; (links m m,) float64."""
    m = blocks.shape[1]
    unit, slot = np.nonzero(sources >= 0)
    shaped = blocks.reshape(len(blocks), m, -1, m)
    return np.asarray(shaped[unit, :, slot, :].ravel(), np.float64)


def blocks_of(sources: Ints, weights: Floats, channels: int) -> npt.NDArray[np.float64]:
    """Inverse of `weights_of`: blocks (N, m, K m), zero where a source is missing."""
    m, (units, slots) = channels, sources.shape
    unit, slot = np.nonzero(sources >= 0)
    shaped = np.zeros((units, m, slots, m))
    shaped[unit, :, slot, :] = np.asarray(weights).reshape(-1, m, m)
    return shaped.reshape(units, m, slots * m)


def mixing(S: Floats) -> tuple[Indices, Indices, npt.NDArray[np.float64]]:
    """Pre, post and weight of the private noise's synapses within units, from lower triangular S (N, m, m)."""
    row, column = np.tril_indices(S.shape[1])
    first = np.arange(len(S))[:, None] * S.shape[1]
    return (first + column).ravel(), (first + row).ravel(), np.asarray(S[:, row, column].ravel(), np.float64)


def refuse_too_large(neurons: int, synapses: int, max_bytes: int, more: int = 0) -> None:
    """Raise a TooLargeError, before anything is built, if a network would take more than `max_bytes`.

    more : bytes of what else the run keeps, such as recorded trials.
    """
    needed = _BYTES_PER_SYNAPSE * synapses + _BYTES_PER_NEURON * neurons + more
    what = f"a Brian2 network of {neurons:,} neurons and {synapses:,} synapses"
    refuse_if_larger(what, needed, max_bytes, "a smaller grid, fewer parents, fewer copies or fewer trials")
