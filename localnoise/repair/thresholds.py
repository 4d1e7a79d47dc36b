"""Thresholds of worth: what each source's repair must be expected to bring before it is made.

A repair that is expected to pay may still change a clean input for the worse, and for sources that look like clean it
does so more often. Of all thresholds with which at most B clean inputs are harmed, those are taken that lose the least
of what repairs gain,

    max_k sum_v G_v(k_v)   with   sum_v k_v <= B,

G_v(k) being the gain of source v's repairs where its threshold lets it harm k clean inputs. Exact, by dynamic
programming over the sources; in time O(V B^2) for V of them.
"""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.repair.gate import Floats
from localnoise.repair.worth import Worth, fitted

_BEYOND = 0.01  # of a worth, by which a threshold lies above the highest
Ints = npt.NDArray[np.int64]
Heard = tuple[list[Floats], list[Ints], Floats]


def asked_about(sources: Sequence[str], among: Sequence[Sequence[str]]) -> list[set[int]]:
    """Return the indices of the sources that each layer asks about: those that no later one decides about.

    among : of each layer that decides, the sources that it decides about anew; the first one decides about all.
    """
    out = []
    for place, own in enumerate(among):
        later = {name for other in among[place + 1 :] for name in other}
        out.append({sources.index(name) for name in {*(own if place else sources)} - later})
    return out


def worths(examples: Heard, clean: Heard, asked: Sequence[Collection[int]], least: float, most: float) -> list[Worth]:
    """Return what each layer that decides expects of repairs, and asks of sources, from what open repairs did.

    Parameters
    ----------
    examples, clean : (densities, likeliest, gain)
        Of inputs of all kinds, and of clean ones. For each layer log densities (T, S) of the sources' likeliest members
        and the likeliest source (T,), where every repair was made; gain (T,): 1 where it turned a wrong decision into
        the right one, -1 the reverse, else 0.
    asked : sequence of collections of int
        For each layer the sources that it asks about; the others are asked about elsewhere.
    least : float
        Gain above which a repair is made.
    most : float
        Share of clean inputs whose decision may get worse.

    Raises
    ------
    ArgumentError
        Log densities that are not finite.
    """
    density, likeliest, gain = examples
    if not all(np.isfinite(d).all() for d in [*density, *clean[0]]):
        raise ArgumentError(
            "pairs: the laws' log densities of some inputs are not finite: expected inputs that the network's "
            "activations and their squares can hold"
        )
    found = []
    for d, t, own in zip(density, likeliest, asked, strict=True):
        found.append(fitted(d, t, gain, least, [source for source in range(d.shape[1]) if source not in own]))
    of_clean, of_examples = (_excess(found, asked, *heard[:2]) for heard in (clean, examples))
    bad = clean[2] < 0
    thresholds = least_loss(
        (of_clean[0][bad], of_clean[1][bad]),
        (*of_examples, gain),
        len(found) * density[0].shape[1],
        int(most * len(bad) + 1e-9),
    )
    return [worth.asking(own) for worth, own in zip(found, np.split(thresholds, len(found)), strict=True)]


def _excess(
    found: Sequence[Worth], asked: Sequence[Collection[int]], density: list[Floats], likeliest: list[Ints]
) -> tuple[Floats, Ints]:
    """Return what inputs' repairs are worth beyond the least, (T,), and who says so: an index of layer and source.

    Where several layers ask, the one that is least convinced; minus infinity where none does.
    """
    excess, voice = np.full(len(density[0]), np.inf), np.zeros(len(density[0]), np.int64)
    for place, (worth, d, t) in enumerate(zip(found, density, likeliest, strict=True)):
        own = worth.of(d, t) - worth.least
        less = np.isin(t, [*asked[place]]) & (own < excess)
        excess[less], voice[less] = own[less], place * d.shape[1] + t[less]
    return np.where(np.isinf(excess), -np.inf, excess), voice


def least_loss(harm: tuple[Floats, Ints], examples: tuple[Floats, Ints, Floats], voices: int, most: int) -> Floats:
    """Return thresholds (V,) above 0 with which at most `most` clean inputs are harmed, and the gain is greatest.

    Parameters
    ----------
    harm : (expected (H,), voice (H,))
        Of each clean input that its repair changes for the worse, what that was expected to be worth beyond what all
        repairs are asked for, and whose repair it was.
    examples : (expected (T,), voice (T,), gain (T,))
        Likewise of inputs of all kinds, with what their repairs gained.
    voices : int
        V.
    most : int
        B.
    """
    best, choices = np.zeros(1), []
    candidates = []
    for voice in range(voices):
        thresholds, gains = _choices(voice, harm, examples, most)
        candidates.append(thresholds)
        total = best[:, None] + gains  # of the voices before, by what they harm; of this one, by what it harms
        harmed = np.arange(len(best))[:, None] + np.arange(len(gains))
        count = min(harmed[-1, -1], most) + 1
        best, taken = np.full(count, -np.inf), np.zeros(count, np.int64)
        for k in range(len(gains)):  # few first: of two that gain the same, the one that harms less
            own = harmed[:, k]
            own = own[own < count]
            better = total[: len(own), k] > best[own]
            best[own[better]], taken[own[better]] = total[: len(own), k][better], k
        choices.append(taken)
    left, out = int(best.argmax()), np.zeros(voices)
    for voice in reversed(range(voices)):
        k = choices[voice][left]
        out[voice], left = candidates[voice][k], left - k
    return out


def _choices(
    voice: int, harm: tuple[Floats, Ints], examples: tuple[Floats, Ints, Floats], most: int
) -> tuple[Floats, Floats]:
    """Return the thresholds with which a voice harms 0, 1, 2, ... clean inputs, and what its repairs then gain.

    They lie halfway between what two inputs' repairs are worth, so that rounding decides about none.
    """
    own = examples[1] == voice
    expected, gain = examples[0][own], examples[2][own]
    harmed = np.sort(harm[0][(harm[1] == voice) & (harm[0] > 0)])[::-1]
    levels = np.append(np.unique(np.concatenate([harmed, expected])), np.inf)
    above = np.minimum(levels[np.searchsorted(levels, harmed, side="right")], harmed + 2 * _BEYOND)
    thresholds = np.append((harmed + above) / 2, 0.0)[: most + 1]
    return thresholds, np.array([gain[expected > threshold].sum() for threshold in thresholds])
