"""Worth of a network's repairs: what they did to its decisions on inputs that were altered in known ways."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.nn.calibrating import asking_anew, calibrate_repairs
from localnoise.nn.naming import whole
from localnoise.nn.repairing import RepairLayer
from localnoise.nn.repairs import attach_repairs
from localnoise.nn.tapping import evaluating
from localnoise.repair import Repair
from localnoise.repair.worth import LEAST

_CLEAN = 2000  # unaltered inputs on which margins are set


def expect_worth(
    model: nn.Module,
    repairs: Mapping[str, Repair],
    pairs: Iterable[tuple[Tensor, Tensor]],
    least: float = LEAST,
    attach: Callable[[nn.Module, Mapping[str, Repair]], nn.Module] = attach_repairs,
    most: float = 0.005,
) -> None:
    """Let repairs act only where that is expected to pay (`Repair.expect_worth`); no label is read.

    A repair pays where the network then decides as it does on the input unaltered. That decides in the place of
    margins: they are dropped, each layer that decides learns what its sources are worth, and margins are set anew on
    unaltered inputs (`calibrate_repairs`), which then ask for little or nothing. Cost: two passes of the network, one
    with repairs, and those of `calibrate_repairs`.

    Parameters
    ----------
    model : Module
        Without repairs.
    repairs : dict of str to Repair
        As `attach_repairs` takes them; those that decide learn.
    pairs : iterable of (Tensor, Tensor)
        Batches of inputs altered and unaltered, in the same order: some hundreds of inputs that nothing was learned
        from, in each of the ways that were learned, **in milder ones**, and as they are. From the learned ones alone
        it cannot see what milder ones do to the log densities.
    least : float
        Share of decisions that a repair must be expected to put right.
    attach : callable
        (model, repairs) -> a copy that repairs in another way than `attach_repairs` has it.
    most : float
        Share of the unaltered inputs, of which the first 2,000 count, that may be decided otherwise than by the network
        alone.

    Raises
    ------
    ArgumentError
        No pairs, pairs of unlike shapes, or values that are not finite. Repairs are then as they were.

    Examples
    --------
    >>> import torch
    >>> from localnoise import nn as lnn
    >>> net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    >>> x = torch.randn(600, 3, generator=torch.Generator().manual_seed(0))
    >>> repairs = lnn.learn_repairs(net, ["1"], x[:400], {"dark": lambda x: 0.3 * x})
    >>> lnn.expect_worth(net, repairs, [(c * x[400:], x[400:]) for c in (0.3, 0.5, 0.7, 0.9, 1.0)])
    >>> repairs["1"].worth.least
    0.08
    """
    model = whole(model)
    named: Any = [*repairs.values()]
    if not named:
        raise ArgumentError("repairs is empty: expected a dict of layers' names to repairs")
    deciding = [repair for place, repair in enumerate(named) if not place or repair.among]
    with asking_anew(deciding):
        for repair in deciding:
            repair.worth = None
        mended = attach(model, repairs).eval()
        layers = [part for part in mended.modules() if isinstance(part, RepairLayer) and part.decides]
        density: list[list[Tensor]] = [[] for _ in layers]
        likeliest: list[list[Tensor]] = [[] for _ in layers]
        gain: list[Tensor] = []
        clean: list[Tensor] = []
        for pair in pairs:
            x, unaltered = _tensors(pair)
            if x.shape != unaltered.shape:
                raise ArgumentError(
                    f"pairs: {tuple(x.shape)} altered, {tuple(unaltered.shape)} unaltered: expected the same inputs "
                    "twice"
                )
            if not (x.isfinite().all() and unaltered.isfinite().all()):
                raise ArgumentError("pairs holds values that are not finite: expected inputs altered and unaltered")
            with evaluating(model), torch.no_grad():
                right, before, after = model(unaltered).argmax(1), model(x).argmax(1), mended(x).argmax(1)
            for place, layer in enumerate(layers):
                assert layer.posterior is not None
                assert layer.density is not None
                density[place].append(layer.density.double().cpu())
                likeliest[place].append(layer.posterior.argmax(1).cpu())
            gain.append(((after == right).double() - (before == right).double()).cpu())
            if sum(map(len, clean)) < _CLEAN:
                clean.append(unaltered.clone())  # the source may use its memory again
        if not gain:
            raise ArgumentError("pairs is empty: expected batches of inputs, altered and unaltered")
        for place, repair in enumerate(deciding):
            later = {name for other in deciding[place + 1 :] for name in other.among}
            own = {*(repair.among or repair.sources)} - later
            passed = [name for name in repair.sources if name not in own]
            given = (torch.cat(part).numpy() for part in (density[place], likeliest[place], gain))
            repair.expect_worth(*given, least, passed)
        calibrate_repairs(model, repairs, torch.cat(clean)[:_CLEAN], most, attach=attach)


def _tensors(pair: Any) -> tuple[Tensor, Tensor]:
    """Return a pair of batches as tensors."""
    kinds = [type(part).__name__ for part in pair] if isinstance(pair, (tuple, list)) else [type(pair).__name__]
    if len(kinds) != 2 or not all(isinstance(part, (Tensor, np.ndarray)) for part in pair):
        raise ArgumentError(
            f"pairs holds {', '.join(kinds)}: expected batches of inputs altered and unaltered, pairs of tensors, as "
            "in [(0.3 * x, x), (0.5 * x, x)]"
        )
    return torch.as_tensor(pair[0]), torch.as_tensor(pair[1])
