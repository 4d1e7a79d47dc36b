"""Power-of-two scales of a unit's weights, and the bound that keeps its accumulator from overflowing."""

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.hardware.formats import Formats
from localnoise.hardware.quantiser.target import Floats, Target
from localnoise.hardware.words import NEAR, OWN, READ, Words

_LEAST, _MOST = -16, 30  # fraction bits of a weight; below zero, a weight counts in larger steps than one
_UNLEARNED = 1.5  # range of weights between words that a unit is given where it has none yet


def fractions(t: Target, formats: Formats, *, learning: bool = False) -> Words:
    """Fraction bits f of each unit's three groups of weights (G | B, L | s), (N, 3): the most that both limits allow.

    A weight w becomes round(w 2^f). f is largest such that no weight leaves its bits; then the finest group is
    coarsened while the unit's largest accumulator could leave `accumulator_bits`: with F = max(f, 0),

        2^F ( |a| + sum |G| 2^(ab-1) + (sum |B| + sum |L|) 2^(wb-1) + s max|xi| + 1 ).

    With `learning`, weights may come to be anything: every weight counts with its largest value, and a group without
    weights is given the range +-1.5 (times the ratio of the scales, for activations).

    Raises
    ------
    ArgumentError
        No fraction is small enough: the message names the unit.
    """
    largest = np.stack([_largest(t.G), np.maximum(_largest(t.B), _largest(t.L)), t.s.max(1)], axis=1)
    if learning:
        ratio = np.ldexp(_UNLEARNED, t.scale - t.activation_scale)
        if t.G.shape[2]:
            largest[:, READ] = np.maximum(largest[:, READ], ratio)
        largest[:, NEAR] = np.maximum(largest[:, NEAR], _UNLEARNED)
    with np.errstate(divide="ignore"):
        f = np.floor(np.log2((formats.weight_limit + 0.5) / largest) - 1e-12)
    f = np.where(np.isfinite(f), np.minimum(f, _MOST), 0)
    too_small = np.flatnonzero(f.min(axis=1) < _LEAST)
    bound = bound_learning if learning else bound_given
    while not too_small.size:
        high = bound(t, formats, f) >= 2.0 ** (formats.accumulator_bits - 1)
        if not high.any():
            return f.astype(np.int32)
        finest = f.argmax(axis=1)
        f[high, finest[high]] -= 1
        too_small = np.flatnonzero(f.min(axis=1) < _LEAST)
    unit = int(too_small[0])
    raise ArgumentError(
        f"unit {divmod(unit, t.width)}: its largest weight {largest[unit].max():.3g}, or the accumulator that it "
        f"needs, does not fit weight_bits={formats.weight_bits}, accumulator_bits={formats.accumulator_bits}: use more "
        "of either, or fewer word_bits or activation_bits"
    )


def bound_given(t: Target, formats: Formats, f: Floats) -> Floats:
    """Largest accumulator of each unit, (N,), with its own weights, each half a step larger."""
    half = 0.5 ** (f + 1)
    G, B, L = (np.abs(w) for w in (t.G, t.B, t.L))
    read = (G.sum(2) + half[:, READ, None] * (G > 0).sum(2)) * 2 ** (formats.activation_bits - 1)
    near = B.sum(2) + L.sum(2) + half[:, NEAR, None] * ((B > 0).sum(2) + (L > 0).sum(2))
    own = (t.s + half[:, OWN, None]) * formats.normal_limit
    rows = np.abs(t.a) + read + 1.25 * near * 2 ** (formats.word_bits - 1) + own + 1  # feedback moves weights
    return np.asarray(rows.max(1) * 2.0 ** f.max(1, initial=0))


def bound_learning(t: Target, formats: Formats, f: Floats) -> Floats:
    """Largest accumulator of each unit, (N,), whatever its weights are; its bias stays within 2^(word bits) words."""
    inputs = {READ: t.G.shape[2], NEAR: t.B.shape[2] + t.L.shape[2], OWN: 1}
    most = {READ: 2 ** (formats.activation_bits - 1), NEAR: 2 ** (formats.word_bits - 1), OWN: formats.normal_limit}
    rows = sum(inputs[g] * most[g] * formats.weight_limit * 0.5 ** f[:, g] for g in inputs)
    return np.asarray((rows + 2.0**formats.word_bits + 1) * 2.0 ** f.max(1, initial=0))


def _largest(weights: Floats) -> Floats:
    return np.asarray(np.abs(weights).reshape(len(weights), -1).max(axis=1, initial=0))
