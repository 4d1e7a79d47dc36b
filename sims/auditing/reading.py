"""Readers of an audit's inputs: as activations at the cut, with or without a repair on the way."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from localnoise import Repair
from localnoise.sims.auditing.smoothing import Array
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.models import Network, folded, training
from localnoise.sims.tasks.fashion import LAYER

Read = Callable[[Tensor], Array]


def plain(network: Any) -> Read:
    """Return what reads inputs as activations at the cut, (T, C, H, W)."""

    def read(x: Tensor) -> Array:
        h = folded(network, training.activations(network.front, x))
        return np.ascontiguousarray(h.numpy(), np.float32)

    return read


def by_level(source: Source, levels: Sequence[float], count: int) -> Iterator[tuple[Source, npt.NDArray[np.int64]]]:
    """Yield a source at each level, and which of the first `count` training inputs it displaces: each a share."""
    for at, level in enumerate(levels):
        yield replace(source, level=float(level)), np.arange(at, count, len(levels))


def mended(bench: Testbed, source: Source, levels: Sequence[float], count: int) -> Read:
    """Return what reads inputs as activations at the cut, with a repair of the task's own layer on the way, gated.

    Of the paper's networks the repair stands where noise enters by default, and the cut may lie behind it: layers in
    between run once, too. Of other tasks it stands at the cut.
    """
    network, inner, between = bench.network, bench.network, nn.Identity()
    if isinstance(network, Network) and isinstance(bench.layer, int) and bench.layer > LAYER:
        earlier = bench.task.network(bench.seed, bench.activation, LAYER)
        assert isinstance(earlier, Network)
        earlier.load(network.weights())
        earlier.front.requires_grad_(False).eval()
        inner, between = earlier, network.front[len(earlier.front) :]  # type: ignore[index, arg-type]
    first = plain(inner)
    h = first(bench.train[0][:count])
    repair = Repair((h.shape[2], h.shape[3]), h.shape[1])
    for one, rows in by_level(source, levels, count):
        repair.learn(f"{one.name}@{one.level:g}", first(bench.altered(one, rows=rows)), h[rows])

    def read(x: Tensor) -> Array:
        fixed = np.asarray(repair(first(x))[0], np.float32)
        with torch.no_grad():
            return np.ascontiguousarray(between(torch.from_numpy(fixed)).numpy(), np.float32)

    return read
