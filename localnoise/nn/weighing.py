"""Worth of a network's repairs: what they did to its decisions on inputs that were altered in known ways."""

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from localnoise.errors import ArgumentError, FewInputsWarning
from localnoise.nn.calibrating import asking_anew, calibrate_repairs
from localnoise.nn.naming import whole
from localnoise.nn.outcomes import decided_by, gathered
from localnoise.nn.repairs import attach_repairs
from localnoise.repair import Repair
from localnoise.repair.thresholds import asked_about, worths
from localnoise.repair.worth import LEAST, Worth
from localnoise.validate import as_share


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
    margins: they are dropped, and each layer that decides learns what its sources are worth. Sources that are easily
    taken for unaltered inputs are asked for more than `least`, so that at most a share `most` of these is decided
    otherwise, at the least loss of what repairs gain (`localnoise.repair.thresholds`). Margins are set last
    (`calibrate_repairs`), and then have nothing left to ask for, but where layers that decide act on each other.
    Cost: two passes of the network, one with repairs, and those of `calibrate_repairs`.

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
    0.04
    """
    model, least, most = whole(model), as_share("least", least), as_share("most", most)
    named: Any = [*repairs.values()]
    if not named:
        raise ArgumentError("repairs is empty: expected a dict of layers' names to repairs")
    deciding = [repair for place, repair in enumerate(named) if not place or repair.among]
    with asking_anew(deciding):
        asked = asked_about(named[0].sources, [repair.among for repair in deciding])
        for repair, own in zip(deciding, asked, strict=True):
            count = len(repair.sources)
            repair.worth = Worth.of_all(count, {*range(count)} - own)
        decide = decided_by(model, attach(model, repairs).eval())
        examples, unharmed, clean = gathered(pairs, decide)
        _warn_of_unseen(named[0].sources, examples[1], examples[2], asked)
        for repair, worth in zip(deciding, worths(examples, unharmed, asked, least, most), strict=True):
            repair.worth = worth
        calibrate_repairs(model, repairs, clean, most, attach=attach)


def _warn_of_unseen(
    sources: Sequence[str], likeliest: Sequence[Any], gain: Any, asked: Sequence[Collection[int]]
) -> None:
    """Warn of the first source whose repair put no decision right, and which is therefore never repaired."""
    for own, taken in zip(asked, likeliest, strict=True):
        for source in sorted(set(own) - {0}):  # clean has none
            if not ((np.asarray(taken) == source) & (np.asarray(gain) > 0)).any():
                warnings.warn(
                    f"pairs: the repair of {sources[source]!r} puts none of their decisions right, so that it is never "
                    "made: expected inputs altered by each source, at several strengths",
                    FewInputsWarning,
                    stacklevel=3,
                )
                return
