"""The size of repairs and networks, counted: numbers, bytes as an exported chip holds them, multiplications an input.

Tables of a repair's layer are those of `hardware.repair.ChipRepair.flash`. Laws that places share are counted once a
class of places, with a scale for each neuron; the exported C of today writes them out, unit by unit.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from localnoise import Repair, UnitGrid
from localnoise.narrow import NarrowField
from localnoise.repair.laws import voters
from localnoise.repair.member import means_parameters

_WEIGHT, _ACCUMULATOR = 1, 4  # bytes: 8-bit weights, 32-bit accumulators


@dataclass(frozen=True, kw_only=True)
class Part:
    """One member of a layer's repair.

    Attributes
    ----------
    source : str
        "clean" of the first one.
    law : UnitGrid
    back : UnitGrid or None
    """

    source: str
    law: UnitGrid
    back: UnitGrid | None


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer's repair, as it is counted.

    Attributes
    ----------
    parts : tuple of Part
    asks : int
        Units on every so many rows and columns vote.
    among : tuple of str
        Sources between which it decides anew, clean first.
    worth : bool
        Whether it asks what a repair is worth, by the laws of all causes.
    """

    parts: tuple[Part, ...]
    asks: int = 1
    among: tuple[str, ...] = ()
    worth: bool = False

    @classmethod
    def of(cls, repair: Repair) -> Self:
        """Return the layer of a learned repair."""
        parts = tuple(Part(source=one.source, law=one.law, back=one.back) for one in repair.members)
        return cls(parts=parts, asks=repair.asks, among=repair.among, worth=repair.worth is not None)

    @property
    def sources(self) -> list[str]:
        """Names, clean first."""
        return list(dict.fromkeys(part.source for part in self.parts))

    @property
    def looked_at(self) -> list[str]:
        """Sources whose laws score every input behind an earlier layer's decision: those of a second look.

        To ask what that look is worth takes the laws of all.
        """
        return [] if not self.among else self.sources if self.worth else list(self.among)

    @property
    def voters(self) -> npt.NDArray[np.int64]:
        """The units that have laws."""
        return voters(self.parts[0].law.config.shape, self.asks)

    def scored(self, sources: Iterable[str]) -> int:
        """Return the multiplications by which the laws of these sources score an activation."""
        wanted, rows = set(sources), self.voters
        return sum(_law_products(part.law, rows) for part in self.parts if part.source in wanted)

    def undone(self, source: str) -> int:
        """Return the multiplications that it takes at most to undo a source that is known."""
        own = [part for part in self.parts if part.source == source]
        unsaid = len(own) > 1 and source not in self.looked_at  # which of its causes it is
        return max(0 if part.back is None else _way_products(part.back) for part in own) + unsaid * self.scored(
            [source]
        )

    @property
    def numbers(self) -> int:
        """Numbers in floating point."""
        return sum(_numbers(part, self.voters) for part in self.parts) + 3 * len(self.parts) + 1

    @property
    def bytes(self) -> int:
        """Bytes of its tables."""
        law, rows = self.parts[0].law, self.voters
        backs = [part.back for part in self.parts if part.back is not None]
        N, m = law.config.units, law.config.channels
        bent = bool(backs) and _bent(backs[0])
        index = 2 if (1 + bent) * N < 2**16 else 4
        readers = backs[0].field.readers.size if backs else 0
        classes = _classes(backs[0]) if backs else N
        wires = (law.field.parents[rows].size + readers + N) * index + 4 * classes
        held = sum(_law_bytes(law, rows) + 2 * m * _centred(one, rows) for one in self.parts)  # laws and centres
        ways = sum(_links(back) * m * m * _WEIGHT + classes * m + _ACCUMULATOR * N * m for back in backs)
        return int(wires + held + 27 * len(self.parts) + ways) + self._asking

    @property
    def _asking(self) -> int:
        """Bytes of what asks for worth and looks again: maps of all sources' log densities, and scores."""
        members, sources = len(self.parts), len(self.sources)
        worth = 8 * members + 4 * sources**2 + 8 * sources if self.worth else 0
        return worth + (sources + 8 * members if self.among else 0)


@dataclass(frozen=True, kw_only=True)
class Size:
    """The size of a repair.

    Attributes
    ----------
    numbers : int
        Of laws, centres, ways back and gates, in floating point.
    bytes : int
        Of the tables at 8 bits, network not counted.
    gate, look, repair : int
        Multiplications an input: by which the first layer decides what has happened; by which later ones look again;
        at most, to undo it in all layers by one way back each.
    """

    numbers: int = 0
    bytes: int = 0
    gate: int = 0
    look: int = 0
    repair: int = 0

    @property
    def work(self) -> int:
        """Multiplications an input, at most."""
        return self.gate + self.look + self.repair

    @property
    def values(self) -> dict[str, float]:
        """Return what a record holds of it; the work of records without a look leaves that out."""
        work = {"repair.gate": self.gate, "repair.look": self.look, "repair.work": self.work}
        return {"repair.bytes": self.bytes, **work}

    @classmethod
    def of(cls, repairs: Iterable[Repair]) -> Self:
        """Return the size of learned repairs, the deciding layer's first."""
        return cls.counted([Layer.of(repair) for repair in repairs])

    @classmethod
    def counted(cls, layers: Sequence[Layer]) -> Self:
        """Return the size of layers; causes of one source are told apart where they are undone."""
        first, later = layers[0], layers[1:]
        ways = [_way(first, source) + sum(one.undone(source) for one in later) for source in first.sources]
        return cls(
            numbers=sum(one.numbers for one in layers),
            bytes=sum(one.bytes for one in layers),
            gate=first.scored(first.sources),
            look=sum(one.scored(one.looked_at) for one in later),
            repair=max(ways),
        )


def _way(first: Layer, source: str) -> int:
    """Return the multiplications of the way back of the layer that has scored all causes."""
    backs = [part.back for part in first.parts if part.source == source]
    return max(0 if back is None else _way_products(back) for back in backs)


def forward_products(model: nn.Module, x: Tensor) -> int:
    """Return the multiplications of convolutions and dense layers in a forward of one of the inputs x (T, ...)."""
    total, handles = [0], []

    def count(module: Any, _: Any, out: Tensor) -> None:
        each = math.prod(out.shape[1:])
        if isinstance(module, nn.Linear):
            total[0] += each * module.in_features
        else:
            total[0] += each * module.in_channels // module.groups * math.prod(module.kernel_size)

    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            handles.append(module.register_forward_hook(count))
    try:
        with torch.no_grad():
            model(x[:1])
    finally:
        for handle in handles:
            handle.remove()
    return total[0]


def weights(*modules: nn.Module) -> int:
    """Return how many numbers modules learn."""
    return sum(weight.numel() for module in modules for weight in module.parameters())


def _numbers(part: Part, rows: npt.NDArray[np.int64]) -> int:
    """Numbers of the laws of some units, of what these see of a centre, and of a way back."""
    law, back = part.law, 0 if part.back is None else means_parameters(part.back)
    m, units = law.config.channels, law.config.units
    if len(rows) == units:
        return law.parameters + law.config.neurons + back
    own = int((law.field.parents[rows] >= 0).sum()) * m * m + len(rows) * (m * (m + 1) // 2 + 1)
    return own + m * _centred(part, rows) + back


def _centred(part: Part, rows: npt.NDArray[np.int64]) -> int:
    """Return how many units' centres are held: what some units look at, or all, where a way back bends about them."""
    return part.law.config.units if part.back is not None and _bent(part.back) else len(_seen(part.law, rows))


def _seen(law: UnitGrid, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the units that some units look at, themselves too."""
    parents = law.field.parents[rows]
    return np.unique(np.concatenate([rows, parents[parents >= 0]]))


def _bent(back: UnitGrid) -> bool:
    return back.config.second_radius is not None


def _classes(grid: UnitGrid) -> int:
    """Return how many sets of weights a grid has: one a unit, or one a class of places."""
    field = grid.field
    return int(field.kinds.max()) + 1 if isinstance(field, NarrowField) else grid.config.units


def _links(grid: UnitGrid, rows: npt.NDArray[np.int64] | None = None) -> int:
    """Return the links of which a grid stores a matrix of weights: parents and activations read, of all units or some.

    Units of one class of places share theirs.
    """
    field, some = grid.field, slice(None) if rows is None else rows
    there = (field.parents[some] >= 0).sum(axis=1) + (field.readers[some] >= 0).sum(axis=1)
    if not isinstance(field, NarrowField):
        return int(there.sum())
    most = np.zeros(_classes(grid), np.int64)
    np.maximum.at(most, field.kinds[some], there)
    return int(most.sum())


def _law_bytes(law: UnitGrid, rows: npt.NDArray[np.int64]) -> int:
    """Return the bytes of some units' laws: rows with a scale each; of shared ones matrices, and scales of neurons."""
    N, m = len(rows), law.config.channels
    triangle = m * (m + 1) // 2
    if not isinstance(law.field, NarrowField):
        return (_links(law, rows) * m * m + N * triangle) * _WEIGHT + N * m
    factors = len(np.unique(law.field.levels[rows]))
    scales = (len(np.unique(law.field.kinds[rows])) + factors) * m
    return (_links(law, rows) * m * m + factors * triangle + N * m) * _WEIGHT + scales


def _law_products(law: UnitGrid, rows: npt.NDArray[np.int64]) -> int:
    """Return the multiplications by which the laws of some units score an activation."""
    N, m = len(rows), law.config.channels
    scales = N * m if isinstance(law.field, NarrowField) else 0
    return int((law.field.parents[rows] >= 0).sum()) * m * m + N * (m * (m + 1) // 2) + N * m + 1 + scales


def _way_products(back: UnitGrid) -> int:
    return int((back.field.readers >= 0).sum()) * back.config.channels**2
