"""The detector that a grid makes of clean activations: a map of surprise, and one number for the whole."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError
from localnoise.streams import Progress, chunk_size
from localnoise.surprise.calibration import Floats, ImageScale, UnitScale
from localnoise.surprise.statistics import REGIONS, image_statistics, statistics_of, unit_scores
from localnoise.surprise.writing import save
from localnoise.validate import Array, as_activity, as_count, as_presentations

HELD = 4096  # activations that are held out for the calibration, at most
_SHARE = 4  # of the activations, one in so many is held out
_ENOUGH = 3  # held-out activations of either half, for each statistic


@final
@dataclass(frozen=True, kw_only=True)
class Surprised:
    """The surprise of activations.

    Attributes
    ----------
    units : (T, H, W)
        z of every unit: above 0 stranger, below 0 more regular than is usual.
    units_p : (T, H, W)
        Two-sided p-values, each for one unit: among 196 units two have p < .01 by chance.
    image : (T,)
        z of whole activations.
    image_p : (T,)
        Their p-values: a share of at most a of clean activations has p <= a.
    """

    units: Floats
    units_p: Floats
    image: Floats
    image_p: Floats


@final
class Surprise:
    """Tells what the law of clean activations does not expect. Made by `UnitGrid.surprise`, or read by `load`.

    Every unit predicts its activation from its parents'; what it could not predict, whitened, is its innovation e_u.
    The score of a unit is the mean of e^2 over its channels and neighbors; that of the whole a squared distance of sums
    of e, |e|, e^2, of neighbors' products, and of units' scores from what they are on clean activations. Both are
    calibrated on clean activations that were not learned, and have two sides: blurred activations are *too* regular.

    No detector of attacks: who knows the law can keep the score low.

    Attributes
    ----------
    law : UnitGrid
        Of clean activations less `centre`.
    centre : (C, H, W)
        Mean of clean activations.
    neighbors, regions : int
        Chebyshev distance over which units are averaged; rows and columns of regions that are told apart.
    units, image
        The calibration.

    Parameters
    ----------
    provenance : dict
        How many activations it learned from, and how many calibrated it.

    Examples
    --------
    >>> import numpy as np, localnoise as ln
    >>> h = np.random.default_rng(0).normal(size=(2000, 2, 5, 5)).cumsum(axis=3)
    >>> surprise = ln.UnitGrid(shape=(5, 5), channels=2, parents=4).surprise(h[:1900])
    >>> strange = h[1900:].copy()
    >>> strange[:, :, 2, 2] += 9
    >>> found = surprise(strange)
    >>> float(found.units[:, 2, 2].mean()) > 3, float(np.median(found.image_p)) < 0.01
    (True, True)
    """

    def __init__(
        self,
        law: Any,
        centre: Array,
        neighbors: int,
        regions: int,
        units: UnitScale,
        image: ImageScale,
        provenance: dict[str, Any],
    ) -> None:
        self.law, self.centre, self.neighbors, self.regions = law, centre, neighbors, regions
        self.units, self.image, self.provenance = units, image, provenance

    @property
    def config(self) -> GridConfig:
        """Layout of the activation."""
        config: GridConfig = self.law.config
        return config

    def __call__(self, h: Any) -> Surprised:
        """Return how surprising activations are. Cost O(T n m K).

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.

        Returns
        -------
        Surprised
            Of each unit, and of each whole activation.
        """
        return judged(self.units, self.image, *self.measured(h))

    def measured(self, h: Any) -> tuple[Floats, Floats]:
        """Return the scores of units and the statistics of wholes, before any calibration. Cost O(T n m K).

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.

        Returns
        -------
        scores : ndarray of float64, (T, H, W)
            Of units: mean of e^2 over channels and neighbors.
        statistics : ndarray of float64, (T, p)
            Of whole activations, p of them.
        """
        c = self.config
        flat = as_activity("h", h, c.channels, c.shape, c.dtype)
        x = flat.reshape(len(flat), c.channels, *c.shape)
        return measured(self.law, self.centre, x, self.neighbors, self.regions)

    @property
    def parameters(self) -> int:
        """Numbers that the law, its centre and both calibrations' means and deviations need."""
        p = len(self.image.mean)
        return int(self.law.parameters) + self.centre.size + 2 * self.config.units + p + p * (p + 1) // 2

    def save(self, path: str | Path) -> Path:
        """Write the detector to HDF5, aside and renamed; `localnoise.load` reads it.

        Parameters
        ----------
        path : str or Path
            The file; one that is there is replaced.

        Returns
        -------
        Path
            The file.
        """
        return save(self, path)

    def __repr__(self) -> str:
        c = self.config
        return (
            f"Surprise({c.shape[0]}x{c.shape[1]} units x {c.channels}, neighbors {self.neighbors}; "
            f"{len(self.units.ranks)} held out)"
        )


def judged(units: UnitScale, image: ImageScale, scores: Floats, statistics: Floats) -> Surprised:
    """Return what calibrations say of scores of units (T, H, W) and statistics of wholes (T, p)."""
    distances = image.distances(statistics)
    return Surprised(
        units=units.z(scores), units_p=units.p(scores), image=image.z(distances), image_p=image.p(distances)
    )


def measured(law: Any, centre: Array, h: Array, neighbors: int, regions: int) -> tuple[Floats, Floats]:
    """Return the scores of units and the statistics of wholes of activations (T, C, H, W), a chunk at a time."""
    c = law.config
    size = chunk_size(c.channels, c.shape, "float64")
    scores, statistics = [], []
    for first in range(0, max(len(h), 1), size):
        e = law.innovations(np.asarray(h[first : first + size]) - centre)
        scores.append(unit_scores(e, neighbors))
        statistics.append(image_statistics(e, neighbors, regions))
    return np.concatenate(scores), np.concatenate(statistics)


def needed_for(config: GridConfig, regions: int) -> int:
    """Return how many held-out activations calibrate the statistics of so many regions."""
    return 2 * _ENOUGH * statistics_of(config.channels, config.shape, regions)


def learned(law: Any, clean: Any, neighbors: int, ridge: float, held: Any, progress: Progress | None) -> "Surprise":
    """Let a blank grid learn the law of clean activations, and calibrate it; see `UnitGrid.surprise`."""
    c, near = law.config, as_count("neighbors", neighbors)
    h = as_presentations("clean", clean, c.channels, c.shape)
    if held is None:
        few = min(len(h) // _SHARE, HELD)
        h, kept = h[: len(h) - few], h[len(h) - few :]
    else:
        kept = as_presentations("held", held, c.channels, c.shape)[:HELD]
    needs = {r: needed_for(c, r) for r in REGIONS}
    regions = next((r for r, needed in needs.items() if len(kept) >= needed), 0)
    if not regions:
        needed = min(needs.values())
        raise ArgumentError(
            f"clean has {len(h) + len(kept) * (held is None):,} activations, of which {len(kept):,} are held out for "
            f"the calibration: expected at least {needed:,} of them; give {_SHARE * needed:,}"
        )
    size, total, power = chunk_size(c.channels, c.shape, c.dtype), np.zeros((c.channels, *c.shape)), 0.0
    for first in range(0, len(h), size):
        part = np.asarray(h[first : first + size])
        total += part.sum(axis=0, dtype=np.float64)
        power += float(np.square(part, dtype=np.float64).sum())
    mean = total / len(h)
    spread = power / len(h) / mean.size - float(np.square(mean).mean())
    centre = mean.astype(c.dtype)
    parts = (np.asarray(h[first : first + size], c.dtype) - centre for first in range(0, len(h), size))
    law.learn(parts, ridge=ridge * max(spread, 1e-30), progress=progress)
    own = as_activity("held", kept, c.channels, c.shape, c.dtype).reshape(len(kept), c.channels, *c.shape)
    scores, statistics = measured(law, centre, own, near, regions)
    half = len(kept) // 2
    return Surprise(
        law, centre, near, regions, UnitScale.of(scores), ImageScale.of(statistics[:half], statistics[half:]),
        {"learned": len(h), "held": len(kept)},
    )  # fmt: skip
