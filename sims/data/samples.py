"""A task's own data in memory: inputs and classes for training and for testing, and a fingerprint for records."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from localnoise.errors import ArgumentError, first_line
from localnoise.sims.data.draw import permutation
from localnoise.validate import as_count

Pair = tuple[Tensor, Tensor]


class Data(Protocol):
    """A data set as experiments need it: Fashion-MNIST's `Dataset` and a task's `Samples` alike."""

    @property
    def source(self) -> str:
        """Its origin, in words."""

    @property
    def fingerprint(self) -> str:
        """Hash of all that it holds."""

    @property
    def count(self) -> int:
        """Number of training inputs."""

    def pair(self, part: str) -> Pair:
        """Return inputs (N, ...) float32 and classes (N,) int64 of "train" or "test"."""

    def held_out(self, count: int) -> "Data":
        """Return a data set in which `count` training inputs stand in the place of the test inputs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Inputs (N, ...) float32 and classes (N,) int64, for training and for testing.

    Attributes
    ----------
    train, test : pair of Tensor
    source : str
        Where they came from, in words.
    fingerprint : str
        Hash of them, and of what else a result depends on.
    """

    train: Pair
    test: Pair
    source: str
    fingerprint: str

    @classmethod
    def of(cls, train: Any, test: Any, source: str, salt: str, bounds: tuple[float, float] | None) -> Self:
        """Read a user's data sets; `salt` is hashed, too.

        Raises
        ------
        ArgumentError
            No pairs of finite inputs of one shape within `bounds` and classes 0, 1, ...; or classes of the test that
            training never meets.
        """
        parts = {name: pair_of(name, given, bounds) for name, given in (("train", train), ("test", test))}
        if parts["train"][0].shape[1:] != parts["test"][0].shape[1:]:
            shapes = {name: tuple(x.shape[1:]) for name, (x, _) in parts.items()}
            raise ArgumentError(f"test: inputs of shape {shapes['test']}, expected {shapes['train']}, as in train")
        most = int(parts["train"][1].max())
        if int(parts["test"][1].max()) > most:
            raise ArgumentError(f"test: holds class {int(parts['test'][1].max())}, expected 0 .. {most}, as in train")
        digest = hashlib.sha256(salt.encode())
        for name, pair in parts.items():
            for tensor in pair:
                digest.update(f"{name}{tuple(tensor.shape)}".encode())
                digest.update(tensor.contiguous().numpy().reshape(-1).data)
        return cls(**parts, source=source, fingerprint=digest.hexdigest())

    @property
    def count(self) -> int:
        """Number of training inputs."""
        return len(self.train[1])

    def pair(self, part: str) -> Pair:
        """Return inputs and classes of "train" or "test"."""
        return self.train if part == "train" else self.test

    def held_out(self, count: int) -> Self:
        """Return a data set in which `count` training inputs, drawn at random, stand in the place of the test inputs.

        Raises
        ------
        ArgumentError
            `count` leaves nothing to train on.
        """
        x, y = self.train
        if not 0 < as_count("holdout", count) < len(y):
            raise ArgumentError(
                f"holdout={count!r}: expected from 1 to {len(y) - 1} training inputs; a study says how many, as in "
                f"holdout = {max(len(y) // 5, 1)}"
            )
        held = torch.zeros(len(y), dtype=torch.bool)
        held[torch.from_numpy(permutation(len(y), 0)[:count].copy())] = True
        mark = hashlib.sha256(f"{self.fingerprint} holdout {count}".encode()).hexdigest()
        parts = {"train": (x[~held], y[~held]), "test": (x[held], y[held])}
        return replace(self, **parts, source=f"{self.source}, {count} training inputs held out", fingerprint=mark)


def pair_of(part: str, given: Any, bounds: tuple[float, float] | None) -> Pair:
    """Return inputs and classes of a data set, or of a pair of arrays.

    Raises
    ------
    ArgumentError
        As `Samples.of`.
    """
    x, y = given if _is_pair(given) else _collected(part, given)
    x, y = torch.as_tensor(np.asarray(x) if not isinstance(x, Tensor) else x), torch.as_tensor(y)
    if not x.is_floating_point():
        raise ArgumentError(f"{part}: inputs of {x.dtype}, expected floating point; divide bytes by 255")
    if x.ndim < 2 or y.shape != x.shape[:1] or not len(y):
        raise ArgumentError(
            f"{part}: inputs of shape {tuple(x.shape)}, classes of shape {tuple(y.shape)}: expected (N, ...) and (N,)"
        )
    if y.is_floating_point() or y.is_complex() or int(y.min()) < 0:
        found = f"labels of {y.dtype} from {y.min().item():g}"
        raise ArgumentError(f"{part}: {found}: expected classes, whole numbers from 0")
    x, y = x.detach().float().cpu(), y.long().cpu()
    low, high = (edge.item() for edge in x.aminmax())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ArgumentError(f"{part}: inputs hold NaN or infinity, expected finite numbers")
    if bounds is not None and not bounds[0] <= low <= high <= bounds[1]:
        raise ArgumentError(
            f"{part}: inputs run from {low:g} to {high:g}, out of bounds={bounds}; rescale them, or state their bounds"
        )
    return x, y


def _is_pair(given: Any) -> bool:
    return (
        isinstance(given, (tuple, list))
        and len(given) == 2
        and all(hasattr(part, "shape") and hasattr(part, "dtype") for part in given)
        and len(given[0].shape) > 1
        and len(given[1].shape) == 1
    )


def _collected(part: str, given: Any) -> Pair:
    """Read a data set item by item."""
    wanted = f"{part}: expected a data set of pairs (input, class), or a pair of arrays (inputs, classes)"
    if not hasattr(given, "__len__") or not hasattr(given, "__getitem__"):
        raise ArgumentError(f"{wanted}; got {type(given).__name__}")
    inputs, classes = [], []
    try:
        for index in range(len(given)):
            item = given[index]
            if not isinstance(item, (tuple, list)) or len(item) != 2:
                raise ArgumentError(f"{wanted}: labels are missing, item {index} is {type(item).__name__}")
            inputs.append(torch.as_tensor(item[0]))
            classes.append(int(item[1]))
        return torch.stack(inputs), torch.tensor(classes)
    except ArgumentError:
        raise
    except Exception as error:  # whatever a user's data set raises
        raise ArgumentError(f"{wanted}; item {len(inputs)}: {type(error).__name__}: {first_line(error)}") from error
