"""Parts of a repair that `verify` compares: undoing, sums of squares, decisions; on words of every kind."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.hardware.repair import ChipRepair
from localnoise.hardware.repair_words import lift_of

_AT_ONCE = 64  # activations compared together
Ints = npt.NDArray[np.integer[Any]]
Pairs = Iterator[tuple[Any, Any]]


def repair_parts(machine: Any, chip: ChipRepair, seed: int, count: int) -> Iterator[tuple[str, Pairs]]:
    """Name, and pairs (expected, got), of each function; words (T, m, N), members (T, 1, 1)."""
    rng, shape = np.random.default_rng(seed), (count, chip.config.channels, chip.config.units)
    top = chip.formats.activation_limit + 1
    any_words, member = rng.integers(-top, top, shape), rng.integers(0, chip.field.members, count)
    near = plausible(chip, count, rng)
    cuts = [slice(first, min(first + _AT_ONCE, count)) for first in range(0, count, _AT_ONCE)]
    yield (
        "undo",
        ((chip.words(any_words[k], member[k])[0].reshape(any_words[k].shape), machine.undo(member[k], any_words[k]))
         for k in cuts),
    )  # fmt: skip
    turn = np.arange(count) % chip.field.members
    both = np.where((np.arange(count) % 2)[:, None, None] > 0, near, any_words)
    yield (
        "squares",
        ((np.take_along_axis(chip.squares(both[k]), turn[k][:, None], 1)[:, :, None],
          machine.squares(turn[k], both[k])[:, None, None]) for k in cuts),
    )  # fmt: skip
    told = np.arange(count) % (len(chip.sources) + 1) - 1  # -1: left alone by an earlier layer
    for name, words, source in (
        ("repair", near, None), ("repair, any words", any_words, None), ("repair, told", near, told),
    ):  # fmt: skip
        found: list[tuple[Any, Any]] = []
        parts = [(words[k], None if source is None else source[k]) for k in cuts]
        yield name, _words_of(machine, chip, parts, found)
        yield f"{name}: member", iter(found)


def _words_of(machine: Any, chip: ChipRepair, parts: list[tuple[Ints, Any]], members: list[tuple[Any, Any]]) -> Pairs:
    """Yield words expected and got; the members go to a list, which is compared after them."""
    for part, source in parts:
        expected, own = chip.words(part, chip.likeliest(part, source))
        got, words = machine.repair(part) if source is None else machine.repair_as(source, part)
        members.append((own.reshape(-1, 1, 1), got.reshape(-1, 1, 1)))
        yield expected.reshape(part.shape), words


def plausible(chip: ChipRepair, count: int, rng: np.random.Generator) -> Ints:
    """Return activation words (count, m, N) about the centres of the members in turn, some as loud as their own are."""
    f, formats = chip.field, chip.formats
    top, lift = formats.activation_limit + 1, lift_of(formats)
    shape = (chip.config.channels, chip.config.units)
    member = np.arange(count) % f.members
    centre = f.centre.astype(np.float64).transpose(0, 2, 1)[member] * 0.5**lift
    noise = rng.normal(size=(count, *shape))
    best, least = np.zeros((count, *shape), np.int64), np.full(count, np.inf)
    for loud in 2.0 ** np.arange(-2, np.log2(top), 0.5):
        h = np.clip(np.rint(centre + loud * noise), -top, top - 1).astype(np.int64)
        Q = chip.squares(h)[np.arange(count), member].astype(np.float64)
        off = np.abs(np.log((Q + 1) / ((f.low + f.high) / 2 + 1)[member]))
        better = off < least
        best[better], least[better] = h[better], off[better]
    return best
