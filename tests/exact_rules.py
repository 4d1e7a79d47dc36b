"""Displacements of an exactly known covariance, and what a rule learns from them."""

import naive
import numpy as np

RULES = ["moments", "lms", "sign-lms"]


SHAPE, CHANNELS = (2, 3), 2


def exact_data(target, shape=SHAPE, channels=CHANNELS, count=64, seed=1):
    """Displacements (T, C, H, W) whose second moment is `target` (unit-major) to rounding: sqrt(T) Q L'."""
    Q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(count, len(target))))
    flat = np.sqrt(count) * Q @ np.linalg.cholesky(target).T
    np.testing.assert_allclose(flat.T @ flat / count, target, atol=1e-12)
    return naive.like(flat, channels, shape)


def covariance(grid):
    """Sigma in unit-major order."""
    channels, units = grid.config.channels, grid.config.units
    back = np.argsort(naive.c_order(channels, units))
    return grid.covariance()[np.ix_(back, back)]


def stationary(height, width):
    """Return a stationary covariance on the torus: a Gaussian kernel of the periodic distance, and a nugget."""
    y, x = np.divmod(np.arange(height * width), width)
    dy, dx = (np.abs(np.subtract.outer(c, c)) for c in (y, x))
    dy, dx = np.minimum(dy, height - dy), np.minimum(dx, width - dx)
    return np.exp(-(dy**2 + dx**2) / 2) + 0.1 * np.eye(height * width)
