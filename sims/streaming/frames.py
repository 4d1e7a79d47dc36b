"""The images of a stream, made in chunks and kept in a file: never all of them in memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from localnoise.sims import perturbations
from localnoise.sims.data.tensors import PIXELS
from localnoise.sims.perturbations import MODIFICATIONS
from localnoise.sims.runtime.stage import Stage
from localnoise.sims.streaming.schedule import CLEAN, Schedule

CHUNK = 512  # images that are read at once; a multiple of every method's batch


class Frames:
    """A stream's images in order, chunk by chunk; made once, and read as often as there are methods.

    Images that were bytes, in bounds of [0, 1], are rounded to bytes again, as a camera gives them; all other inputs
    are kept as float32.

    Parameters
    ----------
    pool : pair of Tensor
        Inputs (N, ...) and classes (N,) that the schedule draws from.
    bounds : pair of float or None
        That the task states of its inputs.
    schedule : Schedule
    seed : int
        Of the modifications.
    path : Path
        Of the file.
    stage : callable
        Called with what is being done, how much of it is done, and of how much.
    what : str
        Of which stream, for `stage`.
    """

    def __init__(
        self,
        pool: tuple[Tensor, Tensor],
        bounds: tuple[float, float] | None,
        schedule: Schedule,
        seed: int,
        path: Path,
        stage: Stage,
        what: str,
    ) -> None:
        self._inputs, classes = pool
        self.schedule, self.seed = schedule, seed
        self.labels = classes[torch.from_numpy(schedule.image)]
        self._bytes = bounds == PIXELS and _within_pixels(schedule) and _were_bytes(self._inputs)
        kind: Any = np.uint8 if self._bytes else np.float32
        self._file = np.memmap(path, kind, "w+", shape=(len(self), *self._inputs.shape[1:]))
        self._make(stage, f"make {what}")

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs (t, ...) float32 and classes (t,)."""
        for first in range(0, len(self), CHUNK):
            rows = slice(first, min(first + CHUNK, len(self)))
            yield self.at(rows), self.labels[rows]

    def at(self, rows: slice) -> Tensor:
        """Return some images, (t, ...) float32."""
        found = torch.from_numpy(np.array(self._file[rows]))
        return _from_bytes(found) if self._bytes else found

    def _make(self, stage: Stage, what: str) -> None:
        for start, stop, name, level in self.schedule.parts():
            images = self._inputs[torch.from_numpy(self.schedule.image[start:stop])]
            if name != CLEAN:
                images = perturbations.apply(name, images, level, self.seed, start)
            self._file[start:stop] = _to_bytes(images) if self._bytes else images
            stage(what, stop, len(self))


def _to_bytes(images: Tensor) -> Tensor:
    return (images * 255).round().byte()


def _from_bytes(images: Tensor) -> Tensor:
    return images.float().div_(255)


def _within_pixels(schedule: Schedule) -> bool:
    """Return whether all that happens leaves images in [0, 1]."""
    return all(MODIFICATIONS.find(name, "name").bounds == PIXELS for name in schedule.names if name != CLEAN)


def _were_bytes(inputs: Tensor) -> bool:
    """Return whether inputs are images (N, C, H, W) of bytes that were divided by 255."""
    if inputs.ndim != 4 or not len(inputs):
        return False
    low, high = (float(edge) for edge in inputs.aminmax())
    within = PIXELS[0] <= low and high <= PIXELS[1]  # bytes would wrap around beyond
    return within and all(torch.equal(_from_bytes(_to_bytes(part)), part) for part in inputs.split(CHUNK))
