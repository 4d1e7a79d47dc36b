"""Activations of a small layer, and what happens to them."""

import numpy as np

SHAPE, CHANNELS, UNITS = (4, 5), 2, 20


def activations(count, seed):
    rng = np.random.default_rng(seed)
    made = np.tanh(rng.normal(size=(count, CHANNELS, *SHAPE)).cumsum(axis=3) / 2).astype(np.float32)
    made.setflags(write=False)  # tests share them
    return made


def blurred(h):
    return (h + np.roll(h, 1, 3) + np.roll(h, 1, 2)) / 3


def dimmed(h):
    return 0.3 * h
