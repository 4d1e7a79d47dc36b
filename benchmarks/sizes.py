"""A million units against two hundred: time a neuron."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks import fields
from benchmarks.clock import Job
from benchmarks.row import Row

_FOUR = {"raster r=1": {"order": "raster", "radius": 1}, "multiscale K=4": {"order": "multiscale", "parents": 4}}
_COUNT = 256  # samples, 1 GiB: enough for the tiles to be as wide as a small grid's


def rows() -> Iterator[Row]:
    """Rows of the table."""
    many = _COUNT * 1024 * 1024 // 196  # as many neurons
    for kind, wiring in _FOUR.items():
        yield Row(
            name=f"time a neuron, 1,048,576 units, {kind}",
            ours=_drawn((1024, 1024), _COUNT, wiring), peer=_drawn((14, 14), many, wiring),
            peer_name="196 units", faster=False, bound=1.5, aim=1.1, least=3,
        )  # fmt: skip


def _drawn(shape: tuple[int, int], count: int, wiring: dict[str, object]) -> Job:
    memory = np.empty((count, 1, *shape), np.float32)
    return partial(fields.grid(shape, 1, **wiring).sample, count, seed=1, out=memory)
