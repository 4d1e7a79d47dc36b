"""Learning and scoring: local moments against a central covariance, lms against NumPy, norms against a solve."""

from collections.abc import Iterator

import numpy as np
import torch

import localnoise as ln
from benchmarks import fields
from benchmarks.row import Row

_SHAPE, _CHANNELS = (14, 14), 16
_RASTER = {"order": "raster", "radius": 1}


def rows() -> Iterator[Row]:
    """Rows of the table."""
    yield from _moments()
    yield from _lms()
    yield from _norms()


def _moments() -> Iterator[Row]:
    truth = fields.grid(_SHAPE, _CHANNELS, **_RASTER)
    d = truth.sample(20_000, seed=3)
    flat = torch.from_numpy(fields.unit_major(d))

    def central() -> torch.Tensor:
        C = flat.T @ flat / len(flat)
        C.diagonal().add_(1e-4)
        return torch.linalg.cholesky(C)

    def learned() -> ln.UnitGrid:
        return ln.UnitGrid(_SHAPE, _CHANNELS, **_RASTER).learn(d)

    def check() -> str:
        own = learned().field.B
        error = np.linalg.norm(own - truth.field.B) / np.linalg.norm(truth.field.B)
        if error > 0.2:
            raise AssertionError(f"moments: weights differ from the truth by {error:.2f} of their norm")
        return f"weights within {error:.1%} of the truth's norm"

    yield Row(
        name="moments, 20,000 displacements", ours=learned, peer=central,
        peer_name="torch covariance + Cholesky", bound=8, aim=12, check=check, seconds=12, least=3,
    )  # fmt: skip


def _lms() -> Iterator[Row]:
    truth = fields.grid(_SHAPE, _CHANNELS, **_RASTER)
    d = truth.sample(500, seed=3)
    grid, numpy_rule = ln.UnitGrid(_SHAPE, _CHANNELS, **_RASTER), NumpyLMS(truth)

    def check() -> str:
        fresh, oracle = ln.UnitGrid(_SHAPE, _CHANNELS, **_RASTER), NumpyLMS(truth)
        fresh.learn(d, rule="lms")
        oracle.learn(fields.unit_major(d).reshape(len(d), -1, _CHANNELS))
        error = np.abs(fresh.field.B - oracle.mean).max()
        if error > 1e-4:
            raise AssertionError(f"lms: NumPy's weights differ by {error:.1e}")
        return f"weights equal to {error:.0e}"

    rows_first = fields.unit_major(d).reshape(len(d), -1, _CHANNELS)
    yield Row(
        name="lms, 500 steps", ours=lambda: grid.learn(d, rule="lms"), peer=lambda: numpy_rule.learn(rows_first),
        peer_name="the same rule, vectorised in NumPy", bound=10, aim=30, check=check,
    )  # fmt: skip


class NumpyLMS:
    """The rule `lms` for all units at once: one gather, matmul and outer product a step. No signal dependence."""

    def __init__(self, grid: ln.UnitGrid, rate: float = 0.1, floor: float = 1e-3, memory: float = 3.0) -> None:
        f = grid.field
        self.parents, self.rate, self.floor, self.memory = f.parents, np.float32(rate), np.float32(floor), memory
        self.W, self.mean = np.zeros_like(f.B), np.zeros_like(f.B)
        self.residual, self.power = np.zeros_like(f.S), np.zeros_like(f.a)
        self.seen = 0

    def learn(self, d: np.ndarray) -> None:
        """d : (T, N, m)."""
        missing, units = self.parents < 0, len(self.parents)
        for x in d:
            z = x[self.parents]
            z[missing] = 0
            z = z.reshape(units, -1)
            e = x - np.matmul(self.W, z[:, :, None])[:, :, 0]
            step = self.rate * e / (self.floor + np.einsum("np,np->n", z, z))[:, None]
            self.W += step[:, :, None] * z[:, None, :]
            weight = np.float32((self.memory + 1) / (self.seen + 1 + self.memory))
            self.mean += weight * (self.W - self.mean)
            e = x - np.matmul(self.mean, z[:, :, None])[:, :, 0]
            self.residual += weight * (e[:, :, None] * e[:, None, :] - self.residual)
            self.power += weight * (x * x - self.power)
            self.seen += 1


def _norms() -> Iterator[Row]:
    grid = fields.grid(_SHAPE, _CHANNELS, **_RASTER)
    d = grid.sample(1000, seed=2)
    L, flat = torch.from_numpy(fields.lower(grid)), torch.from_numpy(fields.unit_major(d)).T.contiguous()

    def dense() -> torch.Tensor:
        return torch.linalg.solve_triangular(L, flat, upper=False).square().sum(0)

    def check() -> str:
        error = np.abs(grid.mahalanobis(d) / dense().numpy() - 1).max()
        if error > 1e-3:
            raise AssertionError(f"mahalanobis: differs from the dense solve by {error:.1e}")
        return f"equal to {error:.0e}"

    yield Row(
        name="Mahalanobis norm, 1,000", ours=lambda: grid.mahalanobis(d), peer=dense,
        peer_name="torch dense triangular solve", bound=12, aim=20, check=check,
    )  # fmt: skip
