"""Draws and gradients where the tensor lies, off the CPU: batched products, one level of units after the other.

A unit waits for its parents alone, so that all units whose longest chain of parents has the same length are drawn at
once: a multiscale field of 14 x 14 units has 10 to 27 levels, whatever the batch. The law is that of the kernels on the
CPU, the numbers are another stream's.
"""

from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from localnoise.bank import Bank
from localnoise.central import AffineNoise, CentralNoise
from localnoise.field import Field
from localnoise.grid import UnitGrid

_KEPT = ("order", "parents", "readers", "a", "G", "B", "S", "gain")
_levels: WeakKeyDictionary[Any, dict[tuple[Any, ...], "Levels"]] = WeakKeyDictionary()


class Levels:
    """A field's weights on a device, level by level.

    A draw of T samples costs O(T n m (K + R)) operations in as many batched products as there are levels; memory is
    that of the weights and of T K + R activations of the largest level.

    Parameters
    ----------
    field : Field
    device, dtype
        Of the weights and of what is drawn.
    """

    def __init__(self, field: Field, device: torch.device, dtype: torch.dtype) -> None:
        self._copies = {name: np.array(getattr(field, name)) for name in _KEPT}
        units, first = (np.array(part) for part in field.fronts)
        held = {name: torch.from_numpy(self._copies[name]).to(device, dtype) for name in ("a", "G", "B", "S", "gain")}
        self._a, self._G, self._S, self._gain = held["a"], held["G"], held["S"], held["gain"][:, None, None]
        self._readers = _known(field.readers, device)
        self._levels = []
        for low, high in pairwise(first):
            own = torch.from_numpy(units[low:high].astype(np.int64)).to(device)
            self._levels.append((own, _known(field.parents[units[low:high]], device), held["B"][own]))

    def is_of(self, field: Field) -> bool:
        """Return whether these are still the field's weights: units may be written to."""
        return all(np.array_equal(self._copies[name], getattr(field, name)) for name in _KEPT)

    def draw(self, xi: Tensor | None, h: Tensor | None) -> Tensor:
        """Return diag(gain) (I - B)^-1 ([a + G h] + S xi), (N, T, m); either part may be left out."""
        some = xi if xi is not None else h
        assert some is not None
        count, m = some.shape[1], some.shape[2]
        eta = some.new_zeros(len(self._a) + 1, count, m)  # the last row is the parent that is missing
        drive = eta[:-1] if xi is None else torch.bmm(xi, self._S.transpose(1, 2))
        if h is not None:
            drive = drive + self._a[:, None] + torch.bmm(_gathered(h, self._readers), self._G.transpose(1, 2))
        for own, parents, B in self._levels:
            eta[own] = torch.baddbmm(drive[own], _rows(eta, parents), B.transpose(1, 2)) if len(B[0, 0]) else drive[own]
        return eta[:-1] * self._gain

    def pull_back(self, gradient: Tensor) -> Tensor:
        """Return G' (I - B)^-T diag(gain) gradient, (N, T, m)."""
        count, m = gradient.shape[1], gradient.shape[2]
        back = gradient.new_zeros(len(self._a) + 1, count, m)
        back[:-1] = gradient * self._gain
        for own, parents, B in reversed(self._levels):
            if len(B[0, 0]):
                _scatter(back, parents, torch.bmm(back[own], B))
        out = torch.zeros_like(back)
        if self._readers.shape[1]:
            _scatter(out, self._readers, torch.bmm(back[:-1], self._G))
        return out[:-1]


def drawn(noise: Any, h: Tensor, seed: int, start: int, *, reads: bool, member: int = 0) -> Tensor | None:
    """Return one draw for each activation h (T, C, H, W), where h lies; None of a noise that only the CPU has.

    reads : whether the mean, which depends on h, is part of it. The numbers follow from (seed, start), the device and
    the shape; members of a bank have streams of their own.
    """
    if isinstance(noise, Bank):
        return _turns(noise, h, seed, start, lambda of, x, i: drawn(of, x, seed, start, reads=reads, member=i + 1))
    working = torch.float64 if h.dtype == torch.float64 else torch.float32
    generator = torch.Generator(h.device).manual_seed(_mixed(seed, start, member))

    def white(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=h.device, dtype=working)

    if isinstance(noise, UnitGrid):
        flat = _as_units(h.to(working))
        levels = _of(noise, h.device, working)
        signal = noise.field.signal and reads
        return _as_layout(levels.draw(white(*flat.shape), flat if signal else None), h)
    if isinstance(noise, AffineNoise):
        eta = drawn(noise.residual, h, seed, start, reads=False, member=member)
        if eta is None or not reads:
            return eta
        a, G = (torch.as_tensor(part).to(h.device, working) for part in (noise.a, noise.G))
        return eta + torch.addmm(a, h.flatten(1).to(working), G.T).view_as(h).to(h)
    if isinstance(noise, CentralNoise):
        if noise.factor is None:
            return torch.zeros_like(h)
        factor = torch.as_tensor(noise.factor).to(h.device, working)
        xi = white(len(h), noise.neurons)
        return (xi * factor if factor.ndim == 1 else xi @ factor.T).view_as(h).to(h)
    return None


def pulled(noise: Any, gradient: Tensor, seed: int, start: int) -> Tensor | None:
    """Return what the mean adds to the gradient of h, (T, C, H, W); None of a noise that only the CPU has."""
    if isinstance(noise, Bank):
        return _turns(noise, gradient, seed, start, lambda of, g, i: pulled(of, g, seed, start))
    working = torch.float64 if gradient.dtype == torch.float64 else torch.float32
    if isinstance(noise, UnitGrid):
        if not noise.field.signal:
            return torch.zeros_like(gradient)
        levels = _of(noise, gradient.device, working)
        return _as_layout(levels.pull_back(_as_units(gradient.to(working))), gradient)
    if isinstance(noise, AffineNoise):
        G = torch.as_tensor(noise.G).to(gradient.device, working)
        return (gradient.flatten(1).to(working) @ G).view_as(gradient).to(gradient)
    return torch.zeros_like(gradient) if isinstance(noise, CentralNoise) else None


def _turns(bank: Bank, x: Tensor, seed: int, start: int, act: Any) -> Tensor | None:
    out = torch.zeros_like(x)
    turn = torch.from_numpy(bank.turns(len(x), seed, start)).to(x.device)
    for index, member in enumerate(bank.members):
        rows = (turn == index).nonzero()[:, 0]
        if len(rows):
            found = act(member, x[rows], index)
            if found is None:
                return None
            out[rows] = found
    return out


def _of(grid: UnitGrid, device: torch.device, dtype: torch.dtype) -> Levels:
    """Return the grid's weights on a device; they are copied anew when the grid has learned or was written to."""
    kept, place = _levels.setdefault(grid, {}), (device, dtype)
    field = grid.field.at_once()
    if place not in kept or not kept[place].is_of(field):
        kept[place] = Levels(field, device, dtype)
    return kept[place]


def _known(units: Any, device: torch.device) -> Tensor:
    """Indices of units, -1 where there is none: torch reads the last row, which is zero."""
    return torch.from_numpy(np.asarray(units, np.int64)).to(device)


def _rows(x: Tensor, units: Tensor) -> Tensor:
    """Return what some units read, side by side: x (N + 1, T, m) at units (n, K) as (n, T, K m)."""
    return x[units].transpose(1, 2).flatten(2)


def _gathered(h: Tensor, units: Tensor) -> Tensor:
    return _rows(torch.cat([h, h.new_zeros(1, *h.shape[1:])]), units)


def _scatter(into: Tensor, units: Tensor, parts: Tensor) -> None:
    """Add parts (n, T, K m) to the rows of units (n, K): the adjoint of `_rows`."""
    split = parts.unflatten(2, (units.shape[1], into.shape[2])).transpose(1, 2).flatten(0, 1)
    into.index_add_(0, units.flatten() % len(into), split)
    into[-1] = 0


def _as_units(h: Tensor) -> Tensor:
    """(T, C, H, W) as (N, T, m)."""
    return h.flatten(2).permute(2, 0, 1).contiguous()


def _as_layout(eta: Tensor, like: Tensor) -> Tensor:
    return eta.permute(1, 2, 0).reshape(like.shape).to(like.dtype)


def _mixed(*words: int) -> int:
    """Return a seed of its own for each place of a stream."""
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
