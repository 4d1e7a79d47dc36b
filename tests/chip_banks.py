"""Banks of two members, and their activations."""

import numpy as np

import localnoise as ln

SHAPE, CHANNELS = (3, 3), 2


def learned(axis, signal="none", variance=0.5, **wiring):
    h, white = np.random.default_rng(axis).normal(size=(2, 400, CHANNELS, *SHAPE))
    d = white.cumsum(axis=axis) + (0.5 * h if signal == "local" else 0)
    grid = ln.UnitGrid(SHAPE, CHANNELS, signal=signal, **wiring)
    return grid.learn(d, h if signal == "local" else None).normalise(variance)


def activations(count=400):
    return np.random.default_rng(9).normal(size=(count, CHANNELS, *SHAPE)).astype(np.float32)
