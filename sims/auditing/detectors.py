"""Detectors of one layer, side by side: the grid's surprise, one without parents, a dense one, and one in integers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular

from localnoise import Surprise, UnitGrid
from localnoise.hardware.surprise import ChipSurprise, quantise_surprise
from localnoise.surprise import Surprised
from localnoise.surprise.calibration import ImageScale

Array = npt.NDArray[np.float32]
LOCAL, ALONE, CHIP, DENSE = "local", "no parents", "integers", "dense Mahalanobis"
NAMED = "named changes"
INPUT, CUT, ALL = "input", "layer", "all layers"
PARENTS = 8
_DENSE = 4096  # neurons of a dense covariance, at most
_FLOOR = 1e-3  # of a dense covariance, in shares of its mean variance


@dataclass(frozen=True)
class Dense:
    """Mahalanobis distance of whole activations, with a full covariance (Lee et al. 2018); two-sided by rank."""

    mean: Array
    factor: Array
    scale: ImageScale

    @classmethod
    def of(cls, learned: Array, held: Array) -> "Dense":
        """Learn from activations (T, ...)."""
        x = learned.reshape(len(learned), -1)
        mean = x.mean(axis=0)
        C = (x - mean).T @ (x - mean) / len(x)
        C[np.diag_indices_from(C)] += _FLOOR * float(np.trace(C)) / len(C)
        factor = np.linalg.cholesky(C)
        made = cls(mean, factor, ImageScale(mean=np.zeros(1), whitening=np.eye(1), ranks=np.zeros(1)))
        logs = np.log(made.squares(held))[:, None]
        half = len(logs) // 2
        return cls(mean, factor, ImageScale.of(logs[:half], logs[half:]))

    def squares(self, h: Array) -> npt.NDArray[np.float64]:
        """Return squared distances (T,)."""
        d = (h.reshape(len(h), -1) - self.mean).T
        return np.asarray(np.square(solve_triangular(self.factor, d, lower=True), dtype=np.float64).sum(axis=0))

    def image(self, h: Array) -> npt.NDArray[np.float64]:
        """Return z of whole activations, (T,): too near is strange as well."""
        return self.scale.z(self.scale.distances(np.log(self.squares(h))[:, None]))


@dataclass(frozen=True)
class Named:
    """Log likelihood of activations under the likeliest of several named changes, less that under no change.

    Each law is a local field about its own mean, so that a ratio is a sum of what units see. Where a change is named
    it tells more than surprise, which knows what is usual alone; of changes that nobody named it promises nothing.
    """

    clean: tuple[UnitGrid, Array]
    changed: tuple[tuple[UnitGrid, Array], ...]

    @classmethod
    def of(cls, clean: Array, changed: Iterable[Array]) -> "Named":
        """Learn from clean activations (T, C, H, W), and from those that each change made."""
        return cls(_law(clean), tuple(_law(h) for h in changed))

    def image(self, h: Array) -> npt.NDArray[np.float64]:
        """Return the ratio of whole activations, (T,), in nats a neuron; one-sided."""
        usual = _density(self.clean, h)
        return np.asarray((np.max([_density(law, h) for law in self.changed], axis=0) - usual) / h[0].size)


def _law(h: Array) -> tuple[UnitGrid, Array]:
    mean = h.mean(axis=0)
    grid = UnitGrid((h.shape[2], h.shape[3]), h.shape[1], parents=PARENTS)
    return grid.learn(np.ascontiguousarray(h - mean)), mean


def _density(law: tuple[UnitGrid, Array], h: Array) -> npt.NDArray[np.float64]:
    grid, mean = law
    return np.asarray(grid.log_density(np.ascontiguousarray(h - mean, np.float32)), np.float64)


@dataclass(frozen=True)
class Layer:
    """The detectors of one layer."""

    name: str
    local: Surprise
    alone: Surprise
    chip: ChipSurprise
    dense: Dense | None
    named: Named | None = None

    @classmethod
    def of(cls, name: str, learned: Array, held: Array, dense: bool, changed: Iterable[Array] = ()) -> "Layer":
        """Learn all of them from clean activations (T, C, H, W), and calibrate them on held-out ones.

        changed : activations that each named change made; none: such changes are not looked for.
        """
        channels, shape = learned.shape[1], (learned.shape[2], learned.shape[3])
        units, neurons = shape[0] * shape[1], int(np.prod(learned.shape[1:]))
        local = UnitGrid(shape, channels, parents=PARENTS).surprise(learned, held=held)
        alone = UnitGrid(shape, channels, parents=[[-1]] * units).surprise(learned, held=held)
        full = Dense.of(learned, held) if dense and neurons <= _DENSE else None
        named = Named.of(learned, changed)
        return cls(name, local, alone, quantise_surprise(local, held), full, named if named.changed else None)

    def found(self, h: Array) -> dict[str, Surprised]:
        """Return what the detectors with units say of activations."""
        return {LOCAL: self.local(h), ALONE: self.alone(h), CHIP: self.chip(h)}

    def images(self, h: Array, found: Mapping[str, Surprised]) -> dict[str, Any]:
        """Return z of whole activations by detector."""
        own: dict[str, Any] = {name: one.image for name, one in found.items()}
        others = {DENSE: self.dense, NAMED: self.named}
        return own | {name: one.image(h) for name, one in others.items() if one is not None}
