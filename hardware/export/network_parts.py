"""Parts of a network that `verify` compares: logits, classes, scores, of another seed; on inputs of every kind."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.hardware.network.defense import ChipDefense
from localnoise.hardware.network.program import Program
from localnoise.streams import Progress

Ints = npt.NDArray[np.integer[Any]]
Pairs = Iterator[tuple[Any, Any]]
_AT_ONCE = 64
_FEW = 4  # inputs of another seed


def network_parts(
    machine: Any, chip: Program | ChipDefense, seed: int, count: int, progress: Progress | None = None
) -> Iterator[tuple[str, Pairs]]:
    """Name, and pairs (expected, got), of each function; logits (T, 1, N), classes (T, 1, 1).

    progress : told (inputs compared, all of them; with a defense each is compared twice).
    """
    program = chip.program if isinstance(chip, ChipDefense) else chip
    total = count * (2 if isinstance(chip, ChipDefense) else 1)

    def told(done: int) -> None:
        if progress is not None:
            progress(done, total)

    yield "self-test", iter([(np.zeros((1, 1, 1), int), np.full((1, 1, 1), machine.selftest()))])
    classes: list[tuple[Any, Any]] = []
    yield "logits", _logits(machine, program, seed, count, classes, told)
    yield "class", iter(classes)
    if isinstance(chip, ChipDefense):
        decided: list[tuple[Any, Any]] = []
        yield "scores", _scores(machine, chip, seed, count, decided, told)
        yield "class, defended", iter(decided)
        if not chip.entry.repairs:
            yield "scores, seeded", _seeded(machine, chip, seed, min(count, _FEW))


def _logits(
    machine: Any, program: Program, seed: int, count: int, classes: list[tuple[Any, Any]], told: Callable[[int], None]
) -> Pairs:
    rng = np.random.default_rng(seed)
    for first in range(0, count, _AT_ONCE):
        words = images(program, min(_AT_ONCE, count - first), rng)
        expected = program.words(words)
        own, got = machine.classify(words)
        classes.append((expected.argmax(axis=1).reshape(-1, 1, 1), own.reshape(-1, 1, 1)))
        yield expected[:, None], got[:, None]
        told(first + len(words))


def _scores(
    machine: Any, chip: ChipDefense, seed: int, count: int, classes: list[tuple[Any, Any]], told: Callable[[int], None]
) -> Pairs:
    rng = np.random.default_rng([seed, 1])
    machine.start()
    for first in range(0, count, _AT_ONCE):
        words = images(chip.program, min(_AT_ONCE, count - first), rng)
        expected = chip.scores(words, first)
        own, got = machine.defend(words)
        classes.append((expected.argmax(axis=1).reshape(-1, 1, 1), own.reshape(-1, 1, 1)))
        yield expected[:, None], got[:, None]
        told(count + first + len(words))


def _seeded(machine: Any, chip: ChipDefense, seed: int, count: int) -> Pairs:
    """Begin the stream of another seed, as a device does with a number that is new at each start."""
    other, words = 2**64 - 1 - seed, images(chip.program, count, np.random.default_rng([seed, 2]))
    machine.seed(other)
    again = ChipDefense(chip.program, chip.chip, chip.draws, vote=chip.vote, seed=other)
    yield again.scores(words)[:, None], machine.defend(words)[1][:, None]


def images(program: Program, count: int, rng: np.random.Generator) -> Ints:
    """Return input words (T, C, H, W) of four kinds in turn.

    Like golden ones, mirrored, moved and more or less bright; those with noise; any words; least and largest words.
    """
    top, shape = 2 ** (program.bits - 1), (count, *program.shape)
    known = program.golden if program.golden is not None else rng.integers(-top, top, (8, *program.shape))
    like = known[rng.integers(0, len(known), count)].astype(np.float64)
    like = like * rng.uniform(0.3, 1.2, (count, 1, 1, 1))
    like = np.stack([np.roll(one, rng.integers(-2, 3), axis=2)[:, :, :: rng.choice((-1, 1))] for one in like])
    any_words = rng.integers(-top, top, shape)
    kinds = (like, like + rng.normal(size=shape) * top / 8, any_words, np.where(any_words < 0, -top, top - 1))
    which = np.arange(count) % len(kinds)
    chosen = np.select([which[:, None, None, None] == k for k in range(len(kinds))], kinds)
    return np.asarray(np.clip(np.rint(chosen), -top, top - 1), np.int16)
