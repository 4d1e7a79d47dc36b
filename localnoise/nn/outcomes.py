"""Gather what repairs do to decisions, input by input, and what their gates say; of networks in integers, too."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.nn.repairing import RepairLayer
from localnoise.nn.tapping import evaluating
from localnoise.repair.thresholds import Heard
from localnoise.repair.worth import by_source

Decide = Callable[[Tensor, Tensor], list[Any]]
_CLEAN = 2000  # unaltered inputs that are not to be decided otherwise


def gathered(pairs: Iterable[Any], decide: Decide) -> tuple[Heard, Heard, Tensor]:
    """Return what open repairs did to pairs, and to the first 2,000 unaltered inputs; and these.

    pairs : of inputs altered and unaltered;  decide : takes a pair, and returns log densities (T, sources) and the
    likeliest source (T,) of each layer that decides in turn, and what the repairs gained (T,).

    Raises
    ------
    ArgumentError
        No pairs, pairs of unlike shapes, or values that are not finite.
    """
    examples, unharmed, clean = list[list[Any]](), list[list[Any]](), list[Tensor]()
    for pair in pairs:
        x, unaltered = _as_pair(pair)
        if not len(x):
            continue
        examples.append(decide(x, unaltered))
        if len(kept := unaltered[: _CLEAN - sum(map(len, clean))].clone()):  # the source may use its memory again
            unharmed.append(decide(kept, kept))
            clean.append(kept)
    if not examples:
        raise ArgumentError("pairs is empty: expected batches of inputs, altered and unaltered")
    return _joined(examples), _joined(unharmed), torch.cat(clean)


def gain(right: Any, before: Any, after: Any) -> Any:
    """Return 1 where a repair turned a wrong decision into the right one, -1 the reverse, else 0; arrays of classes."""
    return (after == right).astype(np.float64) - (before == right)


def decided_by(model: nn.Module, mended: nn.Module) -> Decide:
    """Return what decides about pairs: a network, and the same with repairs that ask for nothing."""
    found = [part for part in mended.modules() if isinstance(part, RepairLayer) and part.decides]
    layers = sorted(found, key=_before)  # as they run, whatever the order in which modules are named

    def decide(x: Tensor, unaltered: Tensor) -> list[Any]:
        with evaluating(model), torch.no_grad():
            classes = [of(one).argmax(1).cpu().numpy() for of, one in ((model, unaltered), (model, x), (mended, x))]
        said: list[Any] = []
        for layer in layers:
            assert layer.posterior is not None
            assert layer.density is not None
            said += [by_source(layer.density.double().cpu().numpy(), layer.repair._members_of())]
            said += [layer.posterior.argmax(1).cpu().numpy()]
        return [*said, gain(*classes)]

    return decide


def _joined(parts: list[list[Any]]) -> Heard:
    arrays = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return arrays[0:-1:2], arrays[1:-1:2], arrays[-1]


def _before(layer: RepairLayer) -> int:
    """Return how many repairs a layer follows, one behind the other."""
    return 0 if layer.follows is None else 1 + _before(layer.follows)


def _as_pair(pair: Any) -> tuple[Tensor, Tensor]:
    """Return a pair of batches as tensors, checked."""
    kinds = [type(part).__name__ for part in pair] if isinstance(pair, (tuple, list)) else [type(pair).__name__]
    if len(kinds) != 2 or not all(isinstance(part, (Tensor, np.ndarray)) for part in pair):
        raise ArgumentError(
            f"pairs holds {', '.join(kinds)}: expected batches of inputs altered and unaltered, pairs of tensors, as "
            "in [(0.3 * x, x), (0.5 * x, x)]"
        )
    x, unaltered = (torch.as_tensor(part).detach() for part in pair)
    if x.shape != unaltered.shape:
        raise ArgumentError(
            f"pairs: {tuple(x.shape)} altered, {tuple(unaltered.shape)} unaltered: expected the same inputs twice"
        )
    if not (x.isfinite().all() and unaltered.isfinite().all()):
        raise ArgumentError("pairs holds values that are not finite: expected inputs altered and unaltered")
    return x, unaltered
