"""Margins of a gate: the least ones with which at most a share of clean inputs is changed for the worse."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.repair.gate import Floats, Gate

FINE = -1  # an input that is not changed for the worse
_MOST = 1e6  # of a margin, in units of the gate's log weights
_STEP, _FACTOR = 0.5, 1.25  # by which a margin grows: by the one, or to so many times as much

Blame = Callable[[Floats, bool], npt.NDArray[np.int64]]


def with_margins(gate: Gate, sources: Sequence[str], margins: dict[str, float], common: float = 0.0) -> Gate:
    """Return a gate that asks for margins before a source has a say.

    sources : of the gate's causes, clean first;  common : what all sources need, in favor of clean.
    """
    bias = gate.bias - [margins.get(source, 0.0) for source in sources]
    bias[0] += common
    return replace(gate, bias=bias)


def least_margins(blame: Blame, sources: int, most: float) -> Floats:
    """Return a margin for each source, clean first, with which at most a share `most` of clean inputs gets worse.

    Margins grow from zero, each time that of the source to which most of the damage is due: a source that is never
    taken for clean needs none, and one that looks like clean does not raise those of the others.

    Parameters
    ----------
    blame : callable
        (margins (sources,), whole) -> (T,): of each clean input the source that changed it for the worse, or `FINE`.
        Unless `whole` is asked for, inputs may be left out that smaller margins did not repair: they count as fine. A
        larger margin of one source can give an input to another, so that all are asked at last.
    sources : int
        How many, clean among them.
    most : float
        In [0, 1).

    Raises
    ------
    ArgumentError
        No margins suffice.
    """
    margins, whole = np.zeros(sources), True
    while True:
        blamed = blame(margins, whole)
        if np.mean(blamed != FINE) > most:
            worst, whole = int(np.bincount(blamed[blamed != FINE], minlength=sources).argmax()), False
            margins[worst] = max(margins[worst] + _STEP, _FACTOR * margins[worst])
        elif whole:
            return margins
        else:
            whole = True
        if margins.max() > _MOST:
            raise ArgumentError(
                f"more than most={most!r} of the inputs are changed for the worse even where none is repaired: "
                "expected a judge that compares what it is given"
            )
