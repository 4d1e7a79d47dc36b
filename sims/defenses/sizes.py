"""The size of repairs and networks, counted: numbers, bytes as an exported chip holds them, multiplications an input.

Tables of a repair's layer are those of `hardware.repair.ChipRepair.flash`. Laws that places share are counted once a
class of places, with a scale for each neuron; the exported C of today writes them out, unit by unit.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from localnoise import Repair, UnitGrid
from localnoise.narrow import NarrowField
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
class Size:
    """The size of a repair.

    Attributes
    ----------
    numbers : int
        Of laws, centres, ways back and gates, in floating point.
    bytes : int
        Of the tables at 8 bits, network not counted.
    gate, repair : int
        Multiplications an input: to decide what has happened; at most, to undo it in all layers by one way back each.
    """

    numbers: int = 0
    bytes: int = 0
    gate: int = 0
    repair: int = 0

    @property
    def values(self) -> dict[str, float]:
        """Return what a record holds of it."""
        return {"repair.bytes": self.bytes, "repair.gate": self.gate, "repair.work": self.gate + self.repair}

    @classmethod
    def of(cls, repairs: Iterable[Repair]) -> Self:
        """Return the size of learned repairs, the deciding layer's first."""
        several = list(repairs)
        found = cls.counted([parts_of(repair) for repair in several])
        return replace(found, bytes=found.bytes + sum(_asking_bytes(repair) for repair in several))

    @classmethod
    def counted(cls, layers: Sequence[Sequence[Part]]) -> Self:
        """Return the size of layers' parts; those of one source are told apart where it is undone."""
        numbers, size, undoing = 0, 0, dict[str, int]()
        for place, parts in enumerate(layers):
            numbers += sum(_numbers(part) for part in parts) + 3 * len(parts) + 1
            size += layer_bytes(parts)
            for source in dict.fromkeys(part.source for part in parts):
                own = [part for part in parts if part.source == source]
                work = max(0 if part.back is None else _way_products(part.back) for part in own)
                if place and len(own) > 1:  # the source is known, not which of its causes
                    work += sum(_law_products(part.law) for part in own)
                undoing[source] = undoing.get(source, 0) + work
        deciding = sum(_law_products(part.law) for part in layers[0])
        return cls(numbers=numbers, bytes=size, gate=deciding, repair=max(undoing.values()))


def parts_of(repair: Repair) -> list[Part]:
    """Return the members of a learned repair."""
    return [Part(source=member.source, law=member.law, back=member.back) for member in repair.members]


def layer_bytes(parts: Sequence[Part]) -> int:
    """Return the bytes of one layer's tables."""
    law = parts[0].law
    backs = [part.back for part in parts if part.back is not None]
    N, m = law.config.units, law.config.channels
    index = 2 if N < 2**16 else 4
    readers = backs[0].field.readers.size if backs else 0
    classes = _classes(backs[0]) if backs else N
    wires = (law.field.parents.size + readers + N) * index + 4 * classes
    held = _law_bytes(law) + 2 * N * m  # and the centre
    ways = sum(_links(back) * m * m * _WEIGHT + classes * m + _ACCUMULATOR * N * m for back in backs)
    return int(wires + len(parts) * (held + 27) + ways)


def _asking_bytes(repair: Repair) -> int:
    """Return the bytes of what asks for worth and looks again: maps of all sources' log densities, and scores."""
    members, sources = len(repair.members), len(repair.sources)
    worth = 8 * members + 4 * sources**2 + 8 * sources if repair.worth is not None else 0
    return worth + (sources + 8 * members if repair.among else 0)


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


def _numbers(part: Part) -> int:
    centre = part.law.config.neurons
    return part.law.parameters + centre + (0 if part.back is None else means_parameters(part.back))


def _classes(grid: UnitGrid) -> int:
    """Return how many sets of weights a grid has: one a unit, or one a class of places."""
    field = grid.field
    return int(field.kinds.max()) + 1 if isinstance(field, NarrowField) else grid.config.units


def _links(grid: UnitGrid) -> int:
    """Return the links of which a grid stores a matrix of weights: parents and activations read."""
    field = grid.field
    there = (field.parents >= 0).sum(axis=1) + (field.readers >= 0).sum(axis=1)
    if not isinstance(field, NarrowField):
        return int(there.sum())
    most = np.zeros(_classes(grid), np.int64)
    np.maximum.at(most, field.kinds, there)
    return int(most.sum())


def _law_bytes(law: UnitGrid) -> int:
    """Return the bytes of a law: rows with a scale each; of shared ones matrices, and a scale for each neuron."""
    N, m = law.config.units, law.config.channels
    triangle = m * (m + 1) // 2
    if not isinstance(law.field, NarrowField):
        return (_links(law) * m * m + N * triangle) * _WEIGHT + N * m
    factors = int(law.field.levels.max()) + 1
    rows = (_classes(law) + factors) * m
    return (_links(law) * m * m + factors * triangle + N * m) * _WEIGHT + rows


def _law_products(law: UnitGrid) -> int:
    """Return the multiplications by which a law scores an activation."""
    N, m = law.config.units, law.config.channels
    scales = N * m if isinstance(law.field, NarrowField) else 0
    return int((law.field.parents >= 0).sum()) * m * m + N * (m * (m + 1) // 2) + N * m + 1 + scales


def _way_products(back: UnitGrid) -> int:
    return int((back.field.readers >= 0).sum()) * back.config.channels**2
