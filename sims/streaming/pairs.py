"""Ways back that go on learning by `lms`, from pairs that the device makes itself.

The device keeps a few clean inputs, and a model of each thing that it knows to happen to its sensor: `corrupt`, the
same function by which the repair was learned. A device has one because what displaces its activations is mostly its own
optics, exposure, mounting and noise, which can be measured or computed on the bench, and on which it needs no label.
The filter says which of them acts; how strongly, the device finds by itself: it corrupts its clean inputs at each of a
few levels, and takes the one whose mean activation is nearest to that of the last images. Pairs at that level, of
activations that it computes itself, are what `Repair.adapt` learns from. Laws and gate stay as they are.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from localnoise import Repair
from localnoise.nn import RepairLayer
from localnoise.nn.arrangement import Arrangement
from localnoise.sims.streaming.repaired import Filtered, Floats

Corrupt = Callable[[Tensor, float, int], Tensor]  # (inputs, level, number of the draw) -> inputs
_SURE, _FEW = 0.5, 50  # mean weight of a source before it is followed; images that show its strength


class PairLearner:
    """Learns after every `every` images, if the filter is sure that something acts.

    Parameters
    ----------
    inputs : Tensor (M, ...)
        Clean, kept by the device.
    corrupts : dict
        By the name of a source: its function, and the levels that it may have.
    rate : float
        Of `lms`.
    every : int
    """

    def __init__(
        self,
        inputs: Tensor,
        corrupts: Mapping[str, tuple[Corrupt, Sequence[float]]],
        *,
        rate: float,
        every: int = 500,
    ) -> None:
        self.inputs, self.corrupts, self.rate, self.every = inputs, dict(corrupts), rate, every
        self.state_bytes = int(inputs.numel())  # as bytes
        self.taken, self.lessons = 0, 0
        self.levels: list[tuple[str, float]] = []
        self._of: Filtered | None = None
        self._now, self._count = -1, 0  # what the filter has said, and for how many images of this turn
        self._sum: npt.NDArray[np.float64] | None = None
        self._weight = 0.0
        self._means: dict[str, list[Floats]] = {}

    def room(self) -> int:
        """Return how many images there are until it may learn next."""
        return self.every - self.taken % self.every

    def seen(self, method: Filtered, h: Floats, posterior: npt.NDArray[np.float64]) -> None:
        """Take notice; learn at the end of a turn."""
        if self._of is None:
            self._begin(method)
        self.taken += len(h)
        spoken = np.maximum.accumulate(np.where(posterior.sum(axis=1) > 0, np.arange(len(posterior)), -1))
        said = np.where(spoken >= 0, posterior.argmax(axis=1)[spoken], self._now)  # a repair of no worth says nothing
        changes = np.flatnonzero(said != np.concatenate([[self._now], said[:-1]]))
        since = 0
        if len(changes):
            since, self._now = int(changes[-1]), int(said[-1])
            self._forget()
        own = h[since:].sum(axis=0, dtype=np.float64)
        self._sum = own if self._sum is None else self._sum + own
        self._count += len(h) - since
        self._weight += float(posterior[since:, self._now].sum())
        if self.taken % self.every == 0 and self._now >= 0:
            source = method.repair.sources[self._now]
            if source in self.corrupts and self._count >= _FEW and self._weight >= _SURE * self._count:
                self._learn(method, source)
            self._forget()

    def _forget(self) -> None:
        self._sum, self._count, self._weight = None, 0, 0.0

    def _begin(self, method: Filtered) -> None:
        """Take copies of the repairs: those of other methods stay as they are."""
        self._of = method
        noise: Any = method.predictor.noise
        self._later: list[RepairLayer] = [
            part for part in method.predictor.back.modules() if isinstance(part, RepairLayer)
        ]
        method.stream.repair = copy(method.stream.repair)
        self._repairs = [method.stream.repair, *(copy(repair) for repair in noise.repairs[1:])]
        front = method.predictor.front
        self._still = front(self.inputs)
        size = sum(_numbers(repair) for repair in self._repairs)
        self.state_bytes += 4 * size  # weights that change, which no ROM can hold

    def _learn(self, method: Filtered, source: str) -> None:
        corrupt, levels = self.corrupts[source]
        level = levels[self._nearest(method, source)]
        moved = method.predictor.front(corrupt(self.inputs, level, self.lessons + 1))
        names = self._repairs[0].sources
        pairs = zip(self._inside(method, moved, source), self._inside(method, self._still, names[0]), strict=True)
        for index, ((repair, layer), (displaced, clean)) in enumerate(
            zip(zip(self._repairs, [None, *self._later], strict=True), pairs, strict=True)
        ):
            own = [member for member in repair.members if member.source == source]
            if len(own) > 1 or own[0].back is None:  # no pair says which of its causes it has; or undone elsewhere
                continue
            repair.adapt(source, displaced, clean, rule="lms", law=False, rate=self.rate)
            if index and layer is not None:
                layer.repair = repair
        self.lessons += 1
        self.levels.append((source, level))

    def _nearest(self, method: Filtered, source: str) -> int:
        """Return the place of the level whose mean activation is nearest to that of the last images."""
        corrupt, levels = self.corrupts[source]
        if source not in self._means:
            self._means[source] = [
                method.lies.folded(method.predictor.front(corrupt(self.inputs, level, 0))).numpy().mean(axis=0)
                for level in levels
            ]
            self.state_bytes += 4 * len(levels) * self._means[source][0].size
        assert self._sum is not None
        recent = self._sum / self._count
        far = [float(np.square(mean - recent).sum()) for mean in self._means[source]]
        return int(np.argmin(far))

    def _inside(self, method: Filtered, h: Tensor, source: str) -> list[Floats]:
        """Return what each repaired layer gets to see, the task's first, if this source is known to act."""
        repair, seen = self._repairs[0], list[Tensor]()
        given = method.lies.folded(h)
        flat = np.ascontiguousarray(given.numpy(), np.float32)
        fixed, posterior = repair(flat, source)
        handles = [layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])) for layer in self._later]
        try:
            method.decided(h, given, fixed, posterior)
        finally:
            for handle in handles:
                handle.remove()
        later = [
            np.ascontiguousarray(_folded(repair, part).numpy(), np.float32)
            for repair, part in zip(self._repairs[1:], seen, strict=True)
        ]
        return [flat, *later]


def _folded(repair: Repair, h: Tensor) -> Tensor:
    lies = Arrangement.remembered(repair)
    assert lies is not None
    return torch.as_tensor(lies.folded(h))


def _numbers(repair: Repair) -> int:
    """Weights and offsets of all ways back."""
    return sum(member.parameters - member.law.parameters - member.centre.size for member in repair.members)
