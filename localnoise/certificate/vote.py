"""The smoothed network: the class that most draws of noise vote for, and a certificate of each vote.

    g(h) = argmax_c P(class of (h + eta) = c),   eta ~ N(0, Sigma), frozen

Two stages, as CERTIFY of Cohen et al. 2019: few draws choose the class, others, independent of them, bound its share.
The draws are the same for all activations: each certificate is right with a chance of 1 - alpha, but where one is
wrong, so may others be.

What a certificate says: the vote is constant for every displacement of this activation inside this ellipsoid. It says
nothing of the input, unless one knows how far the layers in front can move an activation in this norm.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from localnoise.bank import Bank, layout
from localnoise.central import AffineNoise, CentralNoise
from localnoise.certificate.bounds import check_alpha, draws_needed, largest_radius, lower_bound, radius_of
from localnoise.errors import ArgumentError
from localnoise.grid import UnitGrid
from localnoise.validate import Array, as_activity, as_array, as_count, as_seed

ABSTAINS = -1
"""The winner of a vote without a certain majority."""
Classes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Classify = Callable[[Array], Any]
_LEAST_RADIUS = 1.0  # standard deviations: fewer draws than could certify this much are refused
_SELECTION = 100
_MOST_CLASSES = 2**20  # each has a count for every activation


@final
@dataclass(frozen=True, kw_only=True)
class Certificates:
    """Certificates of T votes.

    Attributes
    ----------
    winner : (T,)
        The class voted for; `ABSTAINS`, -1, where no majority is certain.
    share : (T,)
        Lower bound of the winner's share of votes.
    radius : (T,)
        In the Sigma^-1 norm; 0 where it abstains.
    votes : (T,)
        Draws for the winner, of `draws`.
    draws, selection : int
        Draws that bound the share; draws that chose the class.
    alpha : float
        Chance that a certificate is wrong.
    """

    winner: Classes
    share: Floats
    radius: Floats
    votes: Classes
    draws: int
    selection: int
    alpha: float

    @property
    def abstained(self) -> int:
        """Number of inputs without a certificate."""
        return int((self.winner == ABSTAINS).sum())


@final
class Vote:
    """A vote over noisy activations, and its certificates.

    Parameters
    ----------
    noise : UnitGrid or CentralNoise
        Of full rank. It must not change: its numbers are compared with what they were at each call.
    classify : callable
        Activations (B, C, H, W) -> classes (B,), whole numbers: one vote a draw. Averaged logits are no vote.
    draws : int
        N, that bound the share.
    alpha : float
        Chance that a certificate is wrong.
    selection : int
        Draws that choose the class.
    seed : int
        Of the noise's stream.
    batch : int
        Draws at a time.
    through_mean : bool
        With a signal-dependent grid: a displacement moves the noise's mean as well, and the norm must be that of both.

    Raises
    ------
    ArgumentError
        Noise without a density, whose covariance depends on the activation, or is a mixture; a signal-dependent grid
        without `through_mean`; too few draws: how many are needed.

    Examples
    --------
    >>> import numpy as np, localnoise as ln
    >>> from localnoise.certificate import Vote
    >>> grid = ln.UnitGrid(shape=(2, 2)).normalise(1.0)
    >>> vote = Vote(grid, lambda h: (h.sum(axis=(1, 2, 3)) > 0).astype(int), draws=1000)
    >>> found = vote.certify(np.full((1, 1, 2, 2), 0.5))
    >>> int(found.winner[0]), bool(0.7 < found.radius[0] < 1)
    (1, True)
    """

    def __init__(
        self,
        noise: Any,
        classify: Classify,
        *,
        draws: int = 10_000,
        alpha: float = 0.001,
        selection: int = _SELECTION,
        seed: int = 0,
        batch: int = 500,
        through_mean: bool = False,
    ) -> None:
        self.alpha, self.draws = check_alpha(alpha), as_count("draws", draws, 1)
        self.selection, self.batch = as_count("selection", selection, 1), as_count("batch", batch, 1)
        _refuse(noise, through_mean)
        refuse_few_draws(self.draws, self.alpha)
        self.noise, self.classify, self.seed, self.through_mean = noise, classify, int(as_seed(seed)), through_mean
        self._frozen = _fingerprint(noise)

    def certify(self, h: Any) -> Certificates:
        """Return the certificates of activations. Cost: `selection` + `draws` passes of `classify` each.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.

        Returns
        -------
        Certificates
            One for each activation.

        Raises
        ------
        ArgumentError
            The noise has changed since the vote was made; `classify` returns no whole numbers.
        """
        x = self._given("h", h)
        first = self._counted(x, 0, self.selection)
        chosen = first.argmax(axis=1)
        counts = self._counted(x, self.selection, self.draws)
        rows = np.arange(len(x))
        votes = np.where(chosen < counts.shape[1], counts[rows, np.minimum(chosen, counts.shape[1] - 1)], 0)
        share = np.array([lower_bound(int(k), self.draws, self.alpha) for k in votes], np.float64)
        radius = np.array([radius_of(p) for p in share], np.float64)
        winner = np.where(radius > 0, chosen, ABSTAINS)
        return Certificates(
            winner=winner, share=share, radius=radius, votes=votes.astype(np.int64), draws=self.draws,
            selection=self.selection, alpha=self.alpha,
        )  # fmt: skip

    def norms(self, delta: Any) -> Floats:
        """Return the Sigma^-1 norms of displacements: a displacement is covered where its norm is below the radius.

        Parameters
        ----------
        delta : (T, C, H, W)
            Displacements, in activation units.

        Returns
        -------
        ndarray of float64, (T,)
            In standard deviations of the noise.

        Raises
        ------
        ArgumentError
            The noise has changed since the vote was made.
        """
        self._refuse_changed()
        squares = self.noise.mahalanobis(delta, **({"through_mean": True} if self.through_mean else {}))
        return np.asarray(np.sqrt(squares), np.float64)

    def contradicted(
        self, found: Certificates, h: Any, delta: Any, *, seed: int | None = None
    ) -> npt.NDArray[np.bool_]:
        """Return where displaced activations, inside their ellipsoids, have another vote for certain.

        Fresh draws bound the share of each displaced vote's winner; only another majority, at `alpha`, contradicts. A
        right certificate is contradicted with a chance of 2 alpha at most.
        Cost: as `certify`.

        Parameters
        ----------
        found : Certificates
            Of h.
        h : (T, C, H, W)
            Activations.
        delta : (T, C, H, W)
            Their displacements, in activation units.
        seed : int or None
            Of the fresh draws; None: the vote's, plus 1.

        Returns
        -------
        ndarray of bool, (T,)
            False where delta is outside, or either vote abstains.

        Raises
        ------
        ArgumentError
            h, delta and found are not of one length; the noise has changed.
        """
        x, d = self._given("h", h), self._given("delta", delta)
        if not len(x) == len(d) == len(found.winner):
            raise ArgumentError(
                f"h, delta and found have {len(x)}, {len(d)} and {len(found.winner)} activations: expected as many"
            )
        inside = self.norms(d) < found.radius
        fresh = Vote(
            self.noise, self.classify, draws=self.draws, alpha=self.alpha, selection=self.selection,
            seed=(self.seed + 1) % 2**64 if seed is None else seed, batch=self.batch, through_mean=self.through_mean,
        )  # fmt: skip
        moved = fresh.certify(x + d)
        other = (moved.winner != ABSTAINS) & (moved.winner != found.winner)
        return np.asarray(inside & other & (found.winner != ABSTAINS))

    def _given(self, name: str, value: Any) -> Array:
        """Return activations (T, C, H, W) as float32, finite ones of the noise's layout: none is broadcast."""
        channels, *shape = layout(self.noise)
        side = (int(shape[0]), int(shape[1]))
        return as_activity(name, value, channels, side, np.float32).reshape(-1, channels, *side)

    def _counted(self, x: Array, start: int, draws: int) -> Classes:
        self._refuse_changed()
        counts = np.zeros((len(x), 1), np.int64)
        moved = x + self.noise.mean(x) if self.through_mean else x
        for first in range(0, draws, self.batch):
            eta = self.noise.sample(min(self.batch, draws - first), self.seed, start + first)
            for t, one in enumerate(moved):
                classes = _as_classes(self.classify(one + eta), len(eta))
                if classes.max(initial=0) >= counts.shape[1]:
                    counts = np.pad(counts, ((0, 0), (0, int(classes.max()) + 1 - counts.shape[1])))
                counts[t] += np.bincount(classes, minlength=counts.shape[1])
        return counts

    def _refuse_changed(self) -> None:
        if _fingerprint(self.noise) != self._frozen:
            raise ArgumentError(
                "noise has changed since the vote was made: expected a frozen covariance, since one that follows the "
                "input voids the proof; make a new Vote"
            )


def refuse_few_draws(draws: int, alpha: float) -> None:
    """Raise an ArgumentError that says how many are needed if even draws that all agree certify next to nothing."""
    most = largest_radius(draws, check_alpha(alpha))
    if most < _LEAST_RADIUS:
        one, two, three = (f"{draws_needed(radius, alpha):,}" for radius in (1.0, 2.0, 3.0))
        raise ArgumentError(
            f"draws={draws}: even if all agree, alpha={alpha:g} leaves a radius of {most:.2f} standard deviations, "
            f"and nearly everything abstains: expected {one} or more for a radius of 1, {two} for 2, {three} for 3"
        )


def _as_classes(given: Any, count: int) -> Classes:
    classes = np.asarray(as_array("classify", given, "(B,) whole numbers"))
    if classes.shape != (count,) or not np.issubdtype(classes.dtype, np.integer) or classes.min(initial=0) < 0:
        raise ArgumentError(
            f"classify returned {classes.dtype} {classes.shape}: expected one class a draw, ({count},) whole numbers "
            "from 0; a mean of logits is no vote, and certifies nothing"
        )
    if classes.max(initial=0) >= _MOST_CLASSES:
        raise ArgumentError(
            f"classify returned class {classes.max()}: expected classes numbered from 0, fewer than {_MOST_CLASSES:,}"
        )
    return classes.astype(np.int64)


def _refuse(noise: Any, through_mean: bool) -> None:
    if isinstance(noise, (Bank, AffineNoise)):
        raise ArgumentError(
            f"noise is a {type(noise).__name__}: expected one Gaussian of fixed covariance, a UnitGrid or CentralNoise"
        )
    if callable(noise) or not (hasattr(noise, "sample") and hasattr(noise, "mahalanobis")):
        raise ArgumentError(
            f"noise is {type(noise).__name__}: expected a frozen covariance, a UnitGrid or CentralNoise; one that is "
            "made for each input voids the proof"
        )
    if isinstance(noise, CentralNoise) and noise.factor is None:
        raise ArgumentError("noise is none: expected noise of full rank, since without any there is nothing to vote on")
    signal = isinstance(noise, UnitGrid) and noise.field.signal
    if signal and not through_mean:
        raise ArgumentError(
            "noise has signal='local', and a displacement moves its mean, too: expected through_mean=True"
        )
    if through_mean and not signal:
        raise ArgumentError("through_mean=True: expected a grid with signal='local'")


def _fingerprint(noise: Any) -> str:
    digest = hashlib.sha256()
    arrays = vars(noise.field).values() if isinstance(noise, UnitGrid) else [getattr(noise, "factor", None)]
    for array in arrays:
        if isinstance(array, np.ndarray):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
