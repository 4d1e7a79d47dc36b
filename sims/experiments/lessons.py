"""The lesson of a trained defense: the layers that it may train, and its sources' images, drawn anew each epoch."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from localnoise.sims.attacks import ATTACKS
from localnoise.sims.defenses import Lesson
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.models import training
from localnoise.sims.perturbations import MODIFICATIONS

Pair = tuple[Tensor, Tensor]


def lesson(
    cell: Cell,
    bench: Testbed,
    epochs: int,
    tick: training.Tick,
    draws: int = 10,
    displaced: Callable[[Source], Pair] | None = None,
) -> Lesson:
    """Lesson of a cell. With several sources each image meets one of them an epoch, all alike often.

    draws : noisy logits that are averaged;  displaced : gives displacements and activations of a source.
    """
    images, labels = bench.train
    kept: dict[
        tuple[str, float, int | None], Tensor
    ] = {}  # attacks on the undefended network: a new one would be nearly the same, and is expensive

    def modified(draw: int) -> Tensor:
        turn = torch.from_numpy(np.random.default_rng((cell.seed, draw)).integers(len(cell.sources), size=len(images)))
        out = images.clone()
        for index, source in enumerate(cell.sources):
            own = MODIFICATIONS.get(source.name)
            if own is not None and own.shape is not None:  # image by image: only those whose turn it is
                rows = (turn == index).nonzero()[:, 0]
                if len(rows):
                    out[rows] = bench.altered(source, draw, rows=rows.numpy())
                continue
            fresh = kept[source.moved] if source.moved in kept else bench.altered(source, draw)
            if len(fresh) < len(images):
                kept[source.moved] = fresh
            rows = turn[: len(fresh)] == index
            out[: len(fresh)][rows] = fresh[rows]
        return out

    first = cell.sources[0] if cell.sources else None
    attacks = [source.level for source in cell.sources if source.name in ATTACKS]
    own = 1.0 if first is None else first.variance
    return Lesson(
        front=bench.network.front,
        back=bench.network.fresh_back,
        images=images,
        labels=labels,
        epochs=epochs,
        seed=cell.seed,
        fresh_front=bench.network.fresh_front,
        bounds=bench.task.bounds,
        modified=modified if cell.sources else None,
        widened=bench.network.widened,
        tick=tick,
        by=bench.by,
        displaced=None if first is None or displaced is None else partial(displaced, first),
        variance=own if cell.variance is None else cell.variance,
        draws=draws,
        arrangement=bench.network.arrangement,
        attacked=attacks[0] if attacks else None,
    )
