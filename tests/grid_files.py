"""Grids that have learned, and what tests compare of them."""

import json

import numpy as np

import localnoise as ln

SHAPE, CHANNELS = (2, 3), 2


def data(count=40, seed=0):
    return np.random.default_rng(seed).normal(size=(2, count, CHANNELS, *SHAPE)).cumsum(axis=4).astype(np.float32)


def learned(rule="moments", **wiring):
    grid = ln.UnitGrid(SHAPE, CHANNELS, signal="local", **wiring)
    grid.learn(*data(), rule=rule).normalise(0.7, "local")
    grid.provenance = {"fingerprint": "abc", "seed": 3, "note": "Größe"}
    return grid


def content(grid):
    """Everything that a file must bring back, as bytes."""
    parts = [repr(grid.config), repr(grid.rule), json.dumps(grid.provenance, sort_keys=True)]
    parts += [
        getattr(grid.field, name).tobytes() for name in ("order", "parents", "readers", "a", "G", "B", "S", "gain")
    ]
    parts += [name + np.asarray(value).tobytes().hex() for name, value in sorted((grid.state or {}).items())]
    return parts
