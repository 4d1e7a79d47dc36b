"""A small repair as a layer, and its activations."""

import numpy as np

import localnoise as ln

SHAPE, CHANNELS = (3, 4), 2


def activations(count, seed):
    rng = np.random.default_rng(seed)
    return np.tanh(rng.normal(size=(count, CHANNELS, *SHAPE)).cumsum(axis=3) / 2).astype(np.float32)


def learned(dtype="float32", **options):
    h = activations(1200, 0)
    turn = np.arange(len(h)) % 2
    near = h + 0.2 * np.random.default_rng(9).normal(size=h.shape).astype(np.float32)
    repair = ln.Repair(SHAPE, CHANNELS, radius=1, dtype=dtype, width=9.0, **options)
    repair.learn("near", near, h)
    return repair.learn("shift", np.where(turn[:, None, None, None], np.roll(h, 1, 3), np.roll(h, -1, 3)), h, turn)
