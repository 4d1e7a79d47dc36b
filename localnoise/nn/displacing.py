"""Displacements of a layer's output under a corruption of the inputs, streamed from a network and a loader."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.nn.arrangement import Arrangement
from localnoise.nn.likeness import arranged
from localnoise.nn.loading import Batches, as_altered
from localnoise.nn.naming import check_device, find, whole
from localnoise.nn.tapping import Tap
from localnoise.validate import Array


class Displacements:
    """Blocks (d, h) of a network's layer, computed batch by batch as they are asked for; see `displacements`.

    Attributes
    ----------
    yields_pairs : bool
        True: `UnitGrid.learn` takes d from each pair, and h where its grid reads it.

    Parameters
    ----------
    model, name, batches, corrupt, arrangement
        As `displacements` takes and checks them.
    """

    yields_pairs = True

    def __init__(
        self,
        model: nn.Module,
        name: str,
        batches: Batches,
        corrupt: Callable[[Tensor], Tensor],
        arrangement: Arrangement | None,
    ) -> None:
        self._model, self._layer, self._name = model, find(model, name), name
        self._batches, self._corrupt, self._arrangement = batches, corrupt, arrangement

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        tap, lies = Tap(self._model, self._layer, self._name), self._arrangement
        for index, (x, _) in enumerate(self._batches):
            h = tap.upto(x) if index else tap.whole(x)
            moved = tap.upto(self._corrupted(x, index))
            if moved.shape != h.shape:
                raise ArgumentError(
                    f"name={self._name!r} gives shape {tuple(h.shape)}, and {tuple(moved.shape)} of the corrupted "
                    "batch: expected one shape; name a layer whose output depends on its input's values alone"
                )
            if lies is None:
                lies = arranged(h, x, self._model, self._layer, self._name, None, None)
            h = h.float()
            yield _numpy(lies.folded(moved.float() - h)), _numpy(lies.folded(h))

    def _corrupted(self, x: Tensor, index: int) -> Tensor:
        moved = as_altered(self._corrupt, x, "corrupt()")
        if not index and len(x) and torch.equal(moved, x):
            raise ArgumentError(
                "corrupt() gave the first batch back as it was: expected another one, whose values have changed"
            )
        return moved


def displacements(
    model: nn.Module,
    name: str,
    loader: Any,
    corrupt: Callable[[Tensor], Tensor],
    *,
    arrangement: Arrangement | None = None,
    device: torch.device | str | None = None,
) -> Displacements:
    """Return blocks (d, h) of d = h(corrupt(x)) - h(x), which can be iterated again and again.

    The network runs in evaluation mode, without gradients, its noise layers silent, and no further than the layer but
    for the first batch, which shows that the layer runs once. Between two blocks it is as it was: its modes, hooks and
    the noise's position; so it is after an error, or where the iteration ends early. Memory: one batch.

    Parameters
    ----------
    model : Module
        Any network of one input.
    name : str
        Of the layer, as in `model.named_modules()`.
    loader : DataLoader, Dataset, Tensor, (x, y), or iterable of batches
        Inputs, with labels or without; these are not read. Batches are moved to the network's device.
    corrupt : callable
        A batch (T, ...) to another of the same shape. It is given a copy. Random numbers are its own: each iteration
        draws others, if its generator goes on.
    arrangement : Arrangement or None
        How the layer's output lies on the grid; None: as `arrangement_of` finds.
    device : device or None
        The network's own, None or stated.

    Returns
    -------
    Displacements
        Each block is a pair of arrays (T, C, H, W) in float32. ``grid.learn(pairs)`` takes it as it is.

    Raises
    ------
    ArgumentError
        No such layer (the near name is suggested), a loader that can be read only once, a device that is not the
        network's. As blocks are asked for: a layer that runs not once or gives no tensor; a corruption that changes
        shape, type or device, or nothing at all.

    Examples
    --------
    >>> import torch
    >>> from localnoise import nn as lnn
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Tanh())
    >>> pairs = lnn.displacements(net, "1", torch.rand(300, 1, 6, 6), lambda x: 0.5 * x)
    >>> [d.shape for d, h in pairs]
    [(128, 4, 4, 4), (128, 4, 4, 4), (44, 4, 4, 4)]
    >>> lnn.grid_like(net, "1", torch.rand(2, 1, 6, 6), parents=2).learn(pairs).rule.name
    'moments'
    """
    model = whole(model)
    own = check_device(model, device)
    if not callable(corrupt):
        raise ArgumentError(f"corrupt is {type(corrupt).__name__}: expected a function of a batch")
    return Displacements(model, name, Batches(loader, own), corrupt, arrangement)


def _numpy(values: Tensor) -> Array:
    return np.ascontiguousarray(values.cpu().numpy())
