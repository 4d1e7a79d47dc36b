"""What repairs did to a network's decisions, input by input, and what their gates said."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from localnoise.nn.repairing import RepairLayer
from localnoise.nn.tapping import evaluating
from localnoise.repair.thresholds import Heard
from localnoise.repair.worth import by_source


class Outcomes:
    """Outcomes of repairs that ask for nothing; batches are added.

    Parameters
    ----------
    model, mended : Module
        Without repairs, and with them.
    """

    def __init__(self, model: nn.Module, mended: nn.Module) -> None:
        self._model, self._mended = model, mended
        deciding = [part for part in mended.modules() if isinstance(part, RepairLayer) and part.decides]
        self._layers = sorted(deciding, key=_before)  # as they run, whatever the order in which modules are named
        self._parts: list[list[Tensor]] = []

    def __len__(self) -> int:
        return sum(len(gain) for *_, gain in self._parts)

    def add(self, x: Tensor, unaltered: Tensor) -> None:
        """Decide about a batch of inputs, altered and unaltered."""
        with evaluating(self._model), torch.no_grad():
            right, before, after = (
                of(one).argmax(1) for of, one in ((self._model, unaltered), (self._model, x), (self._mended, x))
            )
        said: list[Tensor] = []
        for layer in self._layers:
            assert layer.posterior is not None
            assert layer.density is not None
            density = by_source(layer.density.double().cpu().numpy(), layer.repair._members_of())
            said += [torch.from_numpy(density), layer.posterior.argmax(1).cpu()]
        self._parts.append([*said, ((after == right).double() - (before == right).double()).cpu()])

    def found(self) -> Heard:
        """Return log densities (T, sources) and likeliest sources (T,) of each layer that decides, and gains (T,).

        A gain is 1 where the repair turned a wrong decision into that on the input unaltered, -1 the reverse, else 0.
        """
        arrays: list[Any] = [torch.cat(parts).numpy() for parts in zip(*self._parts, strict=True)]
        return arrays[0:-1:2], arrays[1:-1:2], arrays[-1].astype(np.float64)


def _before(layer: RepairLayer) -> int:
    """Return how many repairs a layer follows, one behind the other."""
    return 0 if layer.follows is None else 1 + _before(layer.follows)
