"""Batches of inputs from a DataLoader, a data set, arrays or a list of batches, read as often as is asked."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from localnoise.errors import ArgumentError

_SIZE = 128
_EXPECTED = "a DataLoader, a data set of (x, y) or x, tensors x or (x, y), or a list of batches"


class Batches:
    """Batches (x, y) on a device; y is None where the source has no labels. Each iteration starts again.

    Parameters
    ----------
    source : DataLoader, Dataset, Tensor, array, (x, y), or iterable of batches
        A batch is x, (T, ...), or a tuple or list that begins with x and y.
    device : device
        Where x and y are moved to.

    Raises
    ------
    ArgumentError
        A source that can be read only once, or of another kind; from the iteration, a batch that holds no tensor.
    """

    def __init__(self, source: Any, device: torch.device) -> None:
        if hasattr(source, "__next__"):
            raise ArgumentError(
                f"loader is a {type(source).__name__}, which can be read only once: expected {_EXPECTED}"
            )
        self.device = device
        self._source = _batched(source)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        empty = True
        for index, batch in enumerate(self._source):
            empty = False
            x, y = _taken(index, batch)
            yield x.to(self.device), None if y is None else y.to(self.device)
        if empty:
            raise ArgumentError("loader has no batch: expected at least one input")


def first_input(batch: Any, device: torch.device) -> Tensor:
    """Return the inputs of one batch, x or (x, y), on a device."""
    return _taken(0, batch)[0].to(device)


def as_altered(alter: Callable[[Tensor], Any], x: Tensor, who: str) -> Tensor:
    """Return what a user's function makes of a batch; it is given a copy, and may change it.

    Raises
    ------
    ArgumentError
        It returns no tensor, or one of another shape, dtype or device.
    """
    with torch.no_grad():
        moved = alter(x.clone())
    if not isinstance(moved, Tensor):
        raise ArgumentError(f"{who} gave {type(moved).__name__}: expected a tensor, such as the one it was given")
    if moved.shape != x.shape:
        raise ArgumentError(
            f"{who} gave shape {tuple(moved.shape)} of a batch {tuple(x.shape)}: expected the same shape; pad or crop "
            "inside of it"
        )
    if moved.device != x.device:
        raise ArgumentError(
            f"{who} gave a tensor on {moved.device}, the batch is on {x.device}: expected the same device; end it with "
            ".to(x.device)"
        )
    if moved.dtype != x.dtype:
        raise ArgumentError(
            f"{who} gave {moved.dtype} of a batch of {x.dtype}: expected the same; end it with .to(x.dtype)"
        )
    return moved


def _batched(source: Any) -> Any:
    """Return an iterable of batches."""
    if isinstance(source, DataLoader):
        return source
    if isinstance(source, (Tensor, np.ndarray)):
        return _Cut([torch.as_tensor(source)])
    if isinstance(source, (tuple, list)):
        if isinstance(source, tuple) and len(source) == 2 and _are_columns(*source):
            return _Cut([torch.as_tensor(part) for part in source])
        first = source[0] if source else None
        sample = isinstance(first, (tuple, list)) and len(first) == 2 and np.ndim(first[1]) == 0
        return DataLoader(source, _SIZE) if sample else source  # type: ignore[arg-type]  # a list is a data set
    other = isinstance(source, (str, bytes, Mapping, tuple, list))
    if isinstance(source, Dataset) or (hasattr(source, "__getitem__") and hasattr(source, "__len__") and not other):
        return DataLoader(source, _SIZE)
    if hasattr(source, "__iter__") and not other:
        return source
    raise ArgumentError(f"loader is {type(source).__name__}: expected {_EXPECTED}")


def _are_columns(x: Any, y: Any) -> bool:
    """Return whether these are all inputs and all labels, and not two batches of inputs."""
    known = all(isinstance(part, (Tensor, np.ndarray)) for part in (x, y))
    return known and np.ndim(y) == 1 and np.ndim(x) > 0 and len(x) == len(y)


class _Cut:
    """Columns of equal length, a batch of rows at a time."""

    def __init__(self, columns: list[Tensor]) -> None:
        self._columns = columns

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        return zip(*(column.split(_SIZE) for column in self._columns), strict=True)


def _taken(index: int, batch: Any) -> tuple[Tensor, Tensor | None]:
    parts = batch if isinstance(batch, (tuple, list)) else (batch,)
    x, y = (*parts, None, None)[:2]
    if not isinstance(x, (Tensor, np.ndarray)):
        raise ArgumentError(
            f"batch {index} of the loader is {type(batch).__name__}: expected a tensor of inputs, or a pair of inputs "
            "and labels; wrap the loader in a class whose __iter__ yields them"
        )
    given = torch.as_tensor(y) if isinstance(y, (Tensor, np.ndarray, list, tuple)) and len(parts) > 1 else None
    return torch.as_tensor(x), given
