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
    called : str
        The argument that is the source, for messages.

    Raises
    ------
    ArgumentError
        A source that can be read only once, or of another kind; from the iteration, a batch that holds no tensor.
    """

    def __init__(self, source: Any, device: torch.device, called: str = "loader") -> None:
        if hasattr(source, "__next__"):
            raise ArgumentError(
                f"{called} is a {type(source).__name__}, which can be read only once: expected {_EXPECTED}"
            )
        self.device, self.called = device, called
        self._source = _batched(source, called)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        empty = True
        for index, batch in enumerate(self._source):
            x, y = _taken(index, batch, self.called)
            if not len(x):
                continue
            empty = False
            yield x.to(self.device), None if y is None else y.to(self.device)
        if empty:
            raise ArgumentError(f"{self.called} has no inputs: expected at least one")


def first_input(batch: Any, device: torch.device) -> Tensor:
    """Return the inputs of one batch, x or (x, y), on a device."""
    return _taken(0, batch, "loader")[0].to(device)


def labelled(batches: Batches) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of inputs and the numbers of their classes, (T,) int64.

    Raises
    ------
    ArgumentError
        A batch without labels, or with others.
    """
    for index, (x, y) in enumerate(batches):
        if y is None or tuple(y.shape) != (len(x),) or y.is_floating_point():
            found = "none" if y is None else f"{y.dtype} of shape {tuple(y.shape)}"
            raise ArgumentError(
                f"labels of batch {index} are {found}: expected the number of its class for each of {len(x)} inputs; "
                "give a loader of pairs (x, y)"
            )
        yield x, y.long()


def as_altered(alter: Callable[[Tensor], Any], x: Tensor, who: str) -> Tensor:
    """Return what a user's function makes of a batch; it is given a copy, and may change it.

    Raises
    ------
    ArgumentError
        As `check_altered`.
    """
    with torch.no_grad():
        return check_altered(alter(x.clone()), x, who)


def check_altered(moved: Any, x: Tensor, who: str) -> Tensor:
    """Return a perturbed batch.

    Raises
    ------
    ArgumentError
        It is no tensor, or one of another shape, dtype or device, or not finite where the batch is.
    """
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
    if not moved.isfinite().all() and x.isfinite().all():
        raise ArgumentError(
            f"{who} gave NaN or infinity of a finite batch: expected finite values; use torch.nan_to_num"
        )
    return moved


def _batched(source: Any, called: str) -> Any:
    """Return an iterable of batches."""
    if isinstance(source, DataLoader):
        return source
    if isinstance(source, (Tensor, np.ndarray)):
        return _Cut([torch.as_tensor(source)])
    if isinstance(source, (tuple, list)):
        if isinstance(source, tuple) and len(source) == 2 and _are_columns(*source, called):
            return _Cut([torch.as_tensor(part) for part in source])
        _refuse_unlike(source, called)
        first = source[0] if source else None
        sample = isinstance(first, (tuple, list)) and len(first) == 2 and np.ndim(first[1]) == 0
        return DataLoader(source, _SIZE) if sample else source  # type: ignore[arg-type]  # a list is a data set
    other = isinstance(source, (str, bytes, Mapping, tuple, list))
    if isinstance(source, Dataset) or (hasattr(source, "__getitem__") and hasattr(source, "__len__") and not other):
        return DataLoader(source, _SIZE)
    if hasattr(source, "__iter__") and not other:
        return source
    raise ArgumentError(f"{called} is {type(source).__name__}: expected {_EXPECTED}")


def _are_columns(x: Any, y: Any, called: str) -> bool:
    """Return whether these are all inputs and all labels, and not two batches of inputs."""
    known = all(isinstance(part, (Tensor, np.ndarray)) for part in (x, y))
    if known and np.ndim(y) == 1 < np.ndim(x) and len(x) != len(y):
        raise ArgumentError(f"{called} has {len(x)} inputs and {len(y)} labels: expected as many")
    return known and np.ndim(y) == 1 and np.ndim(x) > 0 and len(x) == len(y)


def _refuse_unlike(source: Any, called: str) -> None:
    """Raise an ArgumentError of inputs and labels that would be taken for two batches of inputs."""
    if len(source) != 2 or not all(isinstance(part, (Tensor, np.ndarray)) for part in source):
        return
    x, y = map(torch.as_tensor, source)
    if not x.ndim or not y.ndim:
        return
    one_hot = y.ndim == 2 and len(x) == len(y) and bool(((y == 0) | (y == 1)).all()) and bool((y.sum(1) == 1).all())
    unlike = x.ndim != y.ndim or x.is_floating_point() != y.is_floating_point()  # sequences may differ in length
    if unlike or one_hot:
        raise ArgumentError(
            f"{called} holds {x.dtype} of shape {tuple(x.shape)} and {y.dtype} of shape {tuple(y.shape)}: expected "
            "inputs and the numbers of their classes, a tuple of (T, ...) and (T,), or a list of batches of inputs"
        )


class _Cut:
    """Columns of equal length, a batch of rows at a time."""

    def __init__(self, columns: list[Tensor]) -> None:
        self._columns = columns

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        return zip(*(column.split(_SIZE) for column in self._columns), strict=True)


def _taken(index: int, batch: Any, called: str) -> tuple[Tensor, Tensor | None]:
    parts = batch if isinstance(batch, (tuple, list)) else (batch,)
    x, y = (*parts, None, None)[:2]
    if not isinstance(x, (Tensor, np.ndarray)):
        raise ArgumentError(
            f"batch {index} of the {called} is {type(batch).__name__}: expected a tensor of inputs, or a pair of "
            "inputs and labels; wrap the loader in a class whose __iter__ yields them"
        )
    given = torch.as_tensor(y) if isinstance(y, (Tensor, np.ndarray, list, tuple)) and len(parts) > 1 else None
    return torch.as_tensor(x), given
