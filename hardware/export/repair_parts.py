"""Parts of a repair that `verify` compares: undoing, sums of squares, what decides, decisions; on words of every kind.

Whether a decision is right says little of the numbers that it hangs on: most inputs lie far from where it turns. So
these numbers themselves are compared, and many of the inputs lie where a decision turns: at the edges of the ranges,
and where a repair's worth is about nothing.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.hardware.repair import ChipRepair
from localnoise.hardware.repair_words import lift_of

_AT_ONCE = 64  # activations compared together
_FEW = 4  # activations of which what decides is compared, at least
_STEPS = 12  # to an edge
_OFF = 1 / 64  # beyond it
Ints = npt.NDArray[np.integer[Any]]
Pairs = Iterator[tuple[Any, Any]]


def repair_parts(machine: Any, chip: ChipRepair, seed: int, count: int) -> Iterator[tuple[str, Pairs]]:
    """Name, and pairs (expected, got), of each function; words (T, m, N), members (T, 1, 1)."""
    rng, shape = np.random.default_rng(seed), (count, chip.config.channels, chip.config.units)
    top = chip.formats.activation_limit + 1
    turn = np.arange(count) % chip.field.members
    any_words, member = rng.integers(-top, top, shape), rng.permutation(turn)
    near = plausible(chip, count, rng)
    cuts = [slice(first, min(first + _AT_ONCE, count)) for first in range(0, count, _AT_ONCE)]
    yield (
        "undo",
        ((chip.words(any_words[k], member[k])[0].reshape(any_words[k].shape), machine.undo(member[k], any_words[k]))
         for k in cuts),
    )  # fmt: skip
    both = np.where((np.arange(count) % 2)[:, None, None] > 0, near, any_words)
    yield (
        "squares",
        ((np.take_along_axis(chip.squares(both[k]), turn[k][:, None], 1)[:, :, None],
          machine.squares(turn[k], both[k])[:, None, None]) for k in cuts),
    )  # fmt: skip
    few = max(-(-count // chip.field.members), _FEW)  # each asks all members: together about as many laws as above
    yield from number_parts(chip, both[:few], machine.numbers)
    told = np.arange(count) % (len(chip.sources) + 1) - 1  # -1: left alone by an earlier layer
    near[::4] = undecided(chip, near[::4])
    for name, words, source in (
        ("repair", near, None), ("repair, any words", any_words, None), ("repair, told", near, told),
    ):  # fmt: skip
        found: list[tuple[Any, Any]] = []
        parts = [(words[k], None if source is None else source[k]) for k in cuts]
        yield name, _words_of(machine, chip, parts, found)
        yield f"{name}: member", iter(found)


def number_parts(chip: ChipRepair, words: Ints, asked: Callable[[Ints], Ints]) -> Iterator[tuple[str, Pairs]]:
    """Name, and pairs (expected, got), of what decides: of members, (T, numbers, J), and of sources, (T, 1, S).

    asked : gives what `ln_numbers` does, for words (T, m, N).
    """
    f, Q, got = chip.field, chip.squares(words), asked(words)
    expected = {"scores": [chip.scores(Q)], "ranges": [Q - f.low, f.high - Q]}
    expected["sources"] = [np.broadcast_to(chip.source_of, Q.shape)]
    if len(f.among):
        expected["scores, second look"] = [chip.scores_among(Q)]
    rows = got[:, : f.members * sum(map(len, expected.values()))].reshape(len(got), f.members, -1).transpose(0, 2, 1)
    at = 0
    for name, parts in expected.items():
        yield name, iter([(np.stack(parts, axis=1), rows[:, at : at + len(parts)])])
        at += len(parts)
    if len(f.worth):
        yield "worth", iter([(chip.worths(Q)[:, None], got[:, None, rows[0].size :])])


def _words_of(machine: Any, chip: ChipRepair, parts: list[tuple[Ints, Any]], members: list[tuple[Any, Any]]) -> Pairs:
    """Yield words expected and got; the members go to a list, which is compared after them."""
    for part, source in parts:
        expected, own = chip.words(part, chip.likeliest(part, source))
        got, words = machine.repair(part) if source is None else machine.repair_as(source, part)
        members.append((own.reshape(-1, 1, 1), got.reshape(-1, 1, 1)))
        yield expected.reshape(part.shape), words


def plausible(chip: ChipRepair, count: int, rng: np.random.Generator) -> Ints:
    """Return activation words (count, m, N) about the centres of the members in turn, as loud as the ranges ask.

    Sums of squares lie in the middle of a member's range, and a little within and beyond both of its edges.
    """
    f, formats = chip.field, chip.formats
    top, lift = formats.activation_limit + 1, lift_of(formats)
    shape = (chip.config.channels, chip.config.units)
    member = np.arange(count) % f.members
    aims = np.stack([(f.low + f.high) / 2, *(edge * (1 + off) for off in (-_OFF, _OFF) for edge in (f.low, f.high))])
    aim = aims[(member + np.arange(count) // f.members) % len(aims), member] + 1
    centre = f.centre.astype(np.float64).transpose(0, 2, 1)[member] * 0.5**lift
    noise = rng.normal(size=(count, *shape))
    best, least = np.zeros((count, *shape), np.int64), np.full(count, np.inf)
    loud, step = np.full(count, np.sqrt(top)), np.log2(top) / 4 + 1
    for _ in range(_STEPS):  # the louder, the larger the sum of squares, but for rounding and the words' ends
        h = np.clip(np.rint(centre + loud[:, None, None] * noise), -top, top - 1).astype(np.int64)
        Q = chip.squares(h)[np.arange(count), member].astype(np.float64)
        off = np.abs(np.log((Q + 1) / aim))
        better = off < least
        best[better], least[better] = h[better], off[better]
        loud *= 2.0 ** np.where(aim > Q + 1, step, -step)
        step /= 2
    return best


def undecided(chip: ChipRepair, words: Ints) -> Ints:
    """Return words, (T, m, N) as well, of which a source's repair is worth next to nothing; the same where none turns.

    Between one activation that a repair by the source would pay for and one that it would not lies another where that
    turns; of activations that are taken for the source, if there are both kinds.
    """
    Q = chip.squares(words)
    worth, taken = chip.worths(Q), chip.source_of[chip.scores(Q).argmax(axis=1)]
    ends = list[tuple[int, Any, Any]]()
    for index in range(worth.shape[1]):
        pays = worth[:, index] > 0
        for own in (taken == index, np.ones(len(words), bool)):
            no, yes = (np.flatnonzero(own & kind) for kind in (~pays, pays))
            if no.size and yes.size:
                ends.append((index, no, yes))
                break
    if not ends:
        return words
    turn = np.arange(len(words))
    given = [ends[t % len(ends)] for t in turn]
    source = np.array([index for index, _, _ in given])
    one = words[[no[t % len(no)] for t, (_, no, _) in zip(turn, given, strict=True)]]
    other = words[[yes[t % len(yes)] for t, (_, _, yes) in zip(turn, given, strict=True)]]
    near, far = np.zeros(len(words)), np.ones(len(words))  # the part of the other: it would not pay, and would
    for _ in range(_STEPS):
        middle = (near + far) / 2
        h = np.rint(one + middle[:, None, None] * (other - one)).astype(np.int64)
        still = chip.worths(chip.squares(h))[turn, source] <= 0
        near, far = np.where(still, middle, near), np.where(still, far, middle)
    return h
