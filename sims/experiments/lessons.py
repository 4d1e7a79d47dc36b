"""The lesson of a trained defense: the layers that it may train, and its sources' images, drawn anew each epoch."""

import numpy as np
import torch
from torch import Tensor

from localnoise.sims.defenses import Lesson
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.models import training
from localnoise.sims.perturbations import MODIFICATIONS


def lesson(cell: Cell, bench: Testbed, epochs: int, tick: training.Tick) -> Lesson:
    """Lesson of a cell. With several sources each image meets one of them an epoch, all alike often."""
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
    )
