"""Counted streams under activation checkpointing: a forward that is computed again stands where it stood.

Torch restores its own generator for the second computation, but knows nothing of a layer's position. So each position
is noted under what can be seen again: the activation (a few of its values) and the generator's state.
"""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor

from localnoise.errors import ArgumentError

_MOST = 4096  # activations that are remembered: far more than lie between a forward and its backward
_ALIKE = 64  # forwards of one activation
_SEEN = 64  # values of an activation that tell it from others

_Key = tuple[int, tuple[int, ...], bytes, int]


@dataclass
class _Forward:
    """A forward: its position, and whether a backward pass computed it again."""

    start: int
    again: bool = False


_noted: OrderedDict[_Key, list[_Forward]] = OrderedDict()


def place(position: Tensor, h: Tensor) -> Tensor:
    """Return the position at which h is drawn, and move on, unless a backward pass computes this forward again.

    Raises
    ------
    ArgumentError
        Several forwards of the same activation wait for their backward: which one is computed again cannot be told.
    """
    key = _key(position, h)
    if key in _noted and torch._C._current_graph_task_id() != -1:
        found = _chosen(_noted[key])
        found.again = True
        return torch.full_like(position, found.start)
    start = position.clone()
    position += len(h)
    _noted.setdefault(key, []).append(_Forward(int(start)))
    del _noted[key][:-_ALIKE]
    _noted.move_to_end(key)
    while len(_noted) > _MOST:
        _noted.popitem(last=False)
    return start


def _chosen(alike: list[_Forward]) -> _Forward:
    waiting = [one for one in alike if not one.again] or alike[-1:]
    starts = sorted({one.start for one in waiting})
    if len(starts) > 1:
        raise ArgumentError(
            f"{len(starts)} forwards of one activation, at positions {', '.join(map(str, starts[:4]))}, wait for their "
            "backward pass: expected one under activation checkpointing, which cannot tell them apart; use "
            "NoiseLayer(..., seed=None)"
        )
    return waiting[0]


def _key(position: Tensor, h: Tensor) -> _Key:
    flat = _as_stored(h.detach())
    few = flat[:: max(1, len(flat) // _SEEN)][:_SEEN].double().cpu()
    state = hash(torch.get_rng_state().numpy().tobytes())
    return position.data_ptr(), tuple(h.shape), few.numpy().tobytes(), state


def _as_stored(h: Tensor) -> Tensor:
    """Return all values in the order in which they lie in memory: no copy, channels last or not."""
    dense = h.is_contiguous() or (h.ndim == 4 and h.is_contiguous(memory_format=torch.channels_last))
    return h.as_strided((h.numel(),), (1,)) if dense else h.reshape(-1)
