"""A bank of fields, one drawn per presentation: several sources of displacement in one grid of units."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError
from localnoise.noise_files import save
from localnoise.validate import (
    Array,
    Start,
    as_activity,
    as_count,
    as_positions,
    as_seed,
    check_positive,
    refuse_masked,
    room,
)

_GOLDEN = 0x9E3779B97F4A7C15
_ROUNDS = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))


class Noise(Protocol):
    """The interface of every source of noise: UnitGrid, CentralNoise and Bank alike."""

    provenance: dict[str, Any]

    @property
    def parameters(self) -> int:
        """Numbers that the noise needs."""

    @property
    def bytes_per_unit(self) -> float:
        """Mean bytes of parameters per grid position."""

    def sample(self, count: int, seed: int = 0, start: Start = 0) -> Array:
        """Draw zero-mean noise.

        Parameters
        ----------
        count : int
            Samples.
        seed : int
            Of the stream.
        start : int or (count,) whole numbers
            Position of the first sample in the stream, or of each.

        Returns
        -------
        ndarray, (count, C, H, W)
            In activation units.
        """

    def perturb(self, h: npt.ArrayLike, seed: int = 0, start: Start = 0) -> Array:
        """Draw one displacement for each activation.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.
        seed, start
            As in `sample`.

        Returns
        -------
        ndarray, (T, C, H, W)
            Displacements, in activation units.
        """

    def mean(self, h: npt.ArrayLike) -> Array:
        """Return the mean displacement of each activation.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.

        Returns
        -------
        ndarray, (T, C, H, W)
            In activation units.
        """


class Bank:
    """Fields that take turns: presentation t uses one of them, or none with probability `clean`.

    Whose turn it is follows from a hash of (seed, t). A mixture of fields is not the field of the mixed covariance:
    each presentation is displaced coherently, as by one cause. Each unit holds one set of weights per member and needs
    one shared random number per presentation.

    Parameters
    ----------
    members : sequence of UnitGrid or CentralNoise
        At least one, of one layout.
    clean : float
        Share of presentations without noise, in [0, 1).
    shares : sequence of float or None
        How often each member's turn comes, relative to the others'; None: all alike.
    """

    def __init__(self, members: Sequence[Any], clean: float = 0.0, shares: Sequence[float] | None = None) -> None:
        if not isinstance(members, Sequence):
            raise ArgumentError(f"members={members!r}: expected a sequence of grids or central noises; use [grid]")
        self.members = list(members)
        if not self.members:
            raise ArgumentError("members is empty: expected at least one grid or central noise")
        layouts = [layout(member) for member in self.members]
        for index, (member, own) in enumerate(zip(self.members, layouts, strict=True)):
            if isinstance(member, Bank):
                raise ArgumentError(f"members[{index}] is a Bank: expected grids or central noises; join its members")
            if own != layouts[0]:
                raise ArgumentError(
                    f"members[{index}] has (C, H, W) = {own}: expected {layouts[0]}, the layout of members[0]"
                )
        check_positive("clean", clean, zero=True, what=" and < 1, a share")
        if clean >= 1:
            raise ArgumentError(f"clean={clean!r}: expected a share in [0, 1)")
        self.clean, self.shares = clean, _shares(shares, len(self.members))
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
        """Return whose turn each presentation is.

        Uniform by the SplitMix64 finaliser of (seed, position) (Steele, Lea, Flood, OOPSLA 2014).

        Parameters
        ----------
        count : int
            Presentations.
        seed : int
            Of the stream, the one that the draws have.
        start : int or (count,) whole numbers
            Position of the first presentation in the stream, or of each.

        Returns
        -------
        ndarray of int64, (count,)
            Index of the member, -1 for a clean presentation.
        """
        uniform = (hashes(count, seed, start) >> np.uint64(11)) * 2.0**-53
        turn = np.searchsorted(np.cumsum(self.shares), (uniform - self.clean) / (1 - self.clean), side="right")
        return np.where(uniform < self.clean, -1, np.minimum(turn, len(self.members) - 1))

    def sample(self, count: int, seed: int = 0, start: Start = 0) -> Array:
        """Draw the zero-mean noise of each presentation's member; 0 where the presentation is clean.

        Parameters
        ----------
        count : int
            Presentations.
        seed : int
            Of the turns and of the members' streams.
        start : int or (count,) whole numbers
            Position of the first presentation in the stream, or of each.

        Returns
        -------
        ndarray, (count, C, H, W)
            In activation units, in the precision of the finest member.
        """
        count = as_count("count", count)
        return self._each(count, seed, start, lambda member, rows, where: member.sample(len(rows), seed, where))

    def perturb(self, h: npt.ArrayLike, seed: int = 0, start: Start = 0) -> Array:
        """Draw one displacement for each activation, from the member whose turn it is; 0 for a clean presentation.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.
        seed, start
            As in `sample`.

        Returns
        -------
        ndarray, (T, C, H, W)
            Displacements, mean included, in activation units.
        """
        array = self._activity("h", h)
        return self._each(len(array), seed, start, lambda member, rows, where: member.perturb(array[rows], seed, where))

    def pull_back(self, gradient: npt.ArrayLike, seed: int = 0, start: Start = 0) -> Array:
        """Return the adjoint of the mean's linear part of each presentation's member, applied to a gradient. Exact.

        Parameters
        ----------
        gradient : (T, C, H, W)
            By the displacement.
        seed, start
            Those of the `perturb` whose gradient it is.

        Returns
        -------
        ndarray, (T, C, H, W)
            By the activation, through the mean alone.
        """
        g = self._activity("gradient", gradient)
        return self._each(len(g), seed, start, lambda member, rows, where: member.pull_back(g[rows]))

    def _each(self, count: int, seed: int, start: Start, act: Callable[[Any, Any, Any], Array]) -> Array:
        out = room((count, *layout(self)), self._dtype)
        out[:] = 0
        turn, positions = self.turns(count, seed, start), as_positions(start, count)
        for index, member in enumerate(self.members):
            rows = np.flatnonzero(turn == index)
            if rows.size:
                out[rows] = act(member, rows, positions[rows])
        return out

    def save(self, path: str | Path, *, state: bool = True) -> Path:
        """Write the noise to HDF5, aside and renamed; `localnoise.load` reads it.

        Parameters
        ----------
        path : str or Path
            The file; one that is there is replaced.
        state : bool
            Whether the running statistics are kept; without them its grids cannot go on learning.

        Returns
        -------
        Path
            The file.
        """
        return save(self, path, state=state)

    @property
    def _dtype(self) -> np.dtype[Any]:
        return dtype_of(self)

    def _activity(self, argument: str, value: npt.ArrayLike) -> Array:
        channels, *shape = layout(self)
        flat = as_activity(argument, value, channels, (shape[0], shape[1]), self._dtype, finite=argument != "gradient")
        return flat.reshape(-1, channels, *shape)

    def mean(self, h: npt.ArrayLike) -> Array:
        """Return the mean displacement over members and clean presentations, by their shares.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.

        Returns
        -------
        ndarray, (T, C, H, W)
            In activation units.
        """
        total = sum(share * member.mean(h) for share, member in zip(self.shares, self.members, strict=True))
        return np.asarray(total * (1 - self.clean), self._dtype)


def hash_offset(seed: int) -> int:
    """Return what a draw's position is added to before it is hashed."""
    return _GOLDEN * (int(as_seed(seed)) + 1) % 2**64


def hashes(count: int, seed: int, start: Start) -> npt.NDArray[np.uint64]:
    """64 bits for each draw, from which its turn follows: the SplitMix64 finaliser of (seed, position); (count,)."""
    mixed = as_positions(start, as_count("count", count)) + np.uint64(hash_offset(seed))
    for shift, odd in _ROUNDS:
        mixed = (mixed ^ (mixed >> shift)) * odd
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def layout(noise: Any) -> tuple[int, int, int]:
    """(C, H, W) of what a noise is added to."""
    member = noise.members[0] if isinstance(noise, Bank) else noise
    owner = getattr(member, "config", member)
    if not (hasattr(owner, "channels") and hasattr(owner, "shape") and hasattr(member, "perturb")):
        raise ArgumentError(f"noise={noise!r}: expected a UnitGrid, a CentralNoise or a Bank")
    if isinstance(owner, GridConfig):
        owner.refuse_second("noise")
    return (owner.channels, *owner.shape)


def dtype_of(noise: Any) -> np.dtype[Any]:
    """Return the precision of a noise's draws: of a bank that of its finest member."""
    each = noise.members if isinstance(noise, Bank) else [noise]
    return np.result_type(*(getattr(getattr(member, "config", None), "dtype", "float32") for member in each))


def _shares(given: Sequence[float] | None, count: int) -> npt.NDArray[np.float64]:
    """Shares that sum to 1."""
    refuse_masked("shares", given)
    try:
        shares = np.ones(count) if given is None else np.asarray(given, np.float64)
    except (TypeError, ValueError):
        shares = np.empty(0)
    if shares.shape != (count,) or not (np.isfinite(shares).all() and (shares > 0).all()):
        raise ArgumentError(f"shares={given!r}: expected one number > 0 for each of the {count} members")
    return np.asarray(shares / shares.sum())
