"""What layers of a network give for activations at the cut, chunk by chunk, as lessons of a repair read it."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from torch import Tensor, nn

from localnoise import Repair
from localnoise.nn.arrangement import Arrangement
from localnoise.nn.naming import find
from localnoise.nn.tapping import Tap
from localnoise.sims.models import training

CHUNK = 500
_MOST = 2**30  # bytes of clean activations that are kept; those of layers beyond that are made each time


class Outputs:
    """The output of a layer for activations at the cut, chunk by chunk, folded as its repair has them.

    Parameters
    ----------
    model : Module
        From the cut on.
    name : str
        Of the layer.
    h : Tensor
        Activations at the cut.
    repair : Repair
        Remembers how the layer's output lies.
    """

    def __init__(self, model: nn.Module, name: str, h: Tensor, repair: Repair) -> None:
        lies = Arrangement.remembered(repair)
        assert lies is not None
        self._tap, self._h, self._lies = Tap(model, find(model, name), name), h, lies

    def __iter__(self) -> Iterator[Any]:
        for part in self._h.split(CHUNK):
            yield np.ascontiguousarray(self._lies.folded(self._tap.upto(part)).numpy())


class Calm:
    """Clean activations of later layers, made once for all sources: exact, and at most 1 GiB of them.

    Parameters
    ----------
    model : Module
        From the cut on, without repairs.
    h : Tensor
        All clean activations at the cut that are learned from.
    """

    def __init__(self, model: nn.Module, h: Tensor) -> None:
        self._model, self._h, self._room = model, h, _MOST
        self._kept: dict[str, list[Any]] = {}

    def of(self, name: str, repair: Repair, h: Tensor) -> Iterable[Any]:
        """Return a layer's chunks for h, which are the first of all clean activations, or others."""
        fresh = Outputs(self._model, name, h, repair)
        if len(h) > len(self._h) or h.data_ptr() != self._h.data_ptr() or h.stride() != self._h.stride():
            return fresh
        if name not in self._kept:
            if len(h) < len(self._h):
                return fresh
            size = 4 * len(h) * repair.config.units * repair.config.channels
            if size > self._room:
                return fresh
            self._room -= size
            self._kept[name] = list(fresh)
        whole, rest = divmod(len(h), CHUNK)
        kept = self._kept[name]
        return [*kept[:whole], *([kept[whole][:rest]] if rest else [])]


class Pairs:
    """Pairs (displaced, clean) of chunks."""

    def __init__(self, clean: Iterable[Any], displaced: Iterable[Any]) -> None:
        self._parts = displaced, clean

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return zip(*self._parts, strict=True)

    def whole(self) -> tuple[Any, Any]:
        """Return all of both, (T, C, H, W)."""
        displaced, clean = (np.concatenate([*part]) for part in self._parts)
        return displaced, clean


def ticked(pairs: Pairs, tick: training.Tick) -> Iterator[tuple[Any, Any]]:
    """Yield pairs of chunks; what was learned of each is reported when the next one is asked for."""
    for displaced, clean in pairs:
        yield displaced, clean
        tick(len(clean))
