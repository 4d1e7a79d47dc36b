"""What happens on a stream, and when: drawn from a seed, before any image is made."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.sims.perturbations import MODIFICATIONS
from localnoise.validate import as_count

CLEAN = "clean"
STEP = 20  # images for which a strength lasts
_CLEAN_STAY = 0.5  # clean stretches, relative to the others
_LATTICE = 10  # strengths between none and the strongest


@dataclass(frozen=True, kw_only=True)
class StreamPlan:
    """A stream, as it is asked for.

    Attributes
    ----------
    modifications : tuple of (str, float)
        Names, and the level of each at its strongest.
    length : int
        Images.
    stay : int
        Mean length of a stretch of one modification; each is uniform in [.5, 1.5] times that. Clean stretches between
        them are half as long.
    weakest : float
        The least share of the strongest level that a strength drifts down to.
    """

    modifications: tuple[tuple[str, float], ...]
    length: int
    stay: int = 2000
    weakest: float = 0.3

    def __post_init__(self) -> None:
        as_count("length", self.length, 1)
        as_count("stay", self.stay, 2 * STEP)
        if not self.modifications:
            raise ArgumentError("test is empty: expected at least one perturbation that the stream meets, as rotate@2")
        if not 0 < self.weakest <= 1:
            raise ArgumentError(f"weakest={self.weakest!r}: expected a share in (0, 1]")


class Part(NamedTuple):
    """Images start .. stop - 1, on which one modification acts at one level."""

    start: int
    stop: int
    name: str
    level: float


@dataclass(frozen=True)
class Schedule:
    """A stream that was drawn.

    Attributes
    ----------
    starts : (S,) int64
        Where stretches begin; the first is 0.
    names : list of str
        What each stretch is: "clean" or a modification.
    level : (T,) float32
        Of each image; 0 where it is clean.
    image : (T,) int64
        Which image of the pool is seen.
    """

    starts: npt.NDArray[np.int64]
    names: list[str]
    level: npt.NDArray[np.float32]
    image: npt.NDArray[np.int64]

    def parts(self) -> Iterator[Part]:
        """Yield runs of one modification at one level, in order."""
        length = len(self.level)
        changes = np.flatnonzero(np.diff(self.level)) + 1
        edges = np.unique(np.concatenate([self.starts, changes, [length]]))
        stretch = np.searchsorted(self.starts, edges[:-1], side="right") - 1
        for (start, stop), own in zip(pairwise(edges.tolist()), stretch, strict=True):
            yield Part(start, stop, self.names[own], float(self.level[start]))


def drawn(plan: StreamPlan, seed: int, pool: int) -> Schedule:
    """Draw a stream: the modifications one after the other, each in turn once before any comes again; clean between.

    The strength follows  s(u) = w + (1 - w) (1 - cos(2 pi (f u + p))) / 2  over a stretch, u in [0, 1], with w the
    weakest share, 1 or 2 swings f and a phase p that are drawn; levels are s times the strongest, in tenths of it or in
    whole severities, and last for 20 images. Of the pool all images are seen before one is seen again. A seed's stream
    begins alike whatever its length.

    Parameters
    ----------
    plan : StreamPlan
    seed : int
    pool : int
        Images to draw from.
    """
    order, shape, which = (np.random.default_rng((seed, part, 0x57)) for part in range(3))
    starts, names, level, at = list[int](), list[str](), list[npt.NDArray[np.float32]](), 0
    turn: list[int] = []
    while at < plan.length:
        clean = len(names) % 2 == 0
        mean = plan.stay * _CLEAN_STAY if clean else plan.stay
        count = max(STEP, round(mean * shape.uniform(0.5, 1.5)))
        starts.append(at)
        if clean:
            names.append(CLEAN)
            level.append(np.zeros(count, np.float32))
        else:
            turn = turn or order.permutation(len(plan.modifications)).tolist()
            name, strongest = plan.modifications[turn.pop()]
            names.append(name)
            level.append(_strengths(name, strongest, count, plan.weakest, shape))
        at += count
    rounds = -(-plan.length // pool)
    image = np.concatenate([which.permutation(pool) for _ in range(rounds)])[: plan.length]
    return Schedule(np.array(starts, np.int64), names, np.concatenate(level)[: plan.length], image.astype(np.int64))


def levels(name: str, strongest: float, weakest: float) -> list[float]:
    """Return the levels that a modification's strength drifts through, weakest first."""
    shares = np.arange(max(1, round(weakest * _LATTICE)), _LATTICE + 1) / _LATTICE
    return list(dict.fromkeys(_level(name, strongest, share) for share in shares))


def _level(name: str, strongest: float, share: float) -> float:
    kind = MODIFICATIONS.find(name, "name")
    share = round(share * _LATTICE) / _LATTICE
    start = kind.mildest or 0.0
    level = max(round(strongest * share), 1) if kind.whole else start + (strongest - start) * share
    return float(np.float32(max(level, kind.lowest)))


def _strengths(
    name: str, strongest: float, count: int, weakest: float, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    swings, phase = rng.integers(1, 3), rng.random()
    u = (np.arange(count) // STEP * STEP) / count
    share = weakest + (1 - weakest) * (1 - np.cos(2 * np.pi * (swings * u + phase))) / 2
    known = {round(s * _LATTICE): _level(name, strongest, s) for s in np.unique(share)}
    return np.array([known[round(s * _LATTICE)] for s in share], np.float32)
