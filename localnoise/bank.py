"""A bank of fields, one drawn per presentation: several sources of displacement in one grid of units."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.validate import Array, Start, as_count, as_positions, as_seed

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ROUNDS = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))


class Noise(Protocol):
    """What every source of noise offers: UnitGrid, CentralNoise and Bank alike."""

    provenance: dict[str, Any]

    @property
    def parameters(self) -> int:
        """Numbers that the noise needs."""

    @property
    def bytes_per_unit(self) -> float:
        """Mean bytes of parameters per grid position."""

    def sample(self, count: int, seed: int = 0, start: Start = 0) -> Array:
        """Draw zero-mean noise, (count, C, H, W)."""

    def perturb(self, h: npt.ArrayLike, seed: int = 0, start: Start = 0) -> Array:
        """Draw one displacement for each activation h (T, C, H, W)."""

    def mean(self, h: npt.ArrayLike) -> Array:
        """Return the mean displacement of h."""


class Bank:
    """Fields that take turns: presentation t uses one of them, or none with probability `clean`, by a hash of (seed, t).

    A mixture of fields is not the field of the mixed covariance: each presentation is displaced coherently, as by one
    cause. Each unit holds one set of weights per member and needs one shared random number per presentation.

    Parameters
    ----------
    members : sequence of UnitGrid or CentralNoise
        At least one, of one layout.
    clean : float
        Share of presentations without noise, in [0, 1).
    """

    def __init__(self, members: Sequence[Any], clean: float = 0.0) -> None:
        self.members = list(members)
        if not self.members:
            raise ArgumentError("members is empty: expected at least one grid or central noise")
        if not 0 <= clean < 1:
            raise ArgumentError(f"clean={clean!r}: expected a share in [0, 1)")
        self.clean = clean
        self.provenance: dict[str, Any] = {}

    @property
    def parameters(self) -> int:
        """Sum over the members."""
        return sum(member.parameters for member in self.members)

    @property
    def bytes_per_unit(self) -> float:
        """Sum over the members."""
        return float(sum(member.bytes_per_unit for member in self.members))

    def turns(self, count: int, seed: int = 0, start: Start = 0) -> npt.NDArray[np.int64]:
        """Index of the member whose turn it is, -1 for a clean presentation; (count,).

        Uniform by the SplitMix64 finaliser of (seed, position) (Steele, Lea, Flood, OOPSLA 2014).
        """
        mixed = as_positions(start, as_count("count", count)) + _GOLDEN * (as_seed(seed) + np.uint64(1))
        for shift, odd in _ROUNDS:
            mixed = (mixed ^ (mixed >> shift)) * odd
        uniform = ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53
        turn = np.floor((uniform - self.clean) / (1 - self.clean) * len(self.members)).astype(np.int64)
        return np.where(uniform < self.clean, -1, turn)

    def sample(self, count: int, seed: int = 0, start: Start = 0) -> Array:
        """Zero-mean noise of each presentation's member, (count, C, H, W)."""
        count = as_count("count", count)
        return self._each(count, seed, start, lambda member, rows, where: member.sample(len(rows), seed, where))

    def perturb(self, h: npt.ArrayLike, seed: int = 0, start: Start = 0) -> Array:
        """One draw for each activation h from the member whose turn it is, (T, C, H, W)."""
        array = np.asarray(h)
        return self._each(len(array), seed, start, lambda member, rows, where: member.perturb(array[rows], seed, where))

    def pull_back(self, gradient: npt.ArrayLike, seed: int = 0, start: Start = 0) -> Array:
        """Adjoint of the mean's linear part of each presentation's member, for the same (seed, start) as `perturb`."""
        g = np.asarray(gradient)
        return self._each(len(g), seed, start, lambda member, rows, where: member.pull_back(g[rows]))

    def _each(self, count: int, seed: int, start: Start, act: Callable[[Any, Any, Any], Array]) -> Array:
        turn, positions = self.turns(count, seed, start), as_positions(start, count)
        out = np.zeros((count, *self.members[0].sample(0).shape[1:]), np.float32)
        for index, member in enumerate(self.members):
            rows = np.flatnonzero(turn == index)
            if rows.size:
                out[rows] = act(member, rows, positions[rows].astype(np.int64))
        return out

    def mean(self, h: npt.ArrayLike) -> Array:
        """Mean over members and clean presentations."""
        total = sum(member.mean(h) for member in self.members)
        return np.asarray(total * np.float32((1 - self.clean) / len(self.members)))
