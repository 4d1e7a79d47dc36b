"""A user's task as experiments see it: its data in memory, its network cut, its perturbations by name."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from localnoise.errors import ArgumentError, first_line
from localnoise.nn import Task
from localnoise.nn.loading import as_altered
from localnoise.sims.data.samples import Samples
from localnoise.sims.models import OwnNetwork
from localnoise.sims.perturbations import Modification
from localnoise.sims.perturbations.draws import Words, generator_kept

_FEW = 2  # inputs that a network is traced with


@dataclass(frozen=True, eq=False)
class OwnTask:
    """A `localnoise.Task`.

    Attributes
    ----------
    task : Task
    name : str
    salt : str
        What a result depends on besides data: the task's source.
    said : str
        The first line of the file that makes it, if it has a docstring.
    """

    task: Task
    name: str
    salt: str = ""
    said: str = ""
    two_sets: bool = False

    @property
    def description(self) -> str:
        """One sentence for lists."""
        return self.said or f"A task of one's own, its noise after {self.task.layer!r}."

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Of the inputs' values."""
        return self.task.bounds

    @property
    def trained(self) -> bool:
        """True if its networks come with trained weights."""
        return self.task.trained

    @property
    def longer(self) -> float:
        """Epochs relative to the preset's."""
        return self.task.longer

    @property
    def images(self) -> bool:
        """True if the modifications of images that ship can be applied to its inputs."""
        return self._example.shape[1:] == (1, 28, 28) and self.bounds == (0, 1)

    @cached_property
    def own(self) -> Mapping[str, Modification]:
        """Its perturbations."""
        t = self.task
        return {
            name: _modification(name, f, t.bounds, harmless=t.harmless.get(name)) for name, f in t.perturbations.items()
        }

    def data(self, which: str = "", data_dir: str | Path | None = None, seed: int = 0) -> Samples:
        """Return the data of a seed."""
        if data_dir is not None:
            raise ArgumentError(
                f"data_dir={str(data_dir)!r}: expected none with the task {self.name!r}, which has data of its own; "
                "drop it"
            )
        found: Samples = self._splits(seed if callable(self.task.train) or callable(self.task.test) else 0)
        return found

    def network(self, seed: int, activation: str = "tanh", layer: int | str | None = None) -> OwnNetwork:
        """Return the network with the weights of a seed, cut after the task's layer or another one.

        Raises
        ------
        ArgumentError
            The network does not fit the data of the seed, inputs or classes; or a perturbation of the task gives
            inputs of another shape, or none.
        """
        t = self.task
        where = t.layer if layer is None else str(layer)
        own = self.data(seed=seed)
        few = own.train[0][:_FEW]
        _ = self._tried
        made = OwnNetwork(t.model, where, few, seed, kind=t.kind, skipped=t.skipped, trained=t.trained)
        for part in ("train", "test"):
            made.check_classes(part, own.pair(part)[1])
        return made

    @cached_property
    def _tried(self) -> bool:
        """True, after each perturbation was tried on a few inputs: what it does wrong is said before the training."""
        for name, made in self.task.perturbations.items():
            _modification(name, made, self.bounds, self._example, self.task.harmless.get(name))
        return True

    @cached_property
    def _example(self) -> Tensor:
        return self.data().train[0][:_FEW]

    @cached_property
    def _splits(self) -> Any:
        return lru_cache(maxsize=2)(self._split)  # those of seed 0, with which tasks are tried, and of one more

    def _split(self, seed: int) -> Samples:
        parts = {}
        for name in ("train", "test"):
            given = getattr(self.task, name)
            try:
                parts[name] = given(seed) if callable(given) else given
            except Exception as error:  # whatever a user's function raises
                raise ArgumentError(
                    f"{name}({seed}) of task {self.name!r} raised {type(error).__name__}: {first_line(error)}; "
                    "expected a function of the seed that returns a data set"
                ) from error
        return Samples.of(parts["train"], parts["test"], f"task {self.name}", self.salt, self.bounds)


def _modification(
    name: str,
    function: Any,
    bounds: tuple[float, float] | None,
    few: Tensor | None = None,
    harmless: float | None = None,
) -> Modification:
    """Return a user's function as a perturbation that is applied by name; it is tried on a few inputs, if there are.

    harmless : the level at which it does nothing.
    """
    takes = inspect.signature(function).parameters if _has_signature(function) else {}
    level = takes["level"].default if "level" in takes else 1.0
    if level is inspect.Parameter.empty or not isinstance(level, (int, float)):
        raise ArgumentError(f"perturbations[{name!r}]: level has no default: expected one, as in level=1.0")
    random, strong = "generator" in takes, "level" in takes
    whole = strong and takes["level"].annotation in (int, "int")  # a string where annotations are not evaluated
    if harmless is not None and not strong:
        raise ArgumentError(f"harmless[{name!r}]: the perturbation takes no level: expected one that has strengths")

    def applied(inputs: Tensor, strength: float, words: Words) -> Tensor:
        moved = altered(inputs, strength, words)
        if len(inputs) and torch.equal(moved, inputs):
            raise ArgumentError(
                f"perturbations[{name!r}] returned its inputs as they were: expected perturbed ones; of level "
                f"{strength:g} they would be clean"
            )
        return moved

    def altered(inputs: Tensor, strength: float, words: Words) -> Tensor:
        more = {"level": int(strength) if whole else strength} if strong else {}
        if random:  # each input by its own draw, whatever batch it comes in
            each = [
                _called(name, function, one, more | {"generator": torch.Generator().manual_seed(int(word) >> 1)})
                for one, word in zip(inputs.split(1), words[:, 0], strict=True)
            ]
            moved = torch.cat(each) if each else inputs.clone()
        else:
            with generator_kept(), torch.random.fork_rng(devices=[]):
                _seed_globals(int(words[0, 0]) if len(words) else 0)
                moved = _called(name, function, inputs, more)
        return moved

    if few is not None:  # that they stay as they are may be chance: it is refused of many
        words = np.zeros((len(few), 1), np.uint64)
        altered(few, float(level), words)
        if harmless is not None and not torch.allclose(altered(few, float(harmless), words), few, atol=1e-5):
            raise ArgumentError(
                f"harmless[{name!r}]={harmless:g}: inputs of this level come back changed: expected the level at which "
                "nothing happens to them"
            )
    lowest, highest = (-float("inf"), float("inf")) if strong else (1.0, 1.0)
    return Modification(
        name=name, function=applied, words=1, level=float(level), lowest=lowest, highest=highest, shape=None,
        bounds=bounds, harmless=None if harmless is None else float(harmless), whole=whole,
        unit="as the task defines it" if strong else "takes no level",
        description=(inspect.getdoc(function) or "Of the task.").partition("\n")[0],
    )  # fmt: skip


def _has_signature(function: Any) -> bool:
    try:
        inspect.signature(function)
    except (TypeError, ValueError):
        return False
    return True


def _called(name: str, function: Any, inputs: Tensor, more: dict[str, Any]) -> Tensor:
    def whole(x: Tensor) -> Any:
        try:
            return function(x, **more)
        except Exception as error:  # whatever a user's function raises
            raise ArgumentError(
                f"perturbations[{name!r}] raised {type(error).__name__}: {first_line(error)}; expected it to return "
                f"perturbed inputs of shape {tuple(inputs.shape)}"
            ) from error

    return as_altered(whole, inputs, f"perturbations[{name!r}]")


def _seed_globals(word: int) -> None:
    """Seed the global generators, from which a function that takes none may draw."""
    torch.manual_seed(word >> 1)
    np.random.seed(word % 2**32)  # noqa: NPY002
