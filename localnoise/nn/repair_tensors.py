"""A repair as tensors of a module, and the products that decide and repair.

Where a gradient is asked for, or torch traces what is done, these are products of tensors. Else the core's kernels do
it, which gather no neighborhood: five to twenty times as fast on a CPU, and equal but for the order of sums.
"""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import get_proxy_mode
from torch.utils._python_dispatch import _get_current_dispatch_mode

from localnoise.errors import ArgumentError
from localnoise.grid import UnitGrid
from localnoise.kernels import threads
from localnoise.narrow import NarrowField
from localnoise.nn import team
from localnoise.repair import Repair
from localnoise.repair.gate import FLOOR
from localnoise.repair.laws import Laws, voters

_GATE = ("scale", "bias", "low", "high")
_CHUNK = 256  # activations whose neighborhoods are gathered at a time


class RepairTensors(nn.Module):
    """Base of a `RepairLayer`: what the repair knows, and what follows from it for activations (T, N, m)."""

    _given: Repair  # which may learn on
    _repair: Repair  # as it was taken
    _names: list[str]  # of the sources
    _own: list[str]  # the source of each member
    _where: list[list[int]]  # the members of each source
    _parents: Tensor
    _readers: Tensor
    _law: Tensor
    _centre: Tensor
    _logs: Tensor
    _scale: Tensor
    _bias: Tensor
    _low: Tensor
    _high: Tensor
    _back_to: Tensor
    _worth: Tensor
    _passed: Tensor
    _passing: Tensor
    _among: Tensor
    _among_names: Tensor
    _column: Tensor
    _laws: Laws  # as kernels read them
    _backs: list[UnitGrid | None]

    def _take(self, repair: Repair) -> None:
        """Take a repair's weights as tensors; a gather of neighborhoods and a product each."""
        self._given, self._backs = repair, [None if one.back is None else _as_it_is(one.back) for one in repair.members]
        self._repair = repair = _taken(repair, self._backs)
        self._names, self._own = repair.sources, [member.source for member in repair.members]
        self._where = [[j for j, own in enumerate(self._own) if own == name] for name in self._names]
        c = repair.config
        N, m = c.units, c.channels
        laws = Laws.of(repair.members, voters(c.shape, repair.asks))
        self._laws = replace(laws, law=laws.law.astype(c.dtype), offset=laws.offset.astype(c.dtype))
        hold = self._hold
        hold("_parents", laws.seen, torch.int64)
        hold("_law", self._laws.law)
        hold("_centre", self._laws.offset)
        hold("_logs", laws.logs)
        self.decide_as_now()
        readers = repair.blank_back.field.readers
        hold("_readers", np.maximum(readers, 0), torch.int64)
        for name in [name for name in self._buffers if name.startswith(("_way", "_offset", "_bend"))]:
            del self._buffers[name]  # of another repair
        for j, back in enumerate(self._backs):
            if back is None:
                continue
            f = back.field
            f = f.widened() if isinstance(f, NarrowField) else f
            f.G.reshape(N, m, -1, m).transpose(0, 2, 1, 3)[readers < 0] = 0
            hold(f"_way{j}", f.G)
            hold(f"_offset{j}", f.a)
            if repair.bends is not None:
                hold(f"_bend{j}", repair.members[j].centre.reshape(m, N).T)
        order = [j for where in self._where for j in where]
        hold("_back_to", np.argsort(order), torch.int64)
        hold("_column", [self._names.index(own) for own in self._own], torch.int64)

    def decide_as_now(self) -> None:
        """Take margins, worth and `among` that the repair asks for now; laws and ways back stay as they were taken.

        Raises
        ------
        ArgumentError
            The repair has learned another source since it was taken.
        """
        repair, given = self._repair, self._given
        if given is not repair and given.sources != repair.sources:
            raise ArgumentError(
                f"repair knows {', '.join(given.sources)}: expected the sources that the layer has taken, "
                f"{', '.join(repair.sources)}; set layer.repair = repair"
            )
        if given.among != repair.among:
            repair.decide_among(*given.among)
        repair.margin, repair.margins, repair.worth = given.margin, dict(given.margins), given.worth
        for prefix, gate in {"": repair.gate, "_among": repair.among_gate if repair.among else None}.items():
            for name in _GATE if gate is not None else ():
                self._hold(f"{prefix}_{name}", getattr(gate, name))
        worth = repair.worth  # offset and slope of each source; what it must exceed is taken off
        self._hold("_worth", [] if worth is None else np.c_[worth.excess, worth.slope])
        passed: Any = [] if worth is None or not worth.passed.any() else worth.passed  # sources, and then members
        self._hold("_passed", passed, torch.bool)
        self._hold("_passing", [passed[repair.sources.index(own)] for own in self._own if len(passed)], torch.bool)
        self._hold("_among", repair.among_members, torch.int64)
        self._hold("_among_names", [repair.sources.index(name) for name in repair.among], torch.int64)

    def _hold(self, name: str, value: Any, dtype: torch.dtype | None = None) -> None:
        """Keep a tensor where the others are, in the layer's precision."""
        own = torch.get_default_dtype() if self._repair.config.dtype == "float32" else torch.float64
        device: torch.device | None = self._parents.device if hasattr(self, "_parents") else None
        self.register_buffer(name, torch.as_tensor(np.asarray(value)).to(device, dtype or own), persistent=False)

    def _array(self, x: Tensor) -> Any:
        """Return what kernels may read of x (T, N, m), as (T, m, N); None where torch has to see what is done."""
        if (torch.is_grad_enabled() and x.requires_grad) or _watched():
            return None
        if x.device.type != "cpu" or type(x) is not Tensor or len(x) == 0:
            return None
        if self._law.device.type != "cpu" or str(x.dtype) != f"torch.{self._laws.law.dtype}":
            return None  # moved, or of another precision, since it was taken
        if torch.autograd.forward_ad.unpack_dual(x).tangent is not None:
            return None
        try:
            array = np.ascontiguousarray(x.detach().transpose(1, 2).numpy())
        except RuntimeError:  # what torch.func wraps has no memory of its own
            return None
        return array if np.isfinite(array).all() else None  # tensors pass NaN on, which kernels refuse

    def _densities(self, x: Tensor) -> Tensor:
        """Return the log density per neuron of each member's law, (T, J)."""
        if (known := self._array(x)) is not None:
            with threads.on(team.torchs()):
                return torch.from_numpy(self._laws.log_densities(known)).to(x.dtype)
        m, N = x.shape[2], len(self._law)
        J, out = len(self._own), []
        law, offset = self._law.flatten(1, 2).transpose(1, 2), self._centre.flatten(1)[:, None]
        for part in x.split(_CHUNK):
            seen = part[:, self._parents].reshape(len(part), N, law.shape[1])  # (t, N, (1 + K) m)
            e = torch.baddbmm(offset, seen.transpose(0, 1), law)  # (N, t, J m)
            squares = e.square().view(N, len(part), J, m).sum((0, 3))
            out.append((-0.5 * squares - self._logs) / (N * m))
        return torch.cat(out)

    def _gated(self, density: Tensor, gate: str) -> Tensor:
        """Return what a gate gives its members for log densities; what is atypical goes to the first one, clean."""
        scale, bias, low, high = (getattr(self, f"{gate}_{name}") for name in _GATE)
        w = torch.softmax(scale * density + bias, 1)
        rest = torch.where((density >= low) & (density <= high), w, torch.zeros_like(w))[:, 1:]
        return torch.cat([1 - rest.sum(1, keepdim=True), rest], 1)

    def _worthwhile(self, w: Tensor, density: Tensor, among: Tensor | None = None) -> Tensor:
        """Return the members' weights, in rows of zeros where a repair is not expected to pay (`Repair.worth`).

        among : sources that are asked about, where an earlier layer has decided about the others.
        """
        if not len(self._worth):
            return w
        likeliest = torch.stack([w[:, where].sum(1) for where in self._where], 1).argmax(1)
        by_source = torch.stack([density[:, where].max(1).values for where in self._where], 1)
        gain = self._worth[likeliest, 0] + (self._worth[likeliest, 1:] * by_source).sum(1)
        pays = (gain > 0)[:, None]
        if len(self._passed):  # where the likeliest is asked about elsewhere, others have no say
            pays = pays & (~self._passed[likeliest][:, None] | self._passing)
        if among is not None:
            pays = pays | ~torch.isin(likeliest, among)[:, None]
        return w * pays

    def _change(self, x: Tensor, w: Tensor) -> Tensor:
        """Return the ways back, weighed, (T, N, m)."""
        known = None if torch.is_grad_enabled() and w.requires_grad else self._array(x)
        if known is not None:
            return self._changed(known, w)
        out = torch.zeros_like(x)
        for j, weights, offset in self._ways():
            for rows in (w[:, j] > FLOOR).nonzero()[:, 0].split(_CHUNK):
                part = self._read(j, x[rows])
                seen = part[:, self._readers].reshape(len(part), len(weights), weights.shape[1])
                r = torch.bmm(seen.transpose(0, 1), weights).transpose(0, 1) + offset
                out = out.index_add(0, rows, w[rows, j, None, None] * r)
        return out

    def _changed(self, x: Any, w: Tensor) -> Tensor:
        """Return the same by kernels, of activations (T, m, N)."""
        c, weights = self._repair.config, w.numpy()
        h, out = x.reshape(-1, c.channels, *c.shape), np.zeros((len(x), c.channels, *c.shape), x.dtype)
        with threads.on(team.torchs()):
            for j, back in enumerate(self._backs):
                rows = np.flatnonzero(weights[:, j] > FLOOR)
                if back is not None and rows.size:
                    out[rows] += weights[rows, j, None, None, None] * self._repair.members[j].missing(h[rows])
        return torch.from_numpy(out).flatten(2).transpose(1, 2)

    def _read(self, j: int, x: Tensor) -> Tensor:
        """Return what member j's way back reads of activations (T, N, m): them, and their bends after them."""
        bend = getattr(self, f"_bend{j}", None)
        return x if bend is None else torch.cat([x, (x - bend).abs()], 1)

    def _ways(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Yield each member that has a way back, its weights and its offset."""
        for j in range(len(self._own)):
            if hasattr(self, f"_way{j}"):
                yield j, getattr(self, f"_way{j}").flatten(2).transpose(1, 2), getattr(self, f"_offset{j}")


def _watched() -> bool:
    """Return whether torch traces or compiles what is done, or a mode such as a counter of operations sees it."""
    traced = torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None or get_proxy_mode() is not None
    return traced or _get_current_dispatch_mode() is not None


def _as_it_is(back: UnitGrid) -> UnitGrid:
    """Return a copy of a way back, which later lessons leave alone."""
    made = copy.copy(back)
    made.state, made.field = None, copy.deepcopy(back.field)
    return made


def _taken(repair: Repair, backs: list[UnitGrid | None]) -> Repair:
    """Return a copy of a repair, which later lessons and margins of the one leave alone; its ways back are `backs`."""
    made = copy.copy(repair)
    made._gate, made._among_gate = repair.fitted_gate, repair.fitted_among if repair.among else None
    made.members = [replace(member, back=back) for member, back in zip(repair.members, backs, strict=True)]
    made.margins, made.provenance = dict(repair.margins), copy.deepcopy(repair.provenance)
    return made
