"""The margin of a gate: the least one with which at most a share of clean inputs is changed for the worse."""

from collections.abc import Callable
from dataclasses import replace

from localnoise.errors import ArgumentError
from localnoise.repair.gate import Gate

_MOST = 1e6  # of a margin, in units of the gate's log weights
_STEPS, _CLOSE = 20, 0.02  # of the bisection: at most so many, or until the margin is known so well


def with_margin(gate: Gate, margin: float) -> Gate:
    """Return a gate that asks for a margin before anything but clean has a say."""
    bias = gate.bias.copy()
    bias[0] += margin
    return replace(gate, bias=bias)


def least_margin(share: Callable[[float], float], most: float, steps: int = _STEPS, factor: float = 4.0) -> float:
    """Return the least margin with which `share(margin)` is at most `most`; it falls, by and large.

    Parameters
    ----------
    share : callable
        margin -> the share of clean inputs that is changed for the worse.
    most : float
        In [0, 1).
    steps : int
        Bisections at most; each costs a call.
    factor : float
        By which the margin grows until it suffices.

    Raises
    ------
    ArgumentError
        No margin suffices.
    """
    if share(0.0) <= most:
        return 0.0
    low, high = 0.0, 1.0
    while share(high) > most:
        low, high = high, factor * high
        if high >= _MOST:
            raise ArgumentError(
                f"worse says that more than most={most!r} of the activations are changed for the worse even where "
                "none is repaired: expected a function that compares its two arguments"
            )
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (low, middle) if share(middle) <= most else (middle, high)
        if high - low < _CLOSE * high:
            break
    return high
