"""Integer words that are nearly Gaussian, from k random bytes each: the central limit theorem in adders alone.

    "sum":       w = 2 (b_1 + ... + b_k) - 255 k        variance 4 k (256^2 - 1) / 12,  |w| <= 255 k
    "popcount":  w = 2 (ones among all 8 k bits) - 8 k  variance 8 k,                   |w| <= 8 k

The factor 2 centres both on zero without a fraction. Their moments are in `localnoise.hardware.generators.moments`.

The order in which bytes are drawn is part of the definition: per unit, channels 0 .. m - 1 of one draw, bytes in order.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError, choose
from localnoise.hardware.flags import inlined, integer_kernel, shared_integer_kernel
from localnoise.hardware.generators.lfsr import next_byte
from localnoise.hardware.generators.protocol import Generator
from localnoise.hardware.generators.xorshift import KIND, next_state
from localnoise.validate import as_count

METHODS = ("sum", "popcount")  # a kernel's `method` is the index
MOST_BYTES = 64  # of a word: the two sums of 16 bits in a register hold 257
_SUM = 0
_BLOCK = 2048  # units that are stepped together: states and words of a block stay in the nearest cache
_BYTE, _EVEN, _ALL = np.uint32(0xFF), np.uint32(0x00FF00FF), np.uint32(0xFFFFFFFF)
_HALF, _8, _16 = np.uint32(0xFFFF), np.uint32(8), np.uint32(16)


@inlined
def ones(x: np.uint32) -> np.uint32:
    """Return how many bits of x are one; x : uint32. LLVM knows this idiom and uses the instruction where one is."""
    x = np.uint32(x - np.uint32(np.uint32(x >> np.uint32(1)) & np.uint32(0x55555555)))
    x = np.uint32(
        np.uint32(x & np.uint32(0x33333333)) + np.uint32(np.uint32(x >> np.uint32(2)) & np.uint32(0x33333333))
    )
    x = np.uint32(np.uint32(x + np.uint32(x >> np.uint32(4))) & np.uint32(0x0F0F0F0F))
    return np.uint32(np.uint32(x * np.uint32(0x01010101)) >> np.uint32(24))


@inlined
def byte_pairs(x: np.uint32) -> np.uint32:
    """Return bytes 0 + 1 and bytes 2 + 3 of x, in the two halves of a register; x : uint32."""
    return np.uint32(np.uint32(x & _EVEN) + np.uint32(np.uint32(x >> _8) & _EVEN))


@integer_kernel
def add_xorshift(total: Any, states: Any, keep: Any, method: Any) -> None:
    """One step of every unit; add to `total` what the bytes in `keep` are worth. total, states : (N,) uint32."""
    if method == _SUM:
        for u in range(states.shape[0]):
            states[u] = next_state(states[u])
            total[u] = np.uint32(total[u] + byte_pairs(np.uint32(states[u] & keep)))
    else:
        for u in range(states.shape[0]):
            states[u] = next_state(states[u])
            total[u] = np.uint32(total[u] + ones(np.uint32(states[u] & keep)))


@integer_kernel
def add_lfsr(total: Any, states: Any, mask: Any, method: Any) -> None:
    """Eight ticks of every unit; add to `total` what its byte is worth. total, states : (N,) uint32."""
    if method == _SUM:
        for u in range(states.shape[0]):
            states[u] = next_byte(states[u], mask)
            total[u] = np.uint32(total[u] + np.uint32(states[u] & _BYTE))
    else:
        for u in range(states.shape[0]):
            states[u] = next_byte(states[u], mask)
            total[u] = np.uint32(total[u] + ones(np.uint32(states[u] & _BYTE)))


@integer_kernel
def centre(total: Any, k: Any, method: Any) -> None:
    """Turn totals into words: 2 total - 255 k, or - 8 k, in two's complement. total : (N,) uint32."""
    low = np.uint32(255 * k if method == _SUM else 8 * k)
    for u in range(total.shape[0]):
        whole = np.uint32(np.uint32(total[u] & _HALF) + np.uint32(total[u] >> _16))
        total[u] = np.uint32(np.uint32(whole + whole) - low)


@integer_kernel
def fill_block(out: Any, states: Any, first: Any, last: Any, kind: Any, k: Any, method: Any) -> None:
    """Write the words of units first .. last - 1 row by row; see `normals`."""
    own, mask = states[first:last], np.uint32(kind)
    for row in range(out.shape[0]):
        total = out[row][first:last].view(np.uint32)
        total[:] = np.uint32(0)
        if mask == KIND:
            for left in range(k, 0, -4):
                add_xorshift(total, own, np.uint32(_ALL >> np.uint32(max(0, 32 - 8 * left))), method)
        else:
            for _ in range(k):
                add_lfsr(total, own, mask, method)
        centre(total, k, method)


@integer_kernel
def normals(out: Any, states: Any, kind: Any, k: Any, method: Any) -> None:
    """Write a word for every row and unit; `states` go on in place. Cost O(rows x units x k).

    out : (rows, N) int32, contiguous, a row per channel of a draw, more draws below;  states : (N,) uint32, contiguous;
    kind : `Generator.kind`;  k : bytes of a word, at most `MOST_BYTES`;  method : index into `METHODS`
    """
    for first in range(0, states.shape[0], _BLOCK):
        fill_block(out, states, first, min(first + _BLOCK, states.shape[0]), kind, k, method)


@shared_integer_kernel
def parallel_normals(out: Any, states: Any, kind: Any, k: Any, method: Any, worker: Any, workers: Any) -> None:
    """As `normals`, to the bit, with the blocks of units spread over threads."""
    for block in range(worker, (states.shape[0] + _BLOCK - 1) // _BLOCK, workers):
        first = block * _BLOCK
        fill_block(out, states, first, min(first + _BLOCK, states.shape[0]), kind, k, method)


def as_bytes(k: int) -> int:
    """Return the bytes of a word, or raise an ArgumentError unless 1 <= k <= `MOST_BYTES`."""
    if as_count("k", k, least=1) > MOST_BYTES:
        raise ArgumentError(f"k={k}: expected 1 to {MOST_BYTES} bytes a word; add words for more")
    return int(k)


def draw(
    generator: Generator,
    states: npt.NDArray[np.uint32],
    draws: int,
    channels: int = 1,
    *,
    k: int = 8,
    method: str = "sum",
) -> npt.NDArray[np.int32]:
    """Draw integer Gaussian words for every unit; `states` go on in place. Cost O(draws x channels x units x k).

    Parameters
    ----------
    generator : Generator
        Of `localnoise.hardware.generators.GENERATORS`.
    states : (N,) uint32, contiguous
        As from `localnoise.hardware.generators.seeding.states`; afterwards, where the next draw goes on.
    draws, channels : int
        How many words a unit draws.
    k : int, default 8
        Bytes of a word, 1 to 64.
    method : "sum" (default) or "popcount"

    Returns
    -------
    (draws, channels, N) int32

    Raises
    ------
    ArgumentError
        For wrong states (a state of zero never leaves zero), numbers or names.
    """
    index = METHODS.index(choose("method", method, METHODS))
    shape = (as_count("draws", draws), as_count("channels", channels, least=1))
    _check(states, generator)
    out = np.empty((*shape, len(states)), np.int32)
    rows, blocks = out.reshape(shape[0] * shape[1], len(states)), -(-len(states) // _BLOCK)
    parallel_normals(rows, states, generator.kind, as_bytes(k), index, parts=blocks)
    return out


def _check(states: Any, generator: Generator) -> None:
    known = isinstance(states, np.ndarray) and states.dtype == np.uint32 and states.ndim == 1
    if not (known and states.flags.c_contiguous and states.flags.writeable):
        found = f"{states.dtype} {states.shape}" if isinstance(states, np.ndarray) else type(states).__name__
        raise ArgumentError(
            f"states is {found}: expected a contiguous, writeable uint32 array (N,); use seeding.states(...)"
        )
    wrong = np.flatnonzero((states == 0) | (states > generator.period))
    if len(wrong):
        raise ArgumentError(
            f"states[{wrong[0]}]={states[wrong[0]]}: expected 1 to 2^{generator.width} - 1; use seeding.states(...)"
        )
